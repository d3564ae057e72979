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

      await t.test(`${backend}: modules that are evaluated anew beside their old selves, as a hot reload does, find the database each time`, async () => {
        await visit(page)
        const seen = await page.evaluate(async (backend) => {
          const name = `hot-${backend}`
          const took = []
          const seen = []
          const old = []
          let acknowledged = 0
          for (let round = 0; round < 8; round += 1) {
            const { open } = await import(`/dist/index.js?round=${round}`)
            const start = performance.now()
            const db = await open(name, { backend })
            await db.exec('create table if not exists t(x)')
            const { n } = await db.get('select count(*) as n from t')
            took.push(performance.now() - start)
            seen.push(n >= acknowledged)
            await db.run('insert into t values (?)', [round])
            acknowledged = n + 1
            // Nobody closes it: it writes when it is replaced, and then it is forgotten.
            db.run('insert into t values (?)', [round]).catch(() => undefined)
            old.push(db)
          }
          // The first still leads. When it is gone, those that came after it are served by another.
          const leaders = old.map(({ leader }) => leader)
          await old[0].close()
          const { n } = await old.at(-1).get('select count(*) as n from t')
          const { integrity_check: check } = await old.at(-1).get('pragma integrity_check')
          await Promise.all(old.map((db) => db.close()))
          return { n, check, seen: seen.every(Boolean), leaders, quick: Math.max(...took) < 3500 }
        }, backend)
        assert.deepEqual(seen, { n: 16, check: 'ok', seen: true, leaders: ['self', ...Array(7).fill('other')], quick: true })
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
