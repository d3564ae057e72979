// Makes tables and a chart of what `measure` gave. Pure: figures in, text out.

import { workloads } from './work.js'

export const titles = {
  'sahpool': 'sqlite-wasm, opfs-sahpool',
  'sahpool-wal': 'sqlite-wasm, opfs-sahpool, WAL',
  'sqljs': 'sql.js (memory)',
  'coffer-plain': 'Coffer, plain',
  'coffer': 'Coffer, zstd + AES-256-GCM',
}

export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

const units = { page: 'from the page', worker: 'in the worker' }

/** Time of one operation, as people say it. */
function time(ms) {
  return ms < 1 ? `${(ms * 1000).toPrecision(3)} us` : ms < 1000 ? `${ms.toPrecision(3)} ms` : `${(ms / 1000).toPrecision(3)} s`
}

function size(bytes) {
  return `${(bytes / 1e6).toFixed(1)} MB`
}

function contendersOf(outcome) {
  return Object.keys(titles).filter((contender) => contender in outcome.versions)
}

/** The lines of the tables: what, in which view, and each contender's median with how its text is made. */
export function lines(outcome) {
  const all = []
  for (const [view, samples] of Object.entries(outcome.views)) {
    for (const { name, title, unit } of workloads) {
      if (samples[name] === undefined) continue
      const count = outcome.sizes[name]
      all.push({ view, name, title: `${title} (${count.toLocaleString('en')} ${unit})`, medians: medians(samples[name]), per: count, text: (ms) => time(ms / count) })
    }
  }
  const sizes = outcome.views.page?.size ?? outcome.views.worker?.size
  if (sizes !== undefined) all.push({ view: 'both', name: 'size', title: 'bytes stored', medians: medians(sizes), per: 1, text: size })
  if (outcome.start !== undefined) all.push({ view: 'both', name: 'start', title: 'start: from nothing to the first row', medians: medians(outcome.start), per: 1, text: time })
  return all
}

function medians(samples) {
  return Object.fromEntries(Object.entries(samples).map(([contender, numbers]) => [contender, median(numbers)]))
}

function row(cells) {
  return `| ${cells.join(' | ')} |`
}

/** The figures as Markdown: times of one operation, and how many times Coffer's default form is as fast as each other. */
export function markdown(outcome) {
  const contenders = contendersOf(outcome)
  const tables = []
  for (const [view, said] of [...Object.entries(units), ['both', 'either way']]) {
    const own = lines(outcome).filter((line) => line.view === view)
    if (own.length === 0) continue
    tables.push([
      row([`one operation, ${said}`, ...contenders.map((contender) => titles[contender])]),
      row(['---', ...contenders.map(() => '---:')]),
      ...own.map(({ title, medians: values, text }) => row([title, ...contenders.map((contender) => (values[contender] === undefined ? '' : `${text(values[contender])} (${(values[contender] / values.coffer).toFixed(2)})`))])),
    ].join('\n'))
  }
  if (outcome.seam !== undefined) {
    const { rows, runs, gets, times } = outcome.seam
    const wire = median(times.wire)
    const cloned = median(times.cloned)
    const perSecond = (samples) => `${(Math.round((runs / median(samples)) * 10) * 100).toLocaleString('en')} per second`
    tables.push([
      row(['between page and worker', 'Coffer', 'compared with']),
      row(['---', '---:', '---:']),
      row([`${rows.toLocaleString('en')} rows of 8 columns read to the page`, time(wire), `${time(cloned)} as structured clones: ${(wire / cloned).toFixed(2)} of it`]),
      row([`${runs.toLocaleString('en')} \`run\` at once, relaxed`, perSecond(times.runs), times.loop === undefined ? '' : `${perSecond(times.loop)} by sql.js in memory, in a loop and in one transaction: ${(median(times.runs) / median(times.loop)).toFixed(2)} of its time`]),
      row(['one `get`, awaited', time(median(times.get) / gets), `${time(median(times.ping) / gets)} for a message there and back that asks for nothing`]),
    ].join('\n'))
  }
  return tables.join('\n\n')
}

const colours = { 'sahpool': '#9aa5b1', 'sahpool-wal': '#65758b', 'sqljs': '#d0b36a', 'coffer-plain': '#7fb8a4', 'coffer': '#1f7a5c' }

/** The chart: for each workload a bar for each contender, as long as its time beside the slowest's. */
export function chart(outcome) {
  const contenders = contendersOf(outcome)
  const own = lines(outcome).filter(({ view }) => view !== 'worker')
  const [left, width, bar, gap] = [330, 420, 14, 18]
  const escape = (text) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  const parts = []
  let y = 34
  contenders.forEach((contender, index) => {
    const x = 20 + (index % 3) * 260
    const at = y + Math.floor(index / 3) * 20
    parts.push(`<rect x="${x}" y="${at - 10}" width="12" height="12" rx="2" fill="${colours[contender]}"/><text x="${x + 18}" y="${at}">${escape(titles[contender])}</text>`)
  })
  y += 20 * Math.ceil(contenders.length / 3) + 12
  for (const { title, medians: values, text } of own) {
    const there = contenders.filter((contender) => values[contender] !== undefined)
    const most = Math.max(...there.map((contender) => values[contender]))
    parts.push(`<text x="20" y="${y + 11}" font-weight="600">${escape(title)}</text>`)
    y += 18
    for (const contender of there) {
      const length = Math.max(1, (values[contender] / most) * width)
      parts.push(`<text x="${left - 8}" y="${y + 11}" text-anchor="end" fill="#555">${escape(titles[contender])}</text><rect x="${left}" y="${y}" width="${length.toFixed(1)}" height="${bar - 2}" rx="2" fill="${colours[contender]}"/><text x="${(left + length + 6).toFixed(1)}" y="${y + 11}">${escape(text(values[contender]))}</text>`)
      y += bar
    }
    y += gap
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 860 ${y + 10}" font-family="system-ui, sans-serif" font-size="12" fill="#222" role="img" aria-label="Time of one operation, less is better">
<rect width="860" height="${y + 10}" fill="#fff"/><text x="20" y="16" fill="#555">Time of one operation and bytes stored; shorter is better. ${escape(outcome.browser)}, ${escape(outcome.date)}.</text>
${parts.join('\n')}
</svg>
`
}

const [begin, end] = ['<!-- figures: made by npm run bench -->', '<!-- end of figures -->']

/** The document with these figures between its marks. */
export function inserted(document, outcome) {
  const [from, to] = [document.indexOf(begin), document.indexOf(end)]
  if (from < 0 || to < from) throw new Error('the document has no place for figures')
  return `${document.slice(0, from)}${begin}\n\n![the same as a chart](../bench/results/browser.svg)\n\n${markdown(outcome)}\n\nMeasured on ${outcome.date} in ${outcome.browser}, ${outcome.machine}: medians of ${outcome.reps} interleaved repetitions.\n\n${document.slice(to)}`
}
