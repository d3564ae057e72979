// What OPFS makes hard: few handles, handles that others have, openings that fail half-way, private windows, files too large to read.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chromium } from 'playwright-core'
import { chromiumArguments } from '../../scripts/browsers.mjs'
import { engines, hasSyncHandles, launch, served } from './launch.mjs'

const able = engines.filter(hasSyncHandles)
const site = served({ tests: able.length > 0 })

async function visit(page) {
  await page.goto(`${site.address}tests/browser/pages/storage.html`)
  await page.waitForFunction(() => window.coffer !== undefined)
  await page.evaluate(() => {
    const told = new BroadcastChannel('handles')
    /** Counts of the one worker that there is. */
    window.countHandles = () =>
      new Promise((resolve) => {
        told.onmessage = ({ data }) => resolve(data)
        told.postMessage('count')
      })
    /** A factory of one database worker, and no other. */
    window.watched = (order = {}) => {
      let made = false
      return () => {
        if (made) throw new Error('one worker is all there is')
        made = true
        return new Worker(`/tests/browser/pages/handles.js?order=${encodeURIComponent(JSON.stringify(order))}`)
      }
    }
  })
}

for (const engine of able) {
  test(`${engine}: what OPFS makes hard`, { timeout: 400_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await visit(page)

    await t.test('a database under churn keeps at most 16 files open', async () => {
      const seen = await page.evaluate(async () => {
        const { key, open, pause } = window.coffer
        const db = await open('churned', { backend: 'opfs', key: key(1), pageSize: 1024, codec: 'lz4', worker: window.watched() })
        await db.exec('create table t(id integer primary key, body text); pragma wal_autocheckpoint = 60')
        let segments = 0
        for (let round = 0; round < 40; round += 1) {
          // Readers come and go. One that stays keeps what it reads, however many files that is.
          const rows = db.iterate('select * from t', [], { batch: 1 })[Symbol.asyncIterator]()
          await rows.next()
          for (let part = 0; part < 3; part += 1) {
            await db.exec('with recursive n(i) as (select 1 union all select i + 1 from n where i < 60) insert into t(body) select hex(randomblob(500)) from n')
            await pause(4)
          }
          await rows.return()
          await db.run('update t set body = body || ? where id % 7 = ?', ['x', round % 7])
          segments = Math.max(segments, (await db.get('select segments from storage_info')).segments)
        }
        const { most } = await window.countHandles()
        const { n } = await db.get('select count(*) as n from t')
        await db.close()
        return { most, segments, n }
      })
      t.diagnostic(`${engine}: ${seen.most} files open at most, ${seen.segments} segments at most`)
      assert.equal(seen.n, 40 * 3 * 60)
      assert.ok(seen.segments > 1)
      assert.ok(seen.most <= 16, `${seen.most} files were open`)
    })

    await t.test('an opening that fails at any step holds nothing, and loses nothing', async () => {
      const seen = await page.evaluate(async () => {
        const { key, open, outcome } = window.coffer
        const name = 'fragile'
        const options = { backend: 'opfs', key: key(2) }
        const failures = []
        let rows = 0
        for (let step = 1; step < 200; step += 1) {
          let db
          // Every second time there is no database yet.
          const fresh = step % 2 === 1 ? `${name}-${step}` : name
          const came = await outcome(open(fresh, { ...options, worker: window.watched({ fail: step }) }).then((opened) => (db = opened)).then(() => 'done'))
          if (db !== undefined) {
            await outcome(db.close())
            failures.push({ step, came: 'opened' })
            if (failures.slice(-6).filter(({ came }) => came === 'opened').length === 6) break
          } else failures.push({ step, came })
          const start = performance.now()
          const again = await open(fresh, options)
          const took = performance.now() - start
          await again.exec('create table if not exists t(id integer primary key)')
          await again.run('insert into t default values')
          const { n } = await again.get('select count(*) as n from t')
          await again.close()
          if (fresh === name) rows += 1
          if (took > 1500 || n !== (fresh === name ? rows : 1)) return { step, came, took, n, rows }
        }
        return { failed: failures.filter(({ came }) => came !== 'opened').length, steps: failures.length }
      })
      t.diagnostic(`${engine}: ${JSON.stringify(seen)}`)
      assert.ok(seen.failed > 8, JSON.stringify(seen))
    })

    for (const backend of ['opfs', 'auto', 'indexeddb']) {
      await t.test(`in an app's own worker, which lives on, an opening on ${backend} that fails at any step leaves nothing open, and none finds another place`, async () => {
        await page.goto(`${site.address}tests/browser/pages/sync.html`)
        await page.waitForFunction(() => window.coffer !== undefined)
        const seen = await page.evaluate((backend) => {
          const work = async ({ CofferError, openSync, rawKey }, backend) => {
            const open = (name) => openSync(name, { backend, key: rawKey(new Uint8Array(32).fill(6)) })
            const look = (db, sql) => {
              db.exec('create table if not exists t(x)')
              const { n } = db.get('select count(*) as n from t')
              if (sql !== undefined) db.exec(sql)
              return [n, db.storageInfo().backend]
            }
            // What failed beside the opening is reported besides.
            self.addEventListener('error', (event) => event.preventDefault())
            const failed = []
            const wrong = []
            let rows = 0
            const opened = async (name) => {
              const db = await open(name)
              const what = self.counts.failed
              self.failAt(0)
              const seen = look(db)
              await db.close()
              return { what, seen }
            }
            const attempt = async (name, fresh, step) => {
              self.failAt(step)
              const came = await opened(name).catch((error) => ({ what: self.counts.failed, error: error instanceof CofferError ? error.code : `untyped: ${error}` }))
              const left = self.counts.open + self.counts.connections
              self.failAt(0)
              const start = performance.now()
              const again = await opened(name).catch(({ code, message }) => ({ error: `${code}: ${message}` }))
              const took = performance.now() - start
              const leftAgain = self.counts.open + self.counts.connections
              // What was begun anew may be in the other place, where the first could not be had.
              const expected = JSON.stringify([fresh ? 0 : rows, backend === 'auto' ? 'opfs' : backend])
              const right = ({ seen }) => (fresh && backend === 'auto' ? seen?.[0] === 0 : JSON.stringify(seen) === expected)
              if (!right(again) || !(right(came) || came.error !== undefined) || left !== 0 || leftAgain !== 0 || took > 1500) wrong.push({ fresh, step, came, left, again, leftAgain, took, expected })
              if (came.error !== undefined && !['io', 'unsupported'].includes(came.error)) wrong.push({ step, came })
              if (came.what !== '') failed.push(`${came.what}: ${came.error ?? 'opened'}`)
              return came.what !== ''
            }
            const kept = `kept ${backend}`
            await opened(kept)
            for (let step = 1; step < 200 && (await attempt(`fresh ${backend} ${step}`, true, step)); step += 1);
            for (let step = 1; step < 200 && (await attempt(kept, false, step)); step += 1) {
              const db = await open(kept)
              look(db, 'insert into t values (1)')
              rows += 1
              await db.close()
            }
            return { failed, wrong }
          }
          return window.coffer.appWorker('./handled-sync.js')(`(coffer) => (${work})(coffer, '${backend}')`)
        }, backend)
        t.diagnostic(`${engine} ${backend}: ${seen.failed.length} steps failed: ${[...new Set(seen.failed)].join(', ')}`)
        assert.deepEqual(seen.wrong, [])
        assert.ok(seen.failed.filter((what) => !what.endsWith('opened')).length > 16, `only ${seen.failed.length} steps`)
        await visit(page)
      })
    }

    for (const name of ['NoModificationAllowedError', 'InvalidStateError']) {
      await t.test(`a handle that another has (${name}) is asked for again for 3 s at the least`, async () => {
        const seen = await page.evaluate(async (busy) => {
          const { open, outcome } = window.coffer
          const db = await open('busy', { backend: 'opfs' })
          await db.exec('create table if not exists t(x)')
          await db.close()
          const start = performance.now()
          const waited = await open('busy', { backend: 'opfs', worker: window.watched({ busy, ms: 2500 }) })
          const took = performance.now() - start
          await waited.close()
          const began = performance.now()
          const refused = await outcome(open('busy', { backend: 'opfs', worker: window.watched({ busy, ms: 20_000 }) }))
          return { took, refused, after: performance.now() - began }
        }, name)
        assert.ok(seen.took >= 2000, `${seen.took} ms`)
        assert.equal(seen.refused, 'locked_elsewhere')
        assert.ok(seen.after >= 3000, `${seen.after} ms`)
      })
    }

    await t.test('a root that cannot be read in passing is read again, and none that cannot be read is taken for one that is not there', async () => {
      const seen = await page.evaluate(async () => {
        const { inspect } = await import('/dist/index.js')
        const { open, pause } = window.coffer
        const key = { kind: 'wrapped', wrap: (bytes) => bytes.map((byte) => byte ^ 0x5a), unwrap: (bytes) => bytes.map((byte) => byte ^ 0x5a) }
        const options = { backend: 'opfs', key }
        const db = await open('unread', options)
        await db.exec('create table t(x); insert into t values (1)')
        await db.close()
        /** The first worker, which looks for the wrapped key, is hindered; the one that opens is not. */
        const hindered = (order) => {
          let made = 0
          return () => new Worker(`/tests/browser/pages/handles.js?order=${encodeURIComponent(JSON.stringify(made++ === 0 ? order : {}))}`)
        }
        const tried = async (order, backend = 'opfs') => {
          const start = performance.now()
          const opened = await open('unread', { ...options, backend, worker: hindered(order) }).then(async (db) => {
            const rows = await db.query('select x from t')
            await db.close()
            return rows
          }, ({ code, message }) => `${code}: ${message}`)
          const took = performance.now() - start
          const looked = await inspect('unread', { worker: hindered(order) }).then(({ backend, slots }) => [backend, slots.length], ({ code, message }) => `${code}: ${message}`)
          await pause(0)
          return { opened, looked, took }
        }
        const seen = {}
        for (const busy of ['NotReadableError', 'NoModificationAllowedError', 'InvalidStateError']) seen[busy] = await tried({ busy, ms: 1500, call: 'getFile' })
        seen.long = await tried({ busy: 'NotReadableError', ms: 30_000, call: 'getFile' })
        for (const backend of ['opfs', 'auto']) seen[`other ${backend}`] = await tried({ busy: 'UnknownError', ms: 1500, call: 'getFile' }, backend)
        return seen
      })
      for (const busy of ['NotReadableError', 'NoModificationAllowedError', 'InvalidStateError']) {
        const { opened, looked, took } = seen[busy]
        assert.deepEqual([opened, looked], [[{ x: 1 }], ['opfs', 1]], busy)
        assert.ok(took > 1000, `${busy}: ${took} ms`)
      }
      for (const told of [seen.long.opened, seen.long.looked]) assert.match(told, /^locked_elsewhere: unread is in use/)
      assert.ok(seen.long.took > 3000, `${seen.long.took} ms`)
      for (const { opened, looked } of [seen['other opfs'], seen['other auto']]) for (const told of [opened, looked]) assert.match(told, /UnknownError: held by another/)
    })

    await t.test('opening reads the indexes and not the data, and a cold read is a call or two', async () => {
      const seen = await page.evaluate(async () => {
        const { key, open, pause } = window.coffer
        const options = { backend: 'opfs', key: key(3) }
        const db = await open('cold', { ...options, worker: window.watched() })
        await db.exec('create table t(id integer primary key, body text); pragma wal_autocheckpoint = 200')
        for (let part = 0; part < 10; part += 1) await db.exec('with recursive n(i) as (select 1 union all select i + 1 from n where i < 1500) insert into t(body) select hex(randomblob(400)) from n')
        for (let wait = 0; wait < 400 && (await db.get('select wal_frames as n from storage_info')).n > 0; wait += 1) {
          if (wait === 20) await db.exec('pragma wal_autocheckpoint_ms = 50')
          await pause(25)
        }
        const { stored_bytes: stored } = await db.get('select stored_bytes from storage_info')
        await db.close()
        const again = await open('cold', { ...options, cacheBytes: 1 << 20, worker: window.watched() })
        const opening = await window.countHandles()
        await again.get('select count(*) as n from sqlite_master')
        await window.countHandles()
        await again.get('select body from t where id = 7000')
        const point = await window.countHandles()
        await again.get('select body from t where id = 7000')
        const warm = await window.countHandles()
        await again.get('select sum(length(body)) from t')
        const scan = await window.countHandles()
        const { page_count: pages } = await again.get('select page_count from storage_info')
        await again.close()
        return { stored, opening, point, warm, scan, pages }
      })
      t.diagnostic(`${engine}: opening ${seen.stored} bytes: ${seen.opening.reads} reads of ${seen.opening.bytes} bytes, ${seen.opening.writes} writes; a cold point read ${seen.point.reads}, a warm one ${seen.warm.reads}, a scan of ${seen.pages} pages ${seen.scan.reads} reads of ${seen.scan.bytes} bytes`)
      assert.ok(seen.opening.bytes < seen.stored / 20, `${seen.opening.bytes} of ${seen.stored} bytes`)
      // Root page, inner page, leaf: at most one each.
      assert.ok(seen.point.reads >= 1 && seen.point.reads <= 3, `${seen.point.reads} reads`)
      assert.equal(seen.warm.reads, 0)
      assert.ok(seen.scan.reads < seen.pages / 4, `${seen.scan.reads} reads of ${seen.pages} pages`)
    })

    await t.test('no page error was left over', () => assert.deepEqual(complaints, []))
  })
}

test('chromium: a private window', { skip: !engines.includes('chromium'), timeout: 60_000 }, async (t) => {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, headless: true, args: chromiumArguments })
  t.after(() => browser.close())
  const page = await (await browser.newContext()).newPage()
  await page.goto(`${site.address}tests/browser/pages/storage.html`)
  await page.waitForFunction(() => window.coffer !== undefined)
  const seen = await page.evaluate(async () => {
    const { key, open } = window.coffer
    const options = { key: key(4) }
    const db = await open('private', options)
    await db.exec('create table t(id integer primary key, body text)')
    for (let row = 0; row < 20; row += 1) await db.run('insert into t(body) values (?)', [`row ${row}`])
    await db.close()
    const again = await open('private', options)
    const { n } = await again.get('select count(*) as n from t')
    const { backend } = await again.get('select backend from storage_info')
    await again.close()
    return { n, backend }
  })
  assert.equal(seen.n, 20)
  assert.notEqual(seen.backend, 'memory')
  t.diagnostic(`a private window keeps it in ${seen.backend} for as long as it is open`)
})
