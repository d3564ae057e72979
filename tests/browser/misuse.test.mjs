// Mistakes in the calling code, of every kind and in every place: each throws a TypeError at the call that makes it, or rejects with a
// CofferError where only the engine can know. None hangs, none ends a worker, and none is taken for something else.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, launch, served } from './launch.mjs'

const site = served()

/** Runs in the page: every call with every value, and what became of it where that is not what is promised. */
async function everyMistake({ shard, shards }) {
  const coffer = window.coffer
  const detached = new Uint8Array(8)
  structuredClone(detached, { transfer: [detached.buffer] })
  const thrower = new Proxy({}, {
    get: () => { throw new RangeError('a getter of the caller') },
    has: () => { throw new RangeError('a getter of the caller') },
    ownKeys: () => { throw new RangeError('a getter of the caller') },
  })
  const values = {
    undefined, null: null, minus: -1, nan: NaN, bigint: 1n, empty: '', text: 'text', symbol: Symbol('s'), true: true, object: {}, bare: Object.create(null), numbers: [1], nested: [[{}]], function: () => 1,
    date: new Date(NaN), thrower, floats: new Float64Array(2), detached, signal: new AbortController().signal, locked: (() => { const stream = new WritableStream(); stream.getWriter(); return stream })(),
  }
  const sink = () => new WritableStream()
  const key = coffer.key(1)
  const opened = (options) => coffer.open('opened by mistake', { backend: 'memory', ...options }).then((db) => db.close())
  const each = (names, call) => Object.fromEntries(names.map((name) => [`${call.name || call} ${name}`, (value, db) => call(name, value, db)]))
  const folder = () => ({ create: sink, list: async () => [], remove: async () => undefined })
  const own = (promise) => promise.then((db) => (db?.close === undefined ? db : db.close()))
  const calls = {
    // The names of databases are kept to what exists in memory, or does not exist.
    open: (value) => own(coffer.open(value, { backend: 'memory' })),
    'open options': (value) => (value === undefined || typeof value === 'object' || typeof value === 'function' ? coffer.open('x', value === null || value === thrower ? value : { backend: 'memory', ...value }).then((db) => db.close()) : opened({})),
    list: (value) => coffer.list(value), destroy: (value) => (typeof value === 'string' ? coffer.destroy('nowhere') : coffer.destroy(value)), 'destroy options': (value) => coffer.destroy('nowhere', value),
    inspect: (value) => (typeof value === 'string' ? coffer.inspect('nowhere') : coffer.inspect(value)), 'inspect options': (value) => coffer.inspect(new Blob(['x']), value),
    restore: (value) => coffer.restore(value, new Blob(['x'])), 'restore from': (value) => coffer.restore('nowhere', value), 'restore from [one]': (value) => coffer.restore('nowhere', [value]), 'restore options': (value) => coffer.restore('nowhere', new Blob(['x']), value),
    passphrase: (value) => coffer.passphrase(value), rawKey: (value) => coffer.rawKey(value), wrappedBy: (value) => coffer.wrappedBy(value), webCryptoKey: (value) => coffer.webCryptoKey(value),
    ...each(['key', 'cipher', 'kdf', 'codec', 'compression', 'pageSize', 'backend', 'durability', 'cacheBytes', 'busyTimeout', 'readonly', 'signal', 'create', 'wasm', 'worker', 'nonsense'], function open(name, value) { return opened({ [name]: value }) }),
    ...each(['codec', 'level', 'dictionary'], function compression(name, value) { return opened({ compression: { codec: 'zstd', [name]: value } }) }),
    ...each(['words', 'kind'], function passphraseKey(name, value) { return opened({ kdf: 'pbkdf2', key: { kind: 'passphrase', words: 'x', [name]: value } }) }),
    'key { raw }': (value) => opened({ key: { kind: 'raw', bytes: value } }), 'key { external }': (value) => opened({ key: { kind: 'external', bytes: value, wrapped: value } }),
    'key { wrap }': (value) => opened({ key: { kind: 'wrapped', wrap: value, unwrap: value } }), 'key { wrap } gives': (value) => opened({ key: coffer.wrappedBy({ wrap: () => value, unwrap: () => value }) }),
    'key { wrap } throws': (value) => opened({ key: coffer.wrappedBy({ wrap: () => { throw value }, unwrap: () => { throw value } }) }),
    ...each(['exec', 'run', 'query', 'get', 'prepare', 'sql', 'batch', 'transaction', 'backup', 'restore', 'import', 'export', 'checkpoint', 'compact', 'verify', 'encrypt', 'decrypt', 'at', 'on', 'function', 'live', 'backups'], function db(method, value, db) { return db[method](value) }),
    ...each(['run', 'query', 'get'], function parameters(method, value, db) { return db[method]('select ?', value) }),
    ...each(['run', 'query', 'get'], function positional(method, value, db) { return db[method]('select ?', [value]) }),
    ...each(['run', 'query', 'get'], function named(method, value, db) { return db[method]('select :a', { a: value }) }),
    ...each(['run', 'query', 'get'], function options(method, value, db) { return db[method]('select 1', [], value) }),
    ...each(['run', 'query', 'get'], function signal(method, value, db) { return db[method]('select 1', [], { signal: value }) }),
    'exec options': (value, db) => db.exec('select 1', value), 'exec { signal }': (value, db) => db.exec('select 1', { signal: value }), 'query { bigint }': (value, db) => db.query('select 1', [], { bigint: value }),
    iterate: (value, db) => db.iterate(value).next(), 'iterate parameters': (value, db) => db.iterate('select ?', value).next(), 'iterate [parameter]': (value, db) => db.iterate('select ?', [value]).next(),
    'iterate options': (value, db) => db.iterate('select 1', [], value).next(), 'iterate { batch }': (value, db) => db.iterate('select 1', [], { batch: value }).next(), 'iterate { signal }': (value, db) => db.iterate('select 1', [], { signal: value }).next(),
    'sql value': (value, db) => db.sql`select ${value}`, 'batch [one]': (value, db) => db.batch([value]), 'batch [{ sql }]': (value, db) => db.batch([{ sql: value }]), 'batch [{ params }]': (value, db) => db.batch([{ sql: 'select ?', params: value }]),
    'batch [{ [parameter] }]': (value, db) => db.batch([{ sql: 'select ?', params: [value] }]), 'batch options': (value, db) => db.batch([{ sql: 'select 1' }], value),
    ...each(['onError', 'signal'], function batch(name, value, db) { return db.batch([{ sql: 'select 1' }], { [name]: value }) }),
    'transaction options': (value, db) => db.transaction(() => 1, value), ...each(['isolation', 'readonly', 'signal', 'retries'], function transaction(name, value, db) { return db.transaction(() => 1, { [name]: value }) }),
    'within run': (value, db) => db.transaction((tx) => tx.run(value)), 'within transaction': (value, db) => db.transaction((tx) => tx.transaction(value)), 'within [parameter]': (value, db) => db.transaction((tx) => tx.run('select ?', [value])),
    'live parameters': (value, db) => db.live('select 1', value, () => 0), 'live listener': (value, db) => db.live('select 1', [], value), 'live options': (value, db) => db.live('select 1', [], () => 0, value),
    ...each(['signal', 'onError', 'bigint'], function live(name, value, db) { return db.live('selec', [], () => 0, { onError: () => 0, [name]: value }) }),
    'function name': (value, db) => db.function(value, (x) => x), 'function source': (value, db) => db.function('f', value), 'function options': (value, db) => db.function('f', (x) => x, value), 'function { deterministic }': (value, db) => db.function('f', (x) => x, { deterministic: value }),
    'backup options': (value, db) => db.backup(sink(), value), ...each(['since', 'format', 'compress', 'onProgress', 'signal'], function backup(name, value, db) { return db.backup(sink(), { [name]: value }) }), 'backup function': (value, db) => db.backup(() => value),
    'restore [one]': (value, db) => db.restore([value]), 'restore db options': (value, db) => db.restore(new Blob(['x']), value), 'restore { key }': (value, db) => db.restore(new Blob(['x']), { key: value }), 'import options': (value, db) => db.import(new Blob(['x']), value),
    'checkpoint options': (value, db) => db.checkpoint('passive', value), 'compact { budgetBytes }': (value, db) => db.compact({ budgetBytes: value }), ...each(['onProgress', 'signal'], function verify(name, value, db) { return db.verify({ [name]: value }) }),
    'keys.add': (value, db) => db.keys.add(value), 'keys.remove': (value, db) => db.keys.remove(value), 'keys.change from': (value, db) => db.keys.change(value, key), 'keys.change to': (value, db) => db.keys.change(key, value),
    'keys.rotate': (value, db) => db.keys.rotate(value), 'keys.rotate { keys }': (value, db) => db.keys.rotate({ keys: value }), 'keys.rotate { [key] }': (value, db) => db.keys.rotate({ keys: [value] }), 'encrypt { cipher }': (value, db) => db.encrypt(key, { cipher: value }).then(() => db.decrypt()),
    'on listener': (value, db) => db.on('commit', value),
    ...each(['every', 'keep', 'target', 'onSuccess', 'onError', 'backoff', 'format', 'compress'], function backups(name, value, db) {
      const backups = db.backups({ every: 1e6, target: folder(), ...{ [name]: value } })
      return backups.now().then(() => backups.stop())
    }),
    'statement parameters': (value, _, statement) => statement.all(value), 'statement options': (value, _, statement) => statement.get([1], value), 'statement run': (value, _, statement) => statement.run([value]),
    'view query': (value, db) => db.at(1).query(value), 'view parameters': (value, db) => db.at(1).get('select ?', value), 'view iterate': (value, db) => db.at(1).iterate(value).next(), 'view { batch }': (value, db) => db.at(1).iterate('select 1', [], { batch: value }).next(),
  }
  const stray = []
  addEventListener('unhandledrejection', (event) => { stray.push(`unhandled ${event.reason}`); event.preventDefault() })
  addEventListener('error', (event) => { stray.push(`uncaught ${event.message}`); event.preventDefault() })
  let db
  let statement
  const renew = async () => {
    db = await coffer.open('mistaken', { backend: 'memory' })
    db.on('error', () => undefined)
    statement = await db.prepare('select ?')
  }
  await renew()
  const patience = (promise, told) => {
    let timer
    return Promise.race([promise, new Promise((resolve) => (timer = setTimeout(resolve, 10_000, told)))]).finally(() => clearTimeout(timer))
  }
  /** Nothing that is wrong: what was thrown there and then is a TypeError, or the caller's own; what rejected is what is promised. */
  const fine = ''
  const thrown = (error) => (error instanceof TypeError || error instanceof RangeError && error.message === 'a getter of the caller' ? fine : `threw ${error}`)
  const rejected = (error, own) => (error instanceof coffer.CofferError ? (error.code === 'worker_lost' && !/could not be (loaded|started)/.test(error.message) ? `ended the worker: ${error.message}` : fine) : error?.name === 'AbortError' || own ? fine : `rejected with ${error}`)
  const wrong = []
  let count = 0
  for (const [name, call] of Object.entries(calls)) {
    for (const [kind, value] of Object.entries(values)) {
      // What a getter throws that is asked later is the caller's own.
      if (name.startsWith('backups') && value === thrower) continue
      count += 1
      if (count % shards !== shard) continue
      let what = fine
      // What the work of a transaction throws is what it rejects with.
      const own = name.startsWith('within')
      try {
        const given = call(value, db, statement)
        if (typeof given?.then === 'function') what = await patience(given.then(() => fine, (error) => rejected(error, own)), 'never settled')
        else if (typeof given === 'function') given()
      } catch (error) {
        what = thrown(error)
      }
      const alive = await patience(db.get('select 1 as one').then(() => true, () => false), false)
      if (!alive) {
        what += ' and nothing works any more'
        await renew()
      }
      await new Promise((resolve) => setTimeout(resolve))
      if (stray.length > 0) what += ` and left over: ${stray.splice(0).join()}`
      if (what !== fine) wrong.push(`${name}, ${kind}: ${what}`)
    }
  }
  await db.close()
  return { wrong, count }
}

