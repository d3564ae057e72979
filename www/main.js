// The demo page: a SQL console over a database that runs in a worker of this page. Imports the package by name, as a user's project does.

import { CofferError, open } from 'coffer-db'
import { examples, schema } from './examples.js'

const rowsShownMax = 1000
const element = (id) => document.getElementById(id)
const page = Object.fromEntries(['engine', 'engine-text', 'schema', 'examples', 'form', 'sql', 'run', 'summary', 'error', 'rows'].map((id) => [id, element(id)]))

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
    await describe(db)
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

async function main() {
  const db = await open('demo', { backend: 'memory' })
  await db.exec(schema)
  state('ready', `SQLite ${db.about.sqlite} in a worker`)
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
