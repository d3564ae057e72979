// The page's side of the bench: contenders behind a worker each, Coffer as its users have it, and what is measured on them.

import { open } from '/dist/index.js'
import { forms } from './contenders.js'
import { driveAsync, schema, workloads } from './work.js'

/** Calls over a worker, one message each way. */
function remote() {
  const worker = new Worker('/bench/browser/worker.js', { type: 'module' })
  const waiting = new Map()
  let last = 0
  worker.onmessage = ({ data: { id, answer, problem } }) => {
    const { resolve, reject } = waiting.get(id)
    waiting.delete(id)
    if (problem === undefined) resolve(answer)
    else reject(new Error(problem))
  }
  worker.onerror = (event) => {
    for (const { reject } of waiting.values()) reject(new Error(`the worker failed: ${event.message}`))
  }
  const call = (verb, ...args) =>
    new Promise((resolve, reject) => {
      const id = ++last
      waiting.set(id, { resolve, reject })
      worker.postMessage({ id, verb, args })
    })
  return { call, end: () => worker.terminate() }
}

/** A contender whose worker is ours. */
export async function connectRemote(contender, name) {
  const { call, end } = remote()
  const version = await call('open', contender, name)
  const handle = Object.fromEntries(['exec', 'run', 'get', 'all', 'many', 'commit', 'rest', 'reopen', 'size', 'measure', 'loop', 'ping'].map((verb) => [verb, (...args) => call(verb, ...args)]))
  handle.version = version
  handle.begin = async () => {
    await call('begin')
    return handle
  }
  handle.close = async () => {
    await call('close')
    end()
  }
  return handle
}

/** Coffer from the page. */
export async function connectPackage(contender, name, more = {}) {
  const options = { backend: 'opfs', ...forms[contender](), ...more }
  let db = await open(name, options)
  const calls = (queries) => ({
    run: async (sql, parameters) => (await queries.run(sql, parameters)).changes,
    get: (sql, parameters) => queries.get(sql, parameters),
    all: (sql, parameters) => queries.query(sql, parameters),
  })
  const handle = {
    exec: (sql) => db.exec(sql),
    many: (sql, rows) => db.batch(rows.map((params) => ({ sql, params }))),
    begin: () =>
      new Promise((begun, failed) => {
        const finished = db.transaction((transaction) => new Promise((end) => begun({ ...calls(transaction), commit: () => (end(), finished) })))
        finished.catch(failed)
      }),
    rest: () => db.exec('pragma wal_checkpoint(truncate)'),
    reopen: async () => {
      await db.close()
      db = await open(name, options)
      Object.assign(handle, calls(db))
    },
    /** Waits until the dictionary that nobody asked for is learnt and used, or will not be. */
    settle: async () => {
      const { codec, logical_bytes: pages } = await db.storageInfo()
      if (codec === 'none' || pages < 4 << 20) return
      let before
      for (let wait = 0, same = 0; wait < 60 && same < 4; wait += 1) {
        await new Promise((resolve) => setTimeout(resolve, 1000))
        const { stored_bytes: stored, dictionary_bytes: learnt } = await db.storageInfo()
        same = stored === before && (learnt > 0 || wait > 15) ? same + 1 : 0
        before = stored
      }
    },
    size: () => undefined,
    close: () => db.close(),
    version: db.about.sqlite,
    db: () => db,
  }
  return Object.assign(handle, calls(db))
}

/** Bytes of all files in a folder of OPFS. */
async function bytesIn(folder) {
  let bytes = 0
  for await (const entry of folder.values()) bytes += entry.kind === 'file' ? (await entry.getFile()).size : await bytesIn(entry)
  return bytes
}

async function folderOf(contender, name) {
  const root = await navigator.storage.getDirectory()
  return contender in forms ? (await root.getDirectoryHandle('coffer')).getDirectoryHandle(name) : root.getDirectoryHandle(name)
}

async function removeAll() {
  const root = await navigator.storage.getDirectory()
  for await (const name of root.keys()) await root.removeEntry(name, { recursive: true })
}

/** Runs work and says how long it took: as the worker says, or as seen from here; in processor time where that was asked for. */
export async function timed(work) {
  if (globalThis.processorMs !== undefined) {
    const start = await globalThis.processorMs()
    const done = await work()
    return { ...done, ms: (await globalThis.processorMs()) - start }
  }
  const start = performance.now()
  const done = await work()
  return { ms: performance.now() - start, ...done }
}