/** What is taken for granted of some: that they are refused, and what is said. */
async function saidWhat() {
  const { open, passphrase, rawKey, wrappedBy, CofferError } = window.coffer
  const told = async (work) => {
    try {
      return await Promise.resolve(work()).then((db) => (typeof db?.close === 'function' ? db.close().then(() => 'fine') : 'fine'), (error) => [error instanceof CofferError ? error.code : error.name, error.message])
    } catch (error) {
      return [`${error.name} at once`, error.message]
    }
  }
  const opening = (options) => told(() => open('told', { backend: 'memory', ...options }))
  const db = await open('told', { backend: 'memory' })
  const seen = {
    'a key that is words': await opening({ key: 'correct horse' }), 'a key that is bytes': await opening({ key: new Uint8Array(32) }), 'a key that is nothing': await opening({ key: null }),
    'a CryptoKey': await opening({ key: await crypto.subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt']) }),
    'no words': await told(() => passphrase(undefined)), 'an object': await told(() => passphrase({})), 'numbers': await told(() => rawKey(new Array(32).fill(1))), 'wider numbers': await told(() => rawKey(new Float64Array(32))),
    'a wrapping of nothing': await opening({ key: wrappedBy({ wrap: () => undefined, unwrap: () => undefined }) }), 'a wrapping that fails': await opening({ key: wrappedBy({ wrap: () => { throw new Error('no passkey') }, unwrap: () => undefined }) }),
    durability: await opening({ durability: 'Strict' }), backend: await opening({ backend: 'disk' }), dictionary: await opening({ compression: { codec: 'zstd', dictionary: 'Auto' } }), SQL: await told(() => db.run(5)), value: await told(() => db.run('select ?', [{}])), date: await told(() => db.run('select ?', [new Date(NaN)])),
    parameters: await told(() => db.query('select ?', 'text')), signal: await told(() => db.query('select 1', [], { signal: 5 })), batch: await told(() => db.batch([{ sql: 5 }])), work: await told(() => db.transaction()), event: await told(() => db.on('toString', () => 0)),
    isolation: await told(() => db.transaction(() => 1, { isolation: 'none' })), 'no backup': await told(() => db.restore([])), 'a locked stream': await told(() => { const stream = new WritableStream(); stream.getWriter(); return db.backup(stream) }),
    format: await told(() => db.backup(new WritableStream(), { format: 'zip' })), 'a string reason': await told(() => db.verify({ signal: AbortSignal.abort('enough') })),
  }
  // One that cannot be sent does not take along what was asked in the same turn.
  seen.together = (await Promise.all([told(() => db.get('select 1')), told(() => db.keys.remove({})), told(() => db.get('select 2'))])).map((one) => (Array.isArray(one) ? one[0] : one))
  await db.close()
  return seen
}

const shards = 4

for (const engine of engines) {
  test(`${engine}: mistakes in the calling code`, { timeout: 600_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    const visit = async () => {
      await page.goto(`${site.address}tests/browser/pages/verbs.html`)
      await page.waitForFunction(() => window.coffer !== undefined)
    }
    for (let shard = 0; shard < shards; shard += 1) {
      await t.test(`whatever is given where, nothing but a TypeError at once or a CofferError comes of it (${shard + 1} of ${shards})`, { timeout: 140_000 }, async () => {
        await visit()
        const { wrong, count } = await page.evaluate(everyMistake, { shard, shards })
        assert.deepEqual(wrong, [])
        assert.ok(count > 2500, `${count} calls`)
      })
    }

    await t.test('a mistake is told at once, and says what is wanted', async () => {
      await visit()
      const seen = await page.evaluate(saidWhat)
      const aKey = ['TypeError at once', /passphrase\(\), rawKey\(\), webCryptoKey\(\) or wrappedBy\(\)/]
      const wanted = {
        'a key that is words': aKey, 'a key that is bytes': aKey, 'a key that is nothing': aKey, 'a CryptoKey': aKey, 'no words': ['TypeError at once', /string/], 'an object': ['TypeError at once', /string/],
        numbers: ['TypeError at once', /Uint8Array of 32/], 'wider numbers': ['TypeError at once', /Uint8Array of 32/], 'a wrapping of nothing': ['denied', /wrap\(\) gives a Uint8Array/], 'a wrapping that fails': ['denied', /no passkey/],
        durability: ['TypeError at once', /strict or relaxed/], backend: ['TypeError at once', /opfs or indexeddb or memory/], dictionary: ['TypeError at once', /auto or none/], SQL: ['TypeError at once', /sql is a string/], value: ['TypeError at once', /JSON\.stringify/], date: ['TypeError at once', /Date/],
        parameters: ['TypeError at once', /array/], signal: ['TypeError at once', /AbortSignal/], batch: ['TypeError at once', /string/], work: ['TypeError at once', /work is a function/], event: ['TypeError at once', /event/],
        isolation: ['TypeError at once', /serializable/], 'no backup': ['not_found', /no backup/], 'a locked stream': ['unsupported', /locked/], format: ['unsupported', /coffer, sqlite/], 'a string reason': ['AbortError', /given up/],
      }
      for (const [what, [code, message]] of Object.entries(wanted)) {
        assert.equal(seen[what]?.[0], code, `${what}: ${seen[what]}`)
        assert.match(seen[what][1], message, what)
      }
      assert.deepEqual(seen.together, ['fine', 'TypeError at once', 'fine'])
    })

    await t.test('a part of the package that cannot be loaded is told', async () => {
      await visit()
      const seen = await page.evaluate(async () => {
        // What is beside a module from a Blob is not to be had.
        const script = new Blob([await (await fetch('/dist/index.js')).text()], { type: 'text/javascript' })
        const { CofferError, open, inspect, passphrase } = await import(URL.createObjectURL(script))
        const parts = { wasm: new URL('/dist/store.wasm', location.href), worker: () => new Worker('/dist/worker.js') }
        const db = await open('alone', { backend: 'memory', ...parts })
        const told = (promise) => promise.then(() => 'fine', (error) => (error instanceof CofferError ? error.code : String(error)))
        const seen = [await told(db.backup(new WritableStream())), await told(db.keys.add(passphrase('x'))), await told(inspect(new Blob(['x']), parts)), (await db.get('select 1 as one')).one]
        await db.close()
        return seen
      })
      assert.deepEqual(seen, ['io', 'io', 'io', 1])
    })
    assert.deepEqual(complaints, [])
  })
}
