// What a page learns of the room that its site has, and may ask of the browser: handed on from the browser itself.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { allowPersistence, engines, launch, served } from './launch.mjs'

const site = served()

for (const engine of engines) {
  test(`${engine}: the room of a site`, { timeout: 90_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/storage.html`)
    await page.waitForFunction(() => window.coffer !== undefined)

    await t.test('how much is used and how much there is', async () => {
      const seen = await page.evaluate(async () => {
        const db = await window.coffer.open('room')
        const before = await db.estimate()
        await db.exec('create table t(body); insert into t values (randomblob(3000000))')
        await db.flush()
        const { usage, quota } = await db.estimate()
        const real = await navigator.storage.estimate()
        await db.close()
        return { grew: usage - before.usage > 2e6, fits: usage < quota, quota: quota === real.quota }
      })
      assert.deepEqual(seen, { grew: true, fits: true, quota: true })
    })

    await t.test('a site that asks to keep its data is answered by the browser', async () => {
      const ask = () =>
        page.evaluate(async () => {
          const db = await window.coffer.open('room')
          const answer = await db.persist()
          await db.close()
          return [answer, await navigator.storage.persisted()]
        })
      const [first, kept] = await ask()
      t.diagnostic(`${engine} says ${first}`)
      assert.equal(first, kept)
      if (await allowPersistence(engine, page, site.address)) assert.deepEqual(await ask(), [true, true])
    })

    await t.test('no page error was left over', () => assert.deepEqual(complaints, []))
  })
}
