// When what was committed is on the disk, and what that costs.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, hasSyncHandles, launch, placesOf, served } from './launch.mjs'

const site = served()

for (const engine of engines) {
  test(`${engine}: durability`, { timeout: 240_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/storage.html`)
    await page.waitForFunction(() => window.coffer !== undefined)

    if (hasSyncHandles(engine)) await t.test('a hundred strict runs that are asked for at once make a few writes and one flush', async () => {
      const seen = await page.evaluate(async () => {
        const { countCalls, countingWorker, key, open, pause } = window.coffer
        const db = await open('grouped', { backend: 'opfs', key: key(5), worker: countingWorker })
        await db.exec('create table t(id integer primary key, body text)')
        await db.run("insert into t(body) values ('first')")
        await pause(50)
        await countCalls()
        const start = performance.now()
        await Promise.all(Array.from({ length: 100 }, (_, row) => db.run('insert into t(body) values (?)', [`row ${row}`])))
        const took = performance.now() - start
        const { write, flush } = await countCalls()
        const { n } = await db.get('select count(*) as n from t')
        await db.close()
        return { took, write, flush, n }
      })
      t.diagnostic(`${engine}: 100 concurrent strict runs took ${seen.took.toFixed(1)} ms, ${seen.write} writes and ${seen.flush} flushes`)
      assert.equal(seen.n, 101)
      // Each slice of the worker's time makes one commit of those that it runs.
      assert.ok(seen.write >= 1 && seen.write <= 1 + Math.ceil(seen.took / 8), `${seen.write} writes`)
      // None is made to wait longer than that, so a slow machine needs more than one.
      assert.ok(seen.flush >= 1 && seen.flush <= 1 + Math.floor(seen.took / 50), `${seen.flush} flushes`)
    })

    if (hasSyncHandles(engine)) await t.test('a relaxed commit is answered before it is flushed, and flushed a tenth of a second later', async () => {
      const seen = await page.evaluate(async () => {
        const { countCalls, countingWorker, open, pause } = window.coffer
        const db = await open('relaxed', { backend: 'opfs', durability: 'relaxed', worker: countingWorker })
        await db.exec('create table t(x)')
        await pause(300)
        await countCalls()
        const start = performance.now()
        await db.run('insert into t values (1)')
        const answered = performance.now() - start
        const before = (await countCalls()).flush ?? 0
        for (let row = 0; row < 9; row += 1) await db.run('insert into t values (2)')
        const all = performance.now() - start
        let flushes = 0
        while (flushes === 0 && performance.now() - start < 5000) {
          await pause(5)
          flushes = (await countCalls()).flush ?? 0
        }
        const flushed = performance.now() - start
        await pause(250)
        const later = (await countCalls()).flush ?? 0
        await db.close()
        return { answered, before, all, flushes, flushed, later }
      })
      t.diagnostic(`${engine}: relaxed: answered after ${seen.answered.toFixed(1)} ms, flushed after ${seen.flushed.toFixed(0)} ms`)
      assert.equal(seen.before, 0, 'the answer waited for a flush')
      assert.ok(seen.flushes >= 1)
      // On a machine that takes longer for ten commits than the first of them waits, the others wait for another.
      const due = 1 + Math.floor(seen.all / 90)
      assert.ok(seen.flushes + seen.later <= due, `${seen.flushes} and ${seen.later} flushes of ten relaxed commits within ${seen.all} ms`)
      assert.ok(seen.flushed >= 60, `${seen.flushed} ms: it did not wait for others`)
    })

    for (const backend of placesOf(engine)) {
      await t.test(`${backend}: flush is a barrier: what was answered before it is on the disk when it resolves`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { countCalls, countingWorker, open } = window.coffer
          const told = new BroadcastChannel('transactions')
          const countTransactions = () =>
            new Promise((resolve) => {
              told.onmessage = ({ data }) => resolve(data)
              told.postMessage('count')
            })
          const [worker, count] = backend === 'opfs' ? [countingWorker, async () => (await countCalls()).flush ?? 0] : [() => new Worker('/tests/browser/pages/transactions.js'), async () => (await countTransactions()).complete]
          const db = await open(`barrier ${backend}`, { backend, durability: 'relaxed', worker })
          await db.exec('create table t(x)')
          const stored = []
          for (let round = 0; round < 5; round += 1) {
            await db.flush()
            await count()
            await db.run('insert into t values (1)')
            await db.flush()
            stored.push((await count()) > 0)
          }
          await db.close()
          return stored
        }, backend)
        assert.deepEqual(seen, Array(5).fill(true))
      })
    }

    for (const backend of placesOf(engine)) {
      await t.test(`${backend}: a database is closed when all of it is stored, also what nobody waited for`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { open } = window.coffer
          const seen = []
          for (let round = 0; round < 10; round += 1) {
            const name = `drained ${backend} ${round}`
            let worker
            const db = await open(name, { backend, durability: 'relaxed', worker: () => (worker = new Worker('/dist/worker.js')) })
            await db.exec('create table t(x, body)')
            const asked = Array.from({ length: 40 }, (_, x) => db.run('insert into t values (?, randomblob(20000))', [x]))
            if (round % 2 === 0) await Promise.all(asked)
            await db.close()
            // As soon as it says that it is closed, its worker may go.
            worker.terminate()
            const again = await open(name, { backend })
            const { n } = await again.get('select count(*) as n from t')
            const { integrity_check: check } = await again.get('pragma integrity_check')
            await again.close()
            seen.push([n, check])
          }
          return seen
        }, backend)
        assert.deepEqual(seen, Array(10).fill([40, 'ok']))
      })
    }

    await t.test('a strict commit of IndexedDB is answered when its transaction is complete, and a hundred take a few', async () => {
      const seen = await page.evaluate(async () => {
        const { open, pause } = window.coffer
        const worker = () => new Worker('/tests/browser/pages/transactions.js')
        const told = new BroadcastChannel('transactions')
        const count = () =>
          new Promise((resolve) => {
            told.onmessage = ({ data }) => resolve(data)
            told.postMessage('count')
          })
        const db = await open('grouped', { backend: 'indexeddb', worker })
        await db.exec('create table t(id integer primary key, body text)')
        await db.run("insert into t(body) values ('first')")
        await pause(50)
        await count()
        await Promise.all(Array.from({ length: 100 }, (_, row) => db.run('insert into t(body) values (?)', [`row ${row}`])))
        const many = await count()
        await db.run("insert into t(body) values ('alone')")
        const one = await count()
        await db.close()
        return { many, one }
      })
      t.diagnostic(`${engine}: 100 concurrent strict commits took ${seen.many.complete} transactions of IndexedDB`)
      assert.deepEqual(seen.one, { begun: 1, complete: 1, strict: 1 })
      assert.equal(seen.many.begun, seen.many.complete)
      assert.equal(seen.many.strict, seen.many.begun)
      assert.ok(seen.many.complete <= 10, `${seen.many.complete} transactions`)
    })

    await t.test('what could not be stored is told to whoever waits for it, or once by an event if nobody does', async () => {
      const seen = await page.evaluate(async () => {
        const { open, outcome, pause } = window.coffer
        const told = new BroadcastChannel('failing')
        const fail = () =>
          new Promise((resolve) => {
            told.onmessage = resolve
            told.postMessage('now')
          })
        const seen = {}
        for (const [durability, then] of [['strict', 'goes on'], ['relaxed', 'goes on'], ['relaxed', 'closes']]) {
          const db = await open(`failing ${durability} ${then}`, { backend: 'indexeddb', durability, worker: () => new Worker('/tests/browser/pages/failing.js') })
          const errors = []
          db.on('error', ({ code, message }) => errors.push(`${code}: ${message}`))
          await db.exec('create table t(x)')
          await db.flush()
          await fail()
          const calls = [await outcome(db.run('insert into t values (1)').then(() => 'done'))]
          if (then === 'goes on') {
            // Longer than a relaxed commit waits.
            for (let wait = 0; wait < 400 && durability === 'relaxed' && errors.length === 0; wait += 1) await pause(25)
            await pause(300)
            calls.push(await outcome(db.run('insert into t values (2)').then(() => 'done')))
          }
          calls.push(await outcome(db.close().then(() => 'done')))
          await pause(100)
          seen[`${durability} ${then}`] = { calls, errors: errors.map((error) => error.split(':')[0]), closed: await outcome(db.get('select 1')), left: await Promise.race([fail().then(() => 'a worker'), pause(300).then(() => 'none')]) }
        }
        return seen
      })
      assert.deepEqual(seen, {
        'strict goes on': { calls: ['io', 'io', 'io'], errors: [], closed: 'closed', left: 'none' },
        'relaxed goes on': { calls: ['done', 'io', 'io'], errors: ['io'], closed: 'closed', left: 'none' },
        'relaxed closes': { calls: ['done', 'io'], errors: [], closed: 'closed', left: 'none' },
      })
    })

    await t.test('no page error was left over', () => assert.deepEqual(complaints, []))
  })
}
