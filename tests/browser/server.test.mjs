// The package on a server, where there is no browser: importing it does nothing, and a database opens in memory only.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CofferError, inspect, list, open, rawKey, restore } from 'coffer-db'

const unsupported = (error) => error instanceof CofferError && error.code === 'unsupported'

test('importing the package defines nothing and keeps no process alive', () => {
  const script = "const before = Object.getOwnPropertyNames(globalThis).join(); await import('coffer-db'); if (Object.getOwnPropertyNames(globalThis).join() !== before) process.exit(1)"
  const ran = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: fileURLToPath(new URL('../..', import.meta.url)), timeout: 60_000 })
  assert.equal(ran.status, 0, String(ran.stderr))
})

test('the exports of the package are what is documented', async () => {
  const names = ['CofferError', 'destroy', 'inspect', 'list', 'open', 'passphrase', 'rawKey', 'restore', 'webCryptoKey', 'wrappedBy']
  assert.deepEqual(Object.keys(await import('coffer-db')).sort(), names)
})

test('what would have to be stored is refused on a server, and told what would do', async () => {
  await assert.rejects(open('notes'), unsupported)
  await assert.rejects(open('notes', { backend: 'opfs' }), (error) => unsupported(error) && error.message.includes("backend: 'memory'"))
  await assert.rejects(list(), unsupported)
})

test('a database in memory opens in Node, and does what it does in a browser', async () => {
  const db = await open('notes', { backend: 'memory', key: rawKey(new Uint8Array(32).fill(3)) })
  await db.exec('create table t(id integer primary key, body text)')
  const done = await Promise.all(['a', 'b', 'c'].map((body) => db.run('insert into t(body) values (?)', [body])))
  assert.deepEqual(done.map(({ lastInsertRowid }) => lastInsertRowid), [1, 2, 3])
  const states = []
  const stop = db.live('select count(*) as n from t', [], ([{ n }]) => void states.push(n))
  assert.equal(await db.transaction(async (tx) => (await tx.run("insert into t(body) values ('d')"), (await tx.get('select count(*) as n from t')).n)), 4)
  for (let turn = 0; states.at(-1) !== 4 && turn < 1000; turn += 1) await db.get('select 1')
  stop()
  assert.equal(states.at(-1), 4)
  const bodies = []
  for await (const { body } of db.iterate('select body from t order by id', [], { batch: 1 })) bodies.push(body)
  assert.deepEqual(bodies, ['a', 'b', 'c', 'd'])
  await db.function('twice', (x) => x * 2)
  assert.deepEqual(await db.get('select twice(21) as n'), { n: 42 })
  await assert.rejects(db.run("insert into t values (1, 'again')"), (error) => error instanceof CofferError && error.code === 'constraint')

  const parts = []
  await db.backup(new WritableStream({ write: (part) => void parts.push(part) }))
  const file = new Blob(parts)
  assert.equal((await inspect(file)).encrypted, true)
  await db.verify()
  await db.close()
  await assert.rejects(db.get('select 1'), (error) => error.code === 'closed')

  const options = { backend: 'memory', key: rawKey(new Uint8Array(32).fill(3)) }
  const copy = await open('copy', options)
  await copy.restore(file)
  assert.deepEqual(await copy.get('select count(*) as n from t'), { n: 4 })
  const exported = await copy.export()
  await copy.close()
  assert.ok(await restore('made and gone', file, options) > 0)
  const plain = await open('plain', { backend: 'memory' })
  await plain.import(exported)
  assert.deepEqual(await plain.get('select body from t where id = 4'), { body: 'd' })
  await plain.close()
})

test('where there is no second worker no dictionary is learnt, and nobody hears of it', async () => {
  const db = await open('large', { backend: 'memory' })
  const errors = []
  db.on('error', (error) => errors.push(String(error)))
  await db.exec("create table t(body text); with recursive n(i) as (select 1 union all select i + 1 from n where i < 50000) insert into t select '{\"order\":' || i || ',\"state\":\"delivered to the customer and paid for at once, with thanks\"}' from n")
  const { logical_bytes: bytes } = await db.storageInfo()
  assert.ok(bytes > 4 << 20, `${bytes} bytes are too few to learn from`)
  // Longer than it takes to be sure that an app's first seconds are over.
  await new Promise((resolve) => setTimeout(resolve, 4000))
  await db.run("insert into t values ('one more')")
  const { dictionary_bytes: learnt } = await db.storageInfo()
  await db.close()
  assert.deepEqual({ learnt, errors }, { learnt: 0, errors: [] })
})

test('a process whose databases are closed ends by itself', () => {
  const script = "const { open } = await import('coffer-db'); const db = await open('x', { backend: 'memory' }); await db.exec('create table t(x)'); await db.close()"
  const ran = spawnSync(process.execPath, ['--input-type=module', '-e', script], { cwd: fileURLToPath(new URL('../..', import.meta.url)), timeout: 60_000 })
  assert.equal(ran.status, 0, String(ran.stderr))
})
