// The demo page: a SQL console over a database that runs in a worker of this page and stays in the browser. Imports the package by name, as a
// user's project does.

import { CofferError, open } from 'coffer-db'
import { examples, schema } from './examples.js'
import { bytes, draw, placeName } from './storage.js'

const rowsShownMax = 1000
const element = (id) => document.getElementById(id)
const page = Object.fromEntries(['engine', 'engine-text', 'schema', 'figures', 'bars', 'map', 'import', 'export', 'backup', 'reset', 'file', 'examples', 'form', 'sql', 'run', 'summary', 'error', 'rows'].map((id) => [id, element(id)]))

function make(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties)
  made.append(...children)
  return made
}

function state(name, text) {
  page.engine.dataset.state = name
  page['engine-text'].textContent = text
}

function cell(value) {
  if (value === null) return make('td', { className: 'empty', textContent: 'null' })
  if (value instanceof Uint8Array) return make('td', { className: 'empty', textContent: `${value.length} bytes` })
  const number = typeof value === 'number' || typeof value === 'bigint'
  return make('td', { className: number ? 'number' : '', textContent: String(value), title: number ? '' : String(value) })
}

function show(rows) {
  const [first] = rows
  const columns = first === undefined ? [] : Object.keys(first)
  const heads = columns.map((name) => make('th', { scope: 'col', className: cell(first[name]).className === 'number' ? 'number' : '', textContent: name }))
  const lines = rows.slice(0, rowsShownMax).map((row) => make('tr', {}, ...columns.map((name) => cell(row[name]))))
  page.rows.replaceChildren(make('thead', {}, make('tr', {}, ...heads)), make('tbody', {}, ...lines))
}

function summary(count, ms) {
  const shown = count > rowsShownMax ? `, the first ${rowsShownMax} shown` : ''
  return `${count.toLocaleString('en')} ${count === 1 ? 'row' : 'rows'}${shown} in ${ms.toFixed(1)} ms`
}

function complain(error) {
  page.error.hidden = false
  page.error.textContent = error instanceof CofferError ? `${error.code}: ${error.message}` : String(error)
  if (error instanceof CofferError && error.code === 'worker_lost') state('lost', 'The engine stopped; reload the page')
}

async function run(db) {
  const sql = page.sql.value
  page.run.disabled = true
  page.error.hidden = true
  try {
    const started = performance.now()
    const rows = await db.query(sql)
    page.summary.textContent = summary(rows.length, performance.now() - started)
    show(rows)
  } catch (error) {
    page.summary.textContent = ''
    page.rows.replaceChildren()
    complain(error)
  } finally {
    page.run.disabled = false
  }
}

/** Lists the tables with their columns and sizes; internal tables of FTS5 and R-Tree are left out. */
async function describe(db) {
  const tables = await db.query(
    `select l.name, group_concat(c.name, ', ') as columns
     from pragma_table_list l join pragma_table_info(l.name) c
     where l.schema = 'main' and l.type in ('table', 'virtual', 'view') and l.name not like 'sqlite!_%' escape '!'
     group by l.name order by l.name`,
  )
  const items = await Promise.all(
    tables.map(async ({ name, columns }) => {
      const quoted = `"${name.replaceAll('"', '""')}"`
      const { count } = await db.get(`select count(*) as count from ${quoted}`)
      const button = make('button', { type: 'button' }, make('span', { textContent: name }), make('span', { className: 'count', textContent: count.toLocaleString('en') }))
      button.onclick = () => choose(db, `select * from ${quoted} limit 100`)
      return make('li', {}, button, make('span', { className: 'columns', textContent: columns }))
    }),
  )
  page.schema.replaceChildren(...items)
}

function choose(db, sql) {
  page.sql.value = sql
  for (const button of page.examples.children) button.setAttribute('aria-pressed', String(button.dataset.sql === sql))
  return run(db)
}

/** Keeps the cards true to the database, whoever changes it: this tab, or another. */
function keepShown(db) {
  let under = false
  let due = false
  const refresh = async () => {
    due = true
    if (under) return
    under = true
    try {
      while (due) {
        due = false
        await describe(db)
        await draw(db, page)
        await tell(db)
      }
    } catch (error) {
      complain(error)
    } finally {
      under = false
    }
  }
  db.on('commit', () => void refresh())
  db.on('leader', () => void refresh())
  db.on('error', complain)
  return refresh
}

async function tell(db) {
  const { backend } = await db.storageInfo()
  const whose = db.leader === 'self' ? 'in a worker' : "in another tab's worker"
  state('ready', `SQLite ${db.about.sqlite} ${whose}, kept in ${placeName(backend)}`)
}

/** Makes the tables that the page comes with, unless they are there: another tab may have been first. */
function fill(db) {
  return db.transaction(async (transaction) => {
    if ((await transaction.get("select 1 from sqlite_schema where type = 'table'")) === undefined) await transaction.exec(schema)
  })
}

async function startOver(db) {
  await db.transaction(async (transaction) => {
    // A virtual table takes its own tables with it, so those are asked for anew.
    for (;;) {
      const found = await transaction.get("select type, name from sqlite_schema where type in ('table', 'view') and name not like 'sqlite!_%' escape '!' order by sql not like 'create virtual%', type = 'table'")
      if (found === undefined) break
      await transaction.exec(`drop ${found.type} "${found.name.replaceAll('"', '""')}"`)
    }
    await transaction.exec(schema)
  })
}

/** Hands a file to the person at the screen. */
function hand(blob, name) {
  const address = URL.createObjectURL(blob)
  make('a', { href: address, download: name }).click()
  setTimeout(() => URL.revokeObjectURL(address), 60_000)
}

/** A button that does something long: says what it did, or what was wrong. */
function verb(button, work) {
  button.onclick = async () => {
    button.disabled = true
    page.error.hidden = true
    try {
      page.summary.textContent = await work()
    } catch (error) {
      complain(error)
    } finally {
      button.disabled = false
    }
  }
}

function listenToVerbs(db) {
  verb(page.export, async () => {
    const file = await db.export()
    hand(file, 'demo.sqlite')
    return `demo.sqlite, ${bytes(file.size)}`
  })
  verb(page.backup, async () => {
    const { file, bytes: size, commit } = await db.backup('download')
    return `${file}, ${bytes(size)}, commit ${commit}`
  })
  verb(page.reset, async () => {
    await startOver(db)
    return 'as it was in the beginning'
  })
  page.import.onclick = () => page.file.click()
  page.file.onchange = async () => {
    const [file] = page.file.files
    page.file.value = ''
    if (file === undefined) return
    page.error.hidden = true
    try {
      await db.import(file)
      page.summary.textContent = `${file.name} is in`
    } catch (error) {
      complain(error)
    }
  }
}

async function main() {
  const db = await open('demo')
  const refresh = keepShown(db)
  await fill(db)
  await refresh()
  listenToVerbs(db)
  for (const { name, sql } of examples) {
    const button = make('button', { type: 'button', textContent: name })
    button.dataset.sql = sql
    button.onclick = () => choose(db, sql)
    page.examples.append(button)
  }
  page.form.onsubmit = (event) => {
    event.preventDefault()
    void run(db)
  }
  page.sql.onkeydown = (event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) page.form.requestSubmit()
  }
  await choose(db, examples[0].sql)
}

main().catch((error) => {
  state('lost', 'The engine did not start')
  complain(error)
})
