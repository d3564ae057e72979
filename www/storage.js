// The storage card of the demo page: what the database takes, as figures and as a picture. Knows nothing of the console.

const svg = 'http://www.w3.org/2000/svg'

/** Pages that are drawn at the most: reading more of them for a picture would be felt. */
const pagesMax = 2400
const columns = 40
const side = 10

function shape(tag, attributes, ...children) {
  const made = document.createElementNS(svg, tag)
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value))
  made.append(...children)
  return made
}

export function bytes(count) {
  const units = ['bytes', 'KB', 'MB', 'GB']
  let unit = 0
  let value = count
  for (; value >= 1000 && unit < units.length - 1; unit += 1) value /= 1000
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

/** A bar of parts, each as long as it is large; what it is of is the whole bar. */
function bar(parts, whole) {
  const picture = shape('svg', { class: 'bar-picture', viewBox: '0 0 1000 60', preserveAspectRatio: 'none', role: 'img', 'aria-label': parts.map(({ name, size }) => `${name} ${bytes(size)}`).join(', ') })
  picture.append(shape('rect', { class: 'whole', x: 0, y: 0, width: 1000, height: 60 }))
  let left = 0
  for (const { name, size, kind } of parts) {
    const width = whole === 0 ? 0 : Math.min((size / whole) * 1000, 1000 - left)
    if (width > 0) picture.append(shape('rect', { class: kind, x: left, y: 0, width, height: 60 }, shape('title', {}, `${name}: ${bytes(size)}`)))
    left += width
  }
  return picture
}

/** A square for each page, in the colour of the table or index that it belongs to. */
function map(pages, names) {
  const rows = Math.ceil(pages.length / columns)
  const picture = shape('svg', { class: 'map-picture', viewBox: `0 0 ${columns * side} ${Math.max(rows, 1) * side}`, role: 'img', 'aria-label': `${pages.length} pages of ${names.length} tables and indexes` })
  for (const [index, { name, pageno, used }] of pages.entries()) {
    const square = shape('rect', {
      x: (index % columns) * side + 1, y: Math.floor(index / columns) * side + 1, width: side - 2, height: side - 2, rx: 1.5,
      class: `hue hue-${names.indexOf(name) % 8}`, 'fill-opacity': (0.35 + 0.65 * used).toFixed(2),
    }, shape('title', {}, `page ${pageno}: ${name}, ${Math.round(used * 100)} % full`))
    picture.append(square)
  }
  return picture
}

function figure(name, value, title = '') {
  const term = Object.assign(document.createElement('dt'), { textContent: name })
  const detail = Object.assign(document.createElement('dd'), { textContent: value, title })
  return [term, detail]
}

const places = { opfs: 'OPFS', indexeddb: 'IndexedDB', memory: 'memory' }

/** Where the database is, in words. */
export const placeName = (backend) => places[backend] ?? backend

/** Draws the card anew. `page` has its elements: `figures`, `bars`, `map`. */
export async function draw(db, page) {
  const info = await db.storageInfo()
  const live = Math.max(info.stored_bytes - info.wal_size - info.dead_bytes, 0)
  const parts = [
    { name: 'segments', size: live, kind: 'live' },
    { name: 'log', size: info.wal_size, kind: 'log' },
    { name: 'to be reclaimed', size: info.dead_bytes, kind: 'dead' },
  ]
  page.figures.replaceChildren(
    ...figure('kept in', placeName(info.backend)),
    ...figure('encrypted', info.cipher === 'none' ? 'no' : info.cipher),
    ...figure('as SQLite', bytes(info.logical_bytes), `${info.page_count} pages of ${info.page_size} bytes`),
    ...figure('stored', bytes(info.stored_bytes), `codec ${info.codec}`),
    ...figure('commit', String(info.last_commit_id)),
  )
  page.bars.replaceChildren(bar(parts, Math.max(info.logical_bytes, info.stored_bytes)))
  if (info.page_count > pagesMax) {
    page.map.replaceChildren(Object.assign(document.createElement('p'), { className: 'note', textContent: `${info.page_count.toLocaleString('en')} pages are too many to draw.` }))
    return
  }
  const pages = await db.query('select name, pageno, cast(payload as real) / pgsize as used from dbstat order by pageno')
  page.map.replaceChildren(map(pages, [...new Set(pages.map(({ name }) => name))]))
}
