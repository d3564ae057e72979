// Tabs of processes of their own: one that crashes, and one that the browser puts aside. A page in the back-forward cache lets go of the database, and
// takes part again when it comes back, as it was.

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import * as os from 'node:os'
import * as path from 'node:path'
import { test } from 'node:test'
import { chromium } from 'playwright-core'
import { chromiumArguments } from '../../scripts/browsers.mjs'
import { engines, launch, placesOf, served } from './launch.mjs'

// Playwright switches the cache off, and only Chromium puts a page aside that has locks; so this is one engine, started by hand.
const able = engines.filter((name) => name === 'chromium')
/** Firefox ends a page when it is left that has a lock, or whose worker has one. One in memory has none. */
const ending = engines.filter((name) => name === 'firefox')

const site = served({ tests: able.length + ending.length > 0 })

/** Rejects where something never comes. */
const within = (ms, promise) => Promise.race([promise, new Promise((_, reject) => setTimeout(reject, ms, new Error('it hangs')))])

for (const engine of able) {
  for (const backend of ['opfs', 'indexeddb']) {
    test(`${engine}: ${backend}: a page in the back-forward cache holds nothing, and is as it was when it comes back`, { timeout: 120_000 }, async (t) => {
      const profile = await mkdtemp(path.join(os.tmpdir(), 'coffer-bfcache-'))
      const browser = await chromium.launchPersistentContext(profile, {
        executablePath: process.env.CHROMIUM, headless: true, args: chromiumArguments, ignoreDefaultArgs: ['--disable-back-forward-cache'],
      })
      t.after(async () => {
        await browser.close()
        await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
      })
      const visit = async (page) => {
        await page.goto(`${site.address}tests/browser/pages/storage.html`)
        await page.waitForFunction(() => window.coffer !== undefined)
      }
      const [first, second] = [browser.pages()[0], await browser.newPage()]
      const settle = (page, work, ...args) => Promise.race([page.evaluate(work, ...args), new Promise((_, reject) => setTimeout(reject, 20_000, new Error('a promise hangs')))])
      const openFirst = async () => {
        await visit(first)
        await first.evaluate(async (backend) => {
          window.db = await window.coffer.open('aside', { backend })
          await window.db.exec('create table if not exists t(x)')
          window.states = []
          window.db.live('select count(*) as n from t', [], ([{ n }]) => void window.states.push(n))
          window.errors = []
          window.db.on('error', ({ code, message }) => window.errors.push(`${code} ${message}`))
          // Asked in the last moment: it is answered after the return, or before.
          addEventListener('pagehide', () => {
            window.last = window.db.run('insert into t values (1)').then(({ changes }) => changes, ({ code, detail }) => `${code} ${detail?.committed}`)
          })
        }, backend)
      }
      const elsewhere = () => first.goto(`${site.address}tests/browser/pages/empty.html`)
      const back = async () => {
        // A page that comes back is not loaded.
        await first.goBack({ waitUntil: 'commit' })
        await first.waitForFunction(() => window.coffer !== undefined)
      }
      await openFirst()

      // Nobody else wants it meanwhile.
      await elsewhere()
      await back()
      const seen = await settle(first, async () => {
        const last = await window.last
        await window.db.run('insert into t values (2)')
        for (const deadline = performance.now() + 10_000; window.states.at(-1) !== 2 && performance.now() < deadline; ) await window.coffer.pause(10)
        return { last, rows: (await window.db.query('select x from t order by x')).map(({ x }) => x), shown: window.states.at(-1), errors: window.errors, leader: window.db.leader }
      })
      assert.ok([1, 'worker_lost true'].includes(seen.last), String(seen.last))
      assert.deepEqual({ ...seen, last: 1 }, { last: 1, rows: [1, 2], shown: 2, errors: [], leader: 'self' })

      // Somebody does.
      await visit(second)
      await elsewhere()
      const took = await settle(second, async (backend) => {
        const start = performance.now()
        window.db = await window.coffer.open('aside', { backend })
        await window.db.run('insert into t values (3)')
        return performance.now() - start
      }, backend)
      await back()
      const came = await settle(first, async () => {
        await window.db.run('insert into t values (4)')
        return { leader: window.db.leader, three: (await window.db.query('select x from t where x in (3, 4) order by x')).map(({ x }) => x) }
      })
      t.diagnostic(`had from a page that was put aside in ${Math.round(took)} ms`)
      assert.ok(took < 3000, `it took ${took} ms`)
      assert.deepEqual(came, { leader: 'other', three: [3, 4] })
    })

    test(`${engine}: ${backend}: when the process of the leader crashes, a tab of another process leads in less than 3 s`, { timeout: 120_000 }, async (t) => {
      const profile = await mkdtemp(path.join(os.tmpdir(), 'coffer-crash-'))
      const browser = await chromium.launchPersistentContext(profile, { executablePath: process.env.CHROMIUM, headless: true, args: chromiumArguments })
      t.after(async () => {
        await browser.close()
        await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
      })
      const page = async () => {
        const page = await browser.newPage()
        await page.goto(`${site.address}tests/browser/pages/storage.html`)
        await page.waitForFunction(() => window.coffer !== undefined)
        await page.evaluate(async (backend) => {
          window.db = await window.coffer.open('crashed', { backend })
        }, backend)
        return page
      }
      const took = []
      let leader = await page()
      await leader.evaluate(() => window.db.exec('create table t(id, part)'))
      let made = 0
      for (let round = 0; round < 5; round += 1) {
        const follower = await page()
        // Both have writes in flight when one of them goes down.
        await leader.evaluate(() => void (async () => {
          for (;;) await window.db.run('insert into t values (-1, 0)')
        })())
        const working = follower.evaluate(async (from) => {
          const told = []
          for (let id = from; id < from + 150; id += 1) {
            const start = performance.now()
            const rows = await window.db.batch([0, 1].map((part) => ({ sql: 'insert into t values (?, ?)', params: [id, part] }))).then(() => 2, ({ code, detail }) => (detail?.committed === true ? 2 : code))
            told.push([id, rows, performance.now() - start])
          }
          return told
        }, made)
        made += 150
        await new Promise((resolve) => leader.once('crash', resolve).goto('chrome://crash').catch(() => undefined))
        const told = await working
        const there = new Map((await follower.evaluate(() => window.db.query('select id, count(*) as n from t where id >= 0 group by id'))).map(({ id, n }) => [id, n]))
        for (const [id, rows] of told) assert.equal(there.get(id), rows, `request ${id}`)
        took.push(Math.max(...told.map(([, , ms]) => ms)))
        await leader.close()
        leader = follower
      }
      t.diagnostic(`longest wait in each round: ${took.map((ms) => `${Math.round(ms)} ms`).join(', ')}`)
      assert.ok(Math.max(...took) < 3000)
    })
  }
}

