// Codes that nothing but a failing disk or a quarrel of two brings about, each in the way in which a page can meet it: a transaction whose state was
// taken back (`conflict`), a database whose disk failed (`poisoned`), and two that wait for each other, which is told as `busy`.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, launch, placesOf, served } from './launch.mjs'

const site = served()

for (const engine of engines) {
  test(`${engine}: codes of what seldom happens`, { timeout: 120_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/checkpoint.html`)
    await page.waitForFunction(() => window.coffer !== undefined)
    await page.evaluate(() => {
      const { CofferError, mortals, open } = window.coffer
      const channel = new BroadcastChannel('faulty')
      window.tried = {
        opened: (name, options) => open(name, { worker: mortals({ script: () => '/tests/browser/pages/faulty.js' }).worker, ...options }),
        /** Lets the worker's storage fail so many times. */
        fail: (what, times = 1) =>
          new Promise((resolve) => {
            channel.onmessage = ({ data }) => data.ready === what && resolve()
            channel.postMessage({ fail: what, times })
          }),
        told: (promise) => promise.then(() => 'done', (error) => (error instanceof CofferError ? error.code : String(error))),
      }
    })

    await t.test('a transaction whose state was taken back meets a conflict, and runs again unless told not to', async () => {
      const seen = await page.evaluate(async () => {
        const { fail, opened, told } = window.tried
        const db = await opened('conflict', { backend: 'indexeddb', codec: 'none' })
        await db.exec('create table t(x); insert into t values (1)')
        const outcomes = []
        for (const retries of [0, 3]) {
          let attempts = 0
          const read = []
          const outcome = await told(
            db.transaction(
              async (tx) => {
                attempts += 1
                if (attempts === 1) {
                  // What this transaction sees is of a commit that cannot be stored, and is taken back with it.
                  await fail('put')
                  const refused = told(db.run('insert into t values (2)'))
                  read.push(await refused)
                }
                read.push((await tx.get('select count(*) as n from t')).n)
              },
              { readonly: true, retries },
            ),
          )
          outcomes.push({ outcome, attempts, read })
        }
        // All goes on as it was.
        await db.run('insert into t values (3)')
        const { n } = await db.get('select count(*) as n from t')
        await db.close()
        return { outcomes, n }
      })
      assert.deepEqual(seen, {
        outcomes: [
          { outcome: 'conflict', attempts: 1, read: ['quota'] },
          { outcome: 'done', attempts: 2, read: ['quota', 1] },
        ],
        n: 2,
      })
    })

    if (placesOf(engine).includes('opfs')) {
      await t.test('after a flush that failed nothing is written any more, until it is opened again', async () => {
        const seen = await page.evaluate(async () => {
          const { fail, opened, told } = window.tried
          const db = await opened('poisoned', { backend: 'opfs' })
          await db.exec('create table t(x); insert into t values (1)')
          await fail('flush')
          const failed = await told(db.run('insert into t values (2)'))
          const then = [await told(db.run('insert into t values (3)')), await told(db.exec('insert into t values (4)')), await told(db.transaction((tx) => tx.run('insert into t values (5)')))]
          const read = await told(db.get('select count(*) from t'))
          await told(db.close())
          const again = await opened('poisoned', { backend: 'opfs' })
          const wrote = await told(again.run('insert into t values (6)'))
          const rows = (await again.query('select x from t order by x')).map(({ x }) => x)
          const check = Object.values(await again.get('pragma integrity_check'))[0]
          await again.close()
          return { failed, then, read, wrote, rows, check }
        })
        assert.deepEqual({ ...seen, rows: undefined }, { failed: 'io', then: ['poisoned', 'poisoned', 'poisoned'], read: 'done', wrote: 'done', rows: undefined, check: 'ok' })
        // Nobody knows whether what could not be flushed is there.
        assert.ok(['1,6', '1,2,6'].includes(seen.rows.join()), seen.rows.join())
      })
    }

    await t.test('two that wait for each other end as busy, within the time that they may wait', async () => {
      const seen = await page.evaluate(async () => {
        const { opened, told } = window.tried
        const [a, b] = await Promise.all(['a', 'b'].map((name) => opened(name, { backend: 'memory', busyTimeout: 400 })))
        for (const db of [a, b]) await db.exec('create table t(x)')
        let both
        let count = 0
        const together = new Promise((resolve) => (both = resolve))
        const work = (mine, other) =>
          mine.transaction(async (tx) => {
            await tx.run('insert into t values (1)')
            if ((count += 1) === 2) both()
            await together
            await other.run('insert into t values (2)')
          })
        const start = performance.now()
        const outcomes = await Promise.all([told(work(a, b)), told(work(b, a))])
        const took = performance.now() - start
        const after = await Promise.all([a, b].map((db) => told(db.run('insert into t values (3)'))))
        await Promise.all([a.close(), b.close()])
        return { outcomes, took, after }
      })
      assert.ok(seen.outcomes.includes('busy'), seen.outcomes.join())
      assert.ok(seen.outcomes.every((outcome) => ['busy', 'done'].includes(outcome)), seen.outcomes.join())
      assert.ok(seen.took < 10_000, `${seen.took} ms`)
      assert.deepEqual(seen.after, ['done', 'done'])
    })

    await t.test('no page error was left over', () => assert.deepEqual(complaints, []))
  })
}
