// The contenders, as a worker drives them: each opens a database and gives calls that answer at once. Knows no workload.
//
// I1  Everybody keeps compiled statements by their text, binds by position and gives rows as plain objects.
// I2  A call that committed returns when the commit is as durable as its engine makes it: flushed, but for what is in memory only.
// I3  `rest` leaves the database with its log folded, so that nobody pays for another workload's.

import { cachePragma } from './work.js'

const key = () => ({ kind: 'raw', bytes: new Uint8Array(32).fill(7) })

/** Options of Coffer's two forms. */
export const forms = {
  'coffer-plain': () => ({ codec: 'none' }),
  coffer: () => ({ key: key() }),
}

/** @returns {Promise<object>} an open database of that contender */
export function openIn(contender, name) {
  return contender in forms ? openCoffer(name, forms[contender]()) : contender === 'sqljs' ? openSqlJs() : openPool(contender, name)
}

let sqlite
/** SQLite's own build on its pool of OPFS handles: as documented, or in WAL mode, which needs an exclusive lock there. */
async function openPool(contender, name) {
  const { default: init } = await import('/bench/peers/node_modules/@sqlite.org/sqlite-wasm/dist/index.mjs')
  sqlite ??= init().then((api) => api.installOpfsSAHPoolVfs({ name, directory: `/${name}` }))
  const pool = await sqlite
  const open = () => {
    const db = new pool.OpfsSAHPoolDb('/bench.db')
    if (contender === 'sahpool-wal') db.exec('pragma locking_mode = exclusive; pragma journal_mode = wal')
    db.exec(cachePragma)
    const statements = new Map()
    const statement = (sql) => {
      let known = statements.get(sql)
      if (known === undefined) statements.set(sql, (known = db.prepare(sql)))
      return known
    }
    return {
      db,
      statement,
      end: () => {
        for (const known of statements.values()) known.finalize()
        db.close()
      },
    }
  }
  let { db, statement, end } = open()
  const run = (sql, parameters) => {
    const known = statement(sql)
    if (parameters.length > 0) known.bind(parameters)
    known.stepReset()
    return db.changes()
  }
  const handle = {
    exec: (sql) => void db.exec(sql),
    run,
    get: (sql, parameters) => {
      const known = statement(sql).bind(parameters)
      const row = known.step() ? known.get({}) : undefined
      known.reset()
      return row
    },
    all: (sql, parameters) => {
      const known = parameters.length > 0 ? statement(sql).bind(parameters) : statement(sql)
      const rows = []
      while (known.step()) rows.push(known.get({}))
      known.reset()
      return rows
    },
    many: (sql, rows) => {
      db.exec('begin')
      const known = statement(sql)
      for (const row of rows) known.bind(row).stepReset()
      db.exec('commit')
    },
    begin: () => {
      db.exec('begin immediate')
      return handle
    },
    commit: () => void db.exec('commit'),
    rest: () => void db.exec('pragma wal_checkpoint(truncate)'),
    reopen: () => {
      end()
      ;({ db, statement, end } = open())
    },
    size: () => undefined,
    close: () => end(),
    version: () => db.selectValue('select sqlite_version()'),
  }
  return handle
}

/** sql.js: SQLite in memory, nothing of it ever stored. */
async function openSqlJs() {
  const folder = '/bench/peers/node_modules/sql.js/dist/'
  const source = await (await fetch(`${folder}sql-wasm-browser.js`)).text()
  const { Database } = await new Function(`${source}; return initSqlJs`)()({ locateFile: (file) => folder + file })
  let db
  let statements
  const open = (bytes) => {
    db = new Database(bytes)
    db.run(cachePragma)
    statements = new Map()
  }
  open()
  const statement = (sql) => {
    let known = statements.get(sql)
    if (known === undefined) statements.set(sql, (known = db.prepare(sql)))
    return known
  }
  const handle = {
    exec: (sql) => void db.exec(sql),
    run: (sql, parameters) => {
      statement(sql).run(parameters)
      return db.getRowsModified()
    },
    get: (sql, parameters) => {
      const known = statement(sql)
      known.bind(parameters)
      const row = known.step() ? known.getAsObject() : undefined
      known.reset()
      return row
    },
    all: (sql, parameters) => {
      const known = statement(sql)
      known.bind(parameters)
      const rows = []
      while (known.step()) rows.push(known.getAsObject())
      known.reset()
      return rows
    },
    many: (sql, rows) => {
      db.run('begin')
      const known = statement(sql)
      for (const row of rows) known.run(row)
      db.run('commit')
    },
    begin: () => {
      db.run('begin immediate')
      return handle
    },
    commit: () => void db.run('commit'),
    rest: () => undefined,
    reopen: () => {
      const bytes = db.export()
      db.close()
      open(bytes)
    },
    size: () => db.export().length,
    close: () => db.close(),
    version: () => db.exec('select sqlite_version()')[0].values[0][0],
  }
  return handle
}

/** Coffer's engine without the page: the package's own modules for the worker, called directly. */
async function openCoffer(name, options) {
  const [{ about, initSync }, { Keeper }, { decodeRows, encodeGroups, encodeParameters }] = await Promise.all([import('/js/wasm/coffer_web.js'), import('/js/stage/worker/keeper.js'), import('/js/stage/wire.js')])
  initSync({ module: await WebAssembly.compileStreaming(fetch('/js/wasm/store.wasm')) })
  let keeper
  let connection
  const open = async () => {
    keeper = await Keeper.open({ name, backend: 'opfs', ...options }, (error) => console.error(error))
    connection = keeper.database.connect()
  }
  const end = async () => {
    connection.free()
    await keeper.close()
  }
  await open()
  const durable = () => {
    if (connection.autocommit()) keeper.database.flush()
  }
  const query = (sql, parameters, rowsMax) => {
    const cursor = connection.open(sql, encodeParameters(parameters))
    const rows = []
    try {
      while (decodeRows(cursor.next(rowsMax, 256 * 1024), rows) && rows.length < rowsMax);
    } finally {
      cursor.free()
    }
    return rows
  }
  const handle = {
    exec: (sql) => {
      connection.exec(sql)
      durable()
    },
    run: (sql, parameters) => {
      const changes = connection.run(sql, encodeParameters(parameters))
      durable()
      return changes
    },
    get: (sql, parameters) => query(sql, parameters, 1)[0],
    all: (sql, parameters) => query(sql, parameters, 0xffff_ffff),
    many: (sql, rows) => {
      connection.exec('begin immediate')
      for (const group of encodeGroups(rows.map((params) => ({ sql, params })))) connection.runMany(group.sql, group.values, 0, Infinity)
      connection.outcomes()
      connection.exec('commit')
      durable()
    },
    begin: () => {
      connection.exec('begin immediate')
      return handle
    },
    commit: () => {
      connection.exec('commit')
      durable()
    },
    rest: () => keeper.run(() => connection.exec('pragma wal_checkpoint(truncate)')),
    reopen: async () => {
      await end()
      await open()
    },
    size: () => undefined,
    close: end,
    version: () => about().sqlite,
  }
  return handle
}
