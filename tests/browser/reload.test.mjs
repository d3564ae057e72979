// Pages that go and come back: reloaded in a storm, evaluated anew beside their old selves, left for another page, and in private windows.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, launch, placesOf, served } from './launch.mjs'

const site = served()

const visits = 20

for (const engine of engines) {
  test(`${engine}: pages that go and come back`, { timeout: 240_000 }, async (t) => {
    const { page, close } = await launch(engine)
    t.after(close)
    const visit = async (page) => {
      await page.goto(`${site.address}tests/browser/pages/storage.html`)
      await page.waitForFunction(() => window.coffer !== undefined)
    }

    for (const backend of placesOf(engine)) {
      await t.test(`${backend}: a storm of reloads loses nothing that was acknowledged`, async () => {
        await visit(page)
        await page.evaluate(() => localStorage.clear())
        await page.goto(`${site.address}tests/browser/pages/storm.html?backend=${backend}&visits=${visits}`).catch(() => undefined)
        let outcome
        // Reloads end what the driver asks of the page; it asks again.
        for (const until = Date.now() + 120_000; outcome === undefined && Date.now() < until; ) outcome = await page.evaluate(() => window.outcome).catch(() => undefined)
        assert.equal(outcome?.faults, 'none')
        assert.ok(outcome.written > 20, `only ${outcome.written} commits in all`)
      })

      await t.test(`${backend}: a page that was left does not keep the next one from opening`, async () => {
        const name = `left-${backend}`
        await visit(page)
        await page.evaluate(async ([name, backend]) => {
          const db = await window.coffer.open(name, { backend })
          await db.exec("create table t(x); insert into t values ('left behind')")
          window.left = db
        }, [name, backend])
        // Another page of the site: the first one is frozen, if the browser keeps pages for going back to, or is gone.
        await page.goto(`${site.address}tests/browser/pages/plain.html`)
        await page.waitForFunction(() => window.coffer !== undefined)
        const seen = await page.evaluate(async ([name, backend]) => {
          const start = performance.now()
          const db = await window.coffer.open(name, { backend })
          const ms = performance.now() - start
          const row = await db.get('select x from t')
          await db.close()
          return { row, quick: ms < 3500 }
        }, [name, backend])
        assert.deepEqual(seen, { row: { x: 'left behind' }, quick: true })
      })
    }
  })

  test(`${engine}: in a private window a database is kept somewhere, or the error says why not`, { timeout: 120_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine, { hidden: true })
    t.after(close)
    const visit = async () => {
      await page.goto(`${site.address}tests/browser/pages/storage.html`)
      await page.waitForFunction(() => window.coffer !== undefined)
    }
    const note = () =>
      page.evaluate(async () => {
        const db = await window.coffer.open('private')
        await db.exec('create table if not exists t(x)')
        await db.run('insert into t values (1)')
        const { n } = await db.get('select count(*) as n from t')
        const { backend } = await db.get('select backend from storage_info')
        await db.close()
        return { n, backend }
      })
    await visit()
    const first = await note()
    await visit()
    const second = await note()
    // Kept over a reload, in the place that the browser allows; memory is never chosen.
    assert.deepEqual([first.n, second.n, second.backend], [1, 2, first.backend])
    assert.ok(['opfs', 'indexeddb'].includes(first.backend), first.backend)
    const byName = await page.evaluate(() => window.coffer.outcome(window.coffer.open('by name', { backend: 'opfs' }).then((db) => db.close())))
    assert.equal(byName, first.backend === 'opfs' ? 'done' : 'unsupported')
    t.diagnostic(`${engine}: a private window keeps it in ${first.backend}`)
    assert.deepEqual(complaints, [])
  })
}
