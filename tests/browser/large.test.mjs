// A large database: opening it reads its indexes and not its data, and what is looked up costs the few calls that it must.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, hasSyncHandles, launch, served } from './launch.mjs'

const able = engines.filter(hasSyncHandles)
const site = served({ tests: able.length > 0 })

/** How large. In the test runs of every day less than proves much: COFFER_LARGE_MB=500 is the proof. */
const megabytes = Number(process.env.COFFER_LARGE_MB ?? 24)

const mb = (bytes) => `${(bytes / 2 ** 20).toFixed(2)} MB`

for (const engine of able) {
  test(`${engine}: a database of ${megabytes} MB is opened without reading it all`, { timeout: 1_200_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    const visit = async () => {
      await page.goto(`${site.address}tests/browser/pages/storage.html`)
      await page.waitForFunction(() => window.coffer !== undefined)
    }
    await visit()
    // In parts, since a driver gives up a call that takes minutes.
    for (let done = 0; done < megabytes; done += 8) {
      await page.evaluate(async (rows) => {
        const { key, open } = window.coffer
        const db = await open('large', { backend: 'opfs', key: key(8), codec: 'lz4' })
        await db.exec('create table if not exists t(id integer primary key, body blob)')
        // Random, so that as much is stored as is there.
        await db.exec(`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows}) insert into t(body) select randomblob(4000) from n`)
        await db.close()
      }, Math.round((Math.min(8, megabytes - done) * 2 ** 20) / 4000))
    }
    await page.evaluate(async () => {
      const { key, open } = window.coffer
      const db = await open('large', { backend: 'opfs', key: key(8) })
      await db.checkpoint('truncate')
      await db.close()
    })
    // In a new page: nothing of it is in memory.
    await visit()
    const seen = await page.evaluate(async () => {
      const { countCalls, countingWorker, key, open } = window.coffer
      const start = performance.now()
      const db = await open('large', { backend: 'opfs', key: key(8), worker: countingWorker })
      const ms = performance.now() - start
      const opening = await countCalls()
      const { n } = await db.get('select max(id) as n from t')
      const first = await countCalls()
      const cold = []
      // Far from each other, so that none brings what the next one needs.
      for (const part of [0.11, 0.37, 0.59, 0.83]) {
        const { length } = await db.get('select length(body) as length from t where id = ?', [Math.round(n * part)])
        cold.push({ ...(await countCalls()), length })
      }
      const info = await db.storageInfo()
      await db.close()
      return { ms, opening, first, cold, n, stored: info.stored_bytes, segments: info.segments }
    })
    const reads = seen.cold.map(({ read }) => read)
    t.diagnostic(
      `${engine}: ${mb(seen.stored)} in ${seen.segments} segments opened in ${Math.round(seen.ms)} ms with ${seen.opening.read} reads of ${mb(seen.opening.bytesRead)}; ` +
        `the first look takes ${seen.first.read} reads of ${mb(seen.first.bytesRead)}; a cold row ${reads.join(', ')} reads of ${seen.cold.map(({ bytesRead }) => bytesRead).join(', ')} bytes`,
    )
    assert.ok(seen.stored > megabytes * 0.95 * 2 ** 20, `${mb(seen.stored)} are not as much as was written`)
    // The indexes, and no more than a little of anything else.
    assert.ok(seen.opening.bytesRead < seen.stored / 50 + 2 ** 18, `${mb(seen.opening.bytesRead)} were read`)
    assert.equal(seen.opening.write, undefined, 'opening writes nothing')
    assert.ok(seen.cold.every(({ length }) => length === 4000))
    // A page of the tree between root and leaf, and the leaf.
    assert.ok(Math.max(...reads) <= 2, `${reads} reads`)
    assert.deepEqual(complaints, [])
  })
}
