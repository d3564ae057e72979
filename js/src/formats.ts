// What few backups need. A database as text, in the forms that the native command writes too. SQLite itself writes the values, so none loses anything on its way
// through JavaScript; each row arrives as one line.

import type { Queries } from './types.js'

interface Item {
  readonly type: string
  readonly name: string
  readonly sql: string
}

/** Tables in the order they were made, those of SQLite's own after them; then indexes, views and triggers. */
const items = `select type, name, sql from sqlite_schema where sql is not null
  and (name not like 'sqlite~_%' escape '~' or name = 'sqlite_sequence' or name like 'sqlite~_stat_' escape '~')
  order by case type when 'table' then 0 when 'index' then 1 when 'view' then 2 else 3 end, name like 'sqlite~_%' escape '~', rowid`

/** Tables that hold rows of their own, or find them elsewhere; not what lies beneath virtual ones. */
const tables = `select name from pragma_table_list where schema = 'main' and type in ('table', 'virtual') and name not like 'sqlite~_%' escape '~' order by name`

/** Columns that can be written to. */
const columns = 'select name from pragma_table_xinfo(?) where hidden in (0, 1)'

function name(text: string): string {
  return `"${text.replaceAll('"', '""')}"`
}

function text(text: string): string {
  return `'${text.replaceAll("'", "''")}'`
}

async function columnsOf(from: Queries, table: string): Promise<string[]> {
  return (await from.query<{ name: string }>(columns, [table])).map((column) => column.name)
}

/** Rows of one text each. */
async function* lines(from: Queries, expression: string, table: string): AsyncGenerator<string, void, undefined> {
  for await (const { line } of from.iterate<{ line: string }>(`select ${expression} as line from ${name(table)}`)) yield `${line}\n`
}

/** The statements that make the database again. */
export async function* sqlScript(from: Queries): AsyncGenerator<string, void, undefined> {
  const all = await from.query<Item>(items)
  yield 'PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n'
  let schema = false
  for (const { type, name: table, sql } of all) {
    if (type !== 'table') {
      yield `${sql};\n`
      continue
    }
    if (/^create virtual/i.test(sql)) {
      // What lies beneath it is written as well, so it is only named.
      if (!schema) yield 'PRAGMA writable_schema=ON;\n'
      schema = true
      yield `INSERT INTO sqlite_schema(type,name,tbl_name,rootpage,sql)VALUES('table',${text(table)},${text(table)},0,${text(sql)});\n`
      continue
    }
    if (table === 'sqlite_sequence') yield 'DELETE FROM sqlite_sequence;\n'
    else if (table.startsWith('sqlite_stat')) yield 'ANALYZE sqlite_schema;\n'
    else yield `${sql};\n`
    const names = (await columnsOf(from, table)).map(name)
    if (names.length === 0) continue
    // No literal of SQLite's has a zero in it.
    const values = names.map((column) => `case when typeof(${column}) = 'text' and instr(${column}, char(0)) then 'CAST(x''' || hex(${column}) || ''' AS TEXT)' else quote(${column}) end`)
    yield* lines(from, `${text(`INSERT INTO ${name(table)}(${names.join(',')}) VALUES(`)} || ${values.join(" || ',' || ")} || ');'`, table)
  }
  // Without the reset, whoever runs this would know of no virtual table before opening the database again.
  yield schema ? 'COMMIT;\nPRAGMA writable_schema=RESET;\n' : 'COMMIT;\n'
}

/** `{"table":"t","row":{...}}` on each line; a blob is `{"$blob":"00ff"}`. */
export async function* jsonLines(from: Queries): AsyncGenerator<string, void, undefined> {
  for (const { name: table } of await from.query<{ name: string }>(tables)) {
    const all = await columnsOf(from, table)
    if (all.length === 0) continue
    const members = all.map((column) => {
      const value = name(column)
      return `${text(`${JSON.stringify(column)}:`)} || case typeof(${value}) when 'blob' then '{"$blob":"' || lower(hex(${value})) || '"}' when 'null' then 'null' else json_quote(${value}) end`
    })
    yield* lines(from, `${text(`{"table":${JSON.stringify(table)},"row":{`)} || ${members.join(" || ',' || ")} || '}}'`, table)
  }
}

/** Collects into a Blob, which browsers keep on disk when it is large, and has it saved. */
export function download(file: string): WritableStream<Uint8Array<ArrayBuffer>> {
  let parts: Blob[] = []
  return new WritableStream({
    write: (chunk) => void parts.push(new Blob([chunk])),
    close: () => {
      const link = document.createElement('a')
      link.href = URL.createObjectURL(new Blob(parts))
      link.download = file
      link.click()
      // The browser has begun by then.
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
    },
    abort: () => void (parts = []),
  })
}
