// The memory that an import takes: as much for a large file as for a small one.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, launch, served } from './launch.mjs'

const site = served()

/** How large. In the test runs of every day less than proves much: COFFER_IMPORT_MB=40,120 is the proof. */
const sizes = (process.env.COFFER_IMPORT_MB ?? '10,30').split(',').map(Number)

const mb = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`

for (const engine of engines) {
  test(`${engine}: importing takes as much memory for ${sizes.at(-1)} MB as for ${sizes[0]}`, { timeout: 1_200_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    const seen = []
    for (const megabytes of sizes) {
      // A page of its own for each, so that none has what the other left.
      await page.goto(`${site.address}tests/browser/pages/verbs.html`)
      await page.waitForFunction(() => window.coffer !== undefined)
      await page.evaluate(async () => {
        window.source = await window.coffer.open('to be exported', { codec: 'none' })
        await window.source.exec('create table t(id integer primary key, body blob)')
      })
      // In parts, since a driver gives up a call that takes minutes.
      for (let done = 0; done < megabytes; done += 8) {
        const rows = Math.round((Math.min(8, megabytes - done) * 2 ** 20) / 4000)
        // Random, so that as much is stored as is there.
        await page.evaluate((rows) => window.source.exec(`with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows}) insert into t(body) select randomblob(3950) from n`), rows)
      }
      await page.evaluate(async () => {
        window.file = await window.source.export()
        await window.source.close()
        await window.coffer.destroy('to be exported')
      })
      seen.push(
        await page.evaluate(async () => {
          const { key, open, destroy } = window.coffer
          const db = await open('imported', { key: key(1) })
          const before = (await db.memoryStats()).wasm_heap
          const start = performance.now()
          await db.import(window.file)
          const ms = performance.now() - start
          // The heap never shrinks: what it is now is the most that it was.
          const after = (await db.memoryStats()).wasm_heap
          const { n } = await db.get('select count(*) as n from t')
          const { logical_bytes } = await db.storageInfo()
          await db.close()
          await destroy('imported')
          return { size: window.file.size, before, after, n, logical: logical_bytes, ms }
        }),
      )
    }
    for (const { size, before, after, ms } of seen) t.diagnostic(`${engine}: a file of ${mb(size)} imported in ${Math.round(ms)} ms: the heap went from ${mb(before)} to ${mb(after)}`)
    for (const [index, { size, n, logical }] of seen.entries()) {
      assert.ok(size > sizes[index] * 0.95 * 2 ** 20, mb(size))
      assert.ok(n > (sizes[index] * 2 ** 20) / 4100, `${n} rows`)
      assert.ok(logical >= size * 0.95, mb(logical))
    }
    const [small, large] = [seen[0], seen.at(-1)]
    // The table of pages takes some 20 bytes a page, and grows by doubling.
    assert.ok(large.after - small.after <= 2 * 2 ** 20 + (large.size - small.size) / 50, `${mb(large.after)} for ${mb(large.size)}, ${mb(small.after)} for ${mb(small.size)}`)
    assert.deepEqual(complaints, [])
  })
}
