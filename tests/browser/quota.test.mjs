// A site whose space is used up: what does not fit is undone and says so, and with room again everything goes on, without opening anew.
// Only Chromium lets a test say how much space there is.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, launch, served } from './launch.mjs'

const able = engines.filter((name) => name === 'chromium')

const site = served({ tests: able.length > 0 })

for (const engine of able) {
  test(`${engine}: no room left`, { timeout: 240_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/storage.html`)
    await page.waitForFunction(() => window.coffer !== undefined)
    const devtools = await page.context().newCDPSession(page)
    const { origin } = new URL(site.address)
    /** So many bytes more than there are now. */
    const allow = async (more) => {
      const usage = await page.evaluate(async () => (await navigator.storage.estimate()).usage)
      await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: usage + more })
      return usage + more
    }
    await page.exposeFunction('allow', allow)
    await page.exposeFunction('allowAll', (quotaSize) => devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize }))

    for (const backend of ['opfs', 'indexeddb']) {
      await t.test(`${backend}: what does not fit is undone, and with room again everything goes on`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { open, outcome } = window.coffer
          const name = `full-${backend}`
          // Before anything is written: the browser looks at the quota again only when what it knew of is used up.
          const quota = await window.allow(10_000_000)
          const db = await open(name, { backend, codec: 'none' })
          const errors = []
          db.on('error', (error) => errors.push(`${error.code}: ${error.message}`))
          await db.exec('create table t(id integer primary key, body blob); pragma wal_autocheckpoint = 100000')
          const insert = (id) => db.run('insert into t values (?, randomblob(200000))', [id])
          const ids = async () => (await db.query('select id from t order by id')).map(({ id }) => id)
          for (let id = 1; id <= 20; id += 1) await insert(id)
          const acknowledged = await ids()
          let refused
          for (let id = 21; refused === undefined && id < 200; id += 1) {
            const came = await outcome(insert(id).then(() => 'done'))
            if (came === 'done') acknowledged.push(id)
            else refused = came
          }
          const after = await ids()
          // More than fits at once, in one transaction and as many that are asked for together.
          const transaction = await outcome(
            db.transaction(async (tx) => {
              for (let id = 1000; id < 1060; id += 1) await tx.run('insert into t values (?, randomblob(200000))', [id])
            }),
          )
          const together = await Promise.all(Array.from({ length: 10 }, (_, index) => outcome(insert(2000 + index).then(() => 'done'))))
          const then = await ids()
          for (const [index, came] of together.entries()) if (came === 'done') acknowledged.push(2000 + index)
          acknowledged.sort((a, b) => a - b)
          const check = Object.values(await db.get('pragma integrity_check'))[0]
          // Room again: what is deleted is given back, and fits after that within what did not suffice before.
          await window.allowAll(2 ** 33)
          await db.run('delete from t where id > 3')
          await db.exec('compact')
          await db.exec('pragma wal_checkpoint(truncate)')
          const { usage } = await navigator.storage.estimate()
          // IndexedDB cleans up when it likes, so there the old limit may be passed still.
          await window.allowAll(backend === 'opfs' ? quota : 2 ** 33)
          const again = []
          for (let id = 3000; id < 3010; id += 1) again.push(await outcome(insert(id).then(() => 'done')))
          const last = await ids()
          await db.close()
          await window.allowAll(2 ** 33)
          const opened = await open(name, { backend })
          const kept = (await opened.query('select id from t order by id')).map(({ id }) => id)
          const keptCheck = Object.values(await opened.get('pragma integrity_check'))[0]
          await opened.close()
          return { acknowledged, refused, after, transaction, together, then, check, again, last, kept, keptCheck, usage, quota, errors: [...new Set(errors)] }
        }, backend)
        t.diagnostic(`${backend}: full at ${seen.quota} bytes after ${seen.after.length} rows; ${seen.usage} bytes used after deleting and compacting; errors told besides: ${seen.errors.join('; ') || 'none'}`)
        assert.equal(seen.refused, 'quota')
        assert.ok(seen.after.length > 20, 'some fitted')
        assert.deepEqual(seen.after, seen.acknowledged.filter((id) => id < 1000))
        assert.equal(seen.transaction, 'quota')
        assert.ok(seen.together.every((came) => came === 'done' || came === 'quota'), seen.together.join())
        assert.ok(seen.together.includes('quota'))
        assert.deepEqual(seen.then, seen.acknowledged)
        assert.equal(seen.check, 'ok')
        assert.deepEqual(seen.again, Array(10).fill('done'))
        const expected = [1, 2, 3, ...Array.from({ length: 10 }, (_, index) => 3000 + index)]
        assert.deepEqual(seen.last, expected)
        assert.deepEqual(seen.kept, expected)
        assert.equal(seen.keptCheck, 'ok')
      })
    }

    await t.test('no page error was left over', () => assert.deepEqual(complaints, []))
  })
}