for (const engine of ending) {
  for (const backend of [...placesOf(engine), 'memory']) {
    const stored = backend !== 'memory'
    const claim = stored ? 'a page that is left holds nothing, and who goes back to it opens its database anew' : 'a page in the back-forward cache is as it was when it comes back'
    test(`${engine}: ${backend}: ${claim}`, { timeout: 120_000 }, async (t) => {
      const { page: first, newPage, complaints, close } = await launch(engine)
      t.after(close)
      const second = await newPage()
      const visit = async (page) => {
        await page.goto(`${site.address}tests/browser/pages/storage.html`)
        await page.waitForFunction(() => window.coffer !== undefined)
      }
      const openIn = (page) => page.evaluate(async (backend) => {
        const start = performance.now()
        window.db = await window.coffer.open('left', { backend })
        await window.db.exec('create table if not exists t(x)')
        return performance.now() - start
      }, backend)
      await visit(first)
      await openIn(first)
      await first.evaluate(async () => {
        window.states = []
        window.db.live('select count(*) as n from t', [], ([{ n }]) => void window.states.push(n))
        await window.db.run('insert into t values (1)')
        addEventListener('pagehide', ({ persisted }) => {
          window.aside = persisted
          // In flight when the page goes.
          window.last = window.db.run('insert into t values (2)').then(({ changes }) => changes)
        })
      })
      await visit(second)
      await first.goto(`${site.address}tests/browser/pages/empty.html`)
      if (stored) {
        const took = await within(20_000, openIn(second))
        t.diagnostic(`had from a page that was left in ${Math.round(took)} ms`)
        assert.ok(took < 3000, `it took ${took} ms`)
        await within(20_000, second.evaluate(() => window.db.run('insert into t values (3)')))
      }
      // puppeteer's own way waits for the page to be loaded, which it is not when it was put aside.
      await first.evaluate(() => void setTimeout(() => history.back(), 0))
      const isBack = () => first.evaluate(() => window.coffer !== undefined && document.readyState === 'complete').catch(() => false)
      for (const deadline = performance.now() + 20_000; !(await isBack()); ) assert.ok(performance.now() < deadline, 'it does not come back')
      const aside = await first.evaluate(() => window.aside)
      if (stored) {
        assert.equal(aside, undefined, 'it was put aside')
        await within(20_000, openIn(first))
        const { leader, rows } = await within(20_000, first.evaluate(async () => ({ leader: window.db.leader, rows: (await window.db.query('select x from t order by x')).map(({ x }) => x) })))
        // The one in flight had no answer.
        assert.deepEqual([leader, rows.filter((x) => x !== 2)], ['other', [1, 3]])
      } else {
        assert.equal(aside, true)
        const seen = await within(20_000, first.evaluate(async () => {
          const last = await window.last
          await window.db.run('insert into t values (3)')
          for (const deadline = performance.now() + 10_000; window.states.at(-1) !== 3 && performance.now() < deadline; ) await window.coffer.pause(10)
          return { last, shown: window.states.at(-1), leader: window.db.leader, rows: (await window.db.query('select x from t order by x')).map(({ x }) => x) }
        }))
        assert.deepEqual(seen, { last: 1, shown: 3, leader: 'self', rows: [1, 2, 3] })
      }
      assert.deepEqual(complaints, [])
    })
  }
}