/**
 * One repetition: every contender opens a new database, then each workload runs on each of them in turn, so that a disturbance of the
 * machine meets everybody. `view` is `page` or `worker`. Gives milliseconds by workload and contender.
 */
export async function repeat({ view, contenders, sizes, wanted, rotate }) {
  await removeAll()
  const turn = [...contenders.slice(rotate % contenders.length), ...contenders.slice(0, rotate % contenders.length)]
  const handles = new Map()
  const results = {}
  const versions = {}
  try {
    for (const contender of turn) {
      const name = `bench-${contender}`
      const handle = view === 'page' && contender in forms ? await connectPackage(contender, name) : await connectRemote(contender, name)
      await handle.exec(schema)
      handles.set(contender, handle)
      versions[contender] = handle.version
    }
    const needed = workloads.filter(({ name, needs }) => needs !== undefined && wanted.includes(name)).map(({ needs }) => needs)
    for (const { name, prepare, work, warm, reopens } of workloads) {
      if (!wanted.includes(name) && !needed.includes(name)) continue
      const prepared = prepare(sizes[name], sizes.bulk)
      const figures = new Set()
      const times = {}
      // One that only others need is done and not told of.
      if (wanted.includes(name)) results[name] = times
      for (const contender of turn) {
        const handle = handles.get(contender)
        if (reopens) await handle.reopen()
        const once = () =>
          timed(async () => (view === 'worker' ? handle.measure(name, prepared) : { figure: await driveAsync(work(handle, prepared)) }))
        if (warm) await once()
        const { ms, figure } = await once()
        times[contender] = ms
        figures.add(figure)
        await handle.rest()
      }
      // Not beside what is measured next.
      if (name === 'bulk') for (const handle of handles.values()) await handle.settle?.()
      if (figures.size !== 1) throw new Error(`the contenders disagree about ${name}: ${[...figures].join(', ')}`)
    }
    results.size = {}
    for (const [contender, handle] of handles) {
      const size = await handle.size()
      await handle.close()
      handles.delete(contender)
      results.size[contender] = size ?? (await bytesIn(await folderOf(contender, `bench-${contender}`)))
    }
    return { results, versions }
  } finally {
    for (const handle of handles.values()) await handle.close().catch(() => undefined)
  }
}

/** One workload on one contender, again and again, after a first time that is for the compilers, between calls of `profileBegins` and `profileEnds`. */
export async function profiled({ contender, name, view, rounds, sizes }) {
  await removeAll()
  const handle = view === 'page' && contender in forms ? await connectPackage(contender, 'bench-profile') : await connectRemote(contender, 'bench-profile')
  try {
    await handle.exec(schema)
    const { prepare, work, needs, reopens } = workloads.find((workload) => workload.name === name)
    const run = (name, work, prepared) => (view === 'worker' ? handle.measure(name, prepared) : driveAsync(work(handle, prepared)))
    if (needs !== undefined) {
      const needed = workloads.find(({ name }) => name === needs)
      await run(needs, needed.work, needed.prepare(sizes[needs]))
      await handle.rest()
      await handle.settle?.()
    }
    const prepared = prepare(sizes[name], sizes.bulk)
    await run(name, work, prepared)
    if (reopens) await handle.reopen()
    await globalThis.profileBegins()
    const outcome = await timed(async () => {
      for (let round = 0; round < rounds; round += 1) await run(name, work, prepared)
    })
    await globalThis.profileEnds()
    return outcome
  } finally {
    await handle.close()
  }
}

/** Makes a database for `firstRow` to open. */
export async function makeForStart(contender, rows) {
  const handle = contender in forms ? await connectPackage(contender, `start-${contender}`) : await connectRemote(contender, `start-${contender}`)
  await handle.exec(schema)
  await handle.many('insert into orders values (?, ?, ?, ?, ?, ?)', rows)
  await handle.rest()
  await handle.close()
}

/** From nothing to the first row: code, worker and module are loaded, the database is opened. To be called once in a new page. */
export async function firstRow(contender) {
  const start = performance.now()
  const handle = contender in forms ? await connectPackage(contender, `start-${contender}`) : await connectRemote(contender, `start-${contender}`)
  const row = contender === 'sqljs' ? await handle.get('select 1 as id', []) : await handle.get('select id from orders where id = ?', [1])
  const ms = performance.now() - start
  if (row.id !== 1) throw new Error(`${contender} answered ${JSON.stringify(row)}`)
  await handle.close()
  return ms
}
