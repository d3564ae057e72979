// The synchronous API: in an app's own worker on OPFS and IndexedDB, and in a window where neither waiting nor a worker is wanted.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, launch, placesOf, served } from './launch.mjs'

const site = served()

/** The whole of it, on one backend; runs in a worker or a window. */
const whole = async ({ openSync, rawKey, outcome }, backend) => {
  const options = { backend, key: rawKey(new Uint8Array(32).fill(9)) }
  let db = await openSync(`sync ${backend}`, options)
  db.exec('create table if not exists t(id integer primary key, body any, at text); delete from t')
  const seen = {}
  seen.run = db.run('insert into t(body, at) values (?, ?)', ['one', new Date(0)])
  seen.query = db.query('select id, body, at from t where body = :body', { body: 'one' })
  seen.none = db.get('select 1 where 0') ?? 'none'
  seen.tagged = db.sql`select ${true} as yes, ${9007199254740993n} as big, ${null} as none`.map(({ yes, big, none }) => [yes, String(big), none])
  const insert = db.prepare('insert into t(body) values (?)')
  for (let index = 0; index < 1000; index += 1) insert.run([index])
  seen.statement = [insert.parameters, insert.readonly, outcome(() => (insert.finalize(), insert.run([1])))]
  let sum = 0
  for (const { body } of db.iterate('select body from t where typeof(body) = \'integer\'', [], { batch: 10 })) {
    if (body === 0) db.run("insert into t(body) values (1000000)")
    sum += body
  }
  for (const row of db.iterate('select id from t')) if (row.id > 3) break
  seen.sum = sum
  seen.transaction = db.transaction((tx) => {
    tx.run("update t set at = 'x'")
    outcome(() => tx.transaction((inner) => {
      inner.run('delete from t')
      throw new Error('changed my mind')
    }))
    return tx.get('select count(*) as n from t').n
  })
  seen.thrown = outcome(() => db.transaction((tx) => {
    tx.run('delete from t')
    throw new RangeError('no')
  }))
  let kept
  db.transaction((tx) => void (kept = tx))
  seen.over = outcome(() => kept.get('select 1'))
  seen.waits = outcome(() => db.transaction(async () => undefined))
  seen.batch = db.batch([{ sql: 'select 1' }, { sql: 'insert into t(id) values (1)' }], { onError: 'continue' }).map(({ changes, error }) => error?.code ?? changes)
  const factor = 3
  db.function('times', (x) => x * factor)
  seen.function = db.get('select times(14) as n').n
  seen.wrong = outcome(() => db.query('select nothing from nowhere'))
  seen.misuse = outcome(() => db.run('insert into t(body) values (?)', [{}]))
  seen.place = [db.storageInfo().backend, db.storageInfo().cipher, db.memoryStats().wasm_heap > 0]
  await db.flush()
  const closing = db.close()
  seen.closed = outcome(() => db.get('select 1'))
  await closing
  if (backend !== 'memory') {
    seen.locked = await openSync(`sync ${backend}`, { backend }).then(() => 'opened', (error) => error.code)
    db = await openSync(`sync ${backend}`, { ...options, create: 'never' })
    seen.again = db.get('select count(*) as n from t').n
    await db.close()
  }
  return seen
}

const expected = (backend) => ({
  run: { changes: 1, lastInsertRowid: 1 }, query: [{ id: 1, body: 'one', at: '1970-01-01T00:00:00.000Z' }], none: 'none', tagged: [[1, '9007199254740993', null]],
  statement: [1, false, 'closed'], sum: 499500, transaction: 1002, thrown: 'RangeError', over: 'aborted', waits: 'TypeError', batch: [0, 'constraint'], function: 42,
  wrong: 'sqlite', misuse: 'TypeError', place: [backend, 'aes-256-gcm', true], closed: 'closed', ...(backend !== 'memory' && { locked: 'key_required', again: 1002 }),
})

for (const engine of engines) {
  test(`${engine}: the synchronous API`, { timeout: 200_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/sync.html`)
    await page.waitForFunction(() => window.coffer !== undefined)

    for (const backend of [...placesOf(engine), 'memory']) {
      await t.test(`in a worker, on ${backend}`, async () => {
        assert.deepEqual(await page.evaluate(`window.coffer.inWorker(${JSON.stringify(`(coffer) => (${whole})(coffer, '${backend}')`)})`), expected(backend))
      })
    }
    for (const backend of ['indexeddb', 'memory']) {
      await t.test(`in a window, on ${backend}`, async () => {
        const inWindow = `(${whole})({ ...window.coffer, outcome: (work) => { try { return work() ?? 'done' } catch (error) { return error instanceof window.coffer.CofferError ? error.code : error.name } } }, '${backend}')`
        assert.deepEqual(await page.evaluate(inWindow), expected(backend))
      })
    }

    for (const backend of placesOf(engine)) {
      await t.test(`${backend}: what another made while a key was being wrapped is opened with that one's key`, async () => {
        const seen = await page.evaluate((backend) => window.coffer.inWorker(`async ({ openSync, wrappedBy }) => {
          const name = 'made meanwhile'
          const turned = (bytes) => bytes.map((byte) => byte ^ 0x5a)
          const other = wrappedBy({ wrap: turned, unwrap: turned })
          const late = wrappedBy({
            // There is no database yet when this is asked for, and there is one when it is answered.
            wrap: async (bytes) => {
              const first = await openSync(name, { backend: '${backend}', key: other })
              first.exec("create table t(x); insert into t values ('kept')")
              await first.close()
              return turned(bytes)
            },
            unwrap: turned,
          })
          const db = await openSync(name, { backend: '${backend}', key: late })
          const seen = db.query('select x from t')
          await db.close()
          return seen
        }`), backend)
        assert.deepEqual(seen, [{ x: 'kept' }])
      })
    }

    await t.test('a window has no OPFS to wait for without a worker, and auto finds another place', async () => {
      const seen = await page.evaluate(async () => {
        const { openSync, outcome } = window.coffer
        const db = await openSync('in a window')
        const { backend } = db.storageInfo()
        await db.close()
        return [await outcome(openSync('in a window too', { backend: 'opfs' })), backend]
      })
      assert.deepEqual(seen, ['unsupported', 'indexeddb'])
    })

    await t.test('what a worker wrote is there for a page, one after the other', async () => {
      const seen = await page.evaluate(async (backend) => {
        const { inWorker, open } = window.coffer
        await inWorker(`async ({ openSync }) => {
          self.db = await openSync('passed on', { backend: '${backend}' })
          self.db.exec("create table if not exists t(x); insert into t values ('from a worker')")
        }`)
        const waiting = open('passed on', { backend })
        await inWorker('() => self.db.close()')
        const db = await waiting
        const { x } = await db.get('select x from t')
        await db.close()
        return x
      }, placesOf(engine)[0])
      assert.equal(seen, 'from a worker')
    })
    assert.deepEqual(complaints, [])
  })
}
