// Upkeep in a worker of its own: commits go on beside it, and whichever worker is killed at whatever moment, nothing is lost or left behind.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, launch, placesOf, served } from './launch.mjs'

const site = served()

/** How many times a worker is killed. In the test runs of every day fewer than proves much: COFFER_KILLS=50 is the proof. */
const kills = Number(process.env.COFFER_KILLS ?? 8)

for (const engine of engines) {
  test(`${engine}: upkeep beside commits`, { timeout: 900_000 + kills * 60_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    const visit = async () => {
      await page.goto(`${site.address}tests/browser/pages/checkpoint.html`)
      await page.waitForFunction(() => window.coffer !== undefined)
    }
    await visit()

    for (const backend of placesOf(engine)) {
      await t.test(`${backend}: commits go on while a large log is folded`, async () => {
        const measure = (alone) =>
          page.evaluate(
            async ({ backend, alone }) => {
              const { fill, heard, info, key, mortals, open } = window.coffer
              const { made, worker } = mortals({ alone })
              const db = await open(`pauses-${backend}-${alone}`, { backend, key, worker })
              const errors = []
              db.on('error', (error) => errors.push(String(error)))
              await db.exec('create table t(id integer primary key, body text); create table small(id integer primary key, body text); pragma wal_autocheckpoint = 0; pragma wal_autocheckpoint_ms = 0')
              for (let part = 0; part < 8; part += 1) await fill(db, 4)
              heard.length = 0
              const quiet = []
              const commit = async (pauses, body = "'a small commit'") => {
                const start = performance.now()
                await db.run(`insert into small(body) values (${body})`)
                pauses.push(performance.now() - start)
              }
              for (let count = 0; count < 50; count += 1) await commit(quiet)
              const before = (await info(db)).last_checkpoint
              await db.exec('pragma wal_autocheckpoint = 1000')
              const busy = []
              const start = performance.now()
              do {
                for (let count = 0; count < 20; count += 1) await commit(busy)
              } while ((await info(db)).last_checkpoint === before && performance.now() - start < 120_000)
              const took = performance.now() - start
              const { n } = await db.get('select count(*) as n from small')
              const rows = (await db.get('select count(*) as n from t')).n
              const { last_checkpoint: folded } = await info(db)
              // What the browser itself takes now and then to store as much as a checkpoint does: in Firefox, to fold the log of its own SQLite.
              await db.exec('pragma wal_autocheckpoint = 0')
              const large = []
              if (!alone) for (let count = 0; count < 100; count += 1) await commit(large, 'randomblob(250000)')
              await db.close()
              const longest = (pauses) => Math.max(...pauses)
              return { workers: made.length, done: heard.filter(({ at }) => at === 'done').length, n, rows, errors, folded: folded > before, commits: busy.length, took, quiet: longest(quiet), longest: longest(busy), large: longest(large) }
            },
            { backend, alone },
          )
        const beside = await measure(false)
        const within = await measure(true)
        for (const seen of [beside, within]) {
          assert.deepEqual(seen.errors, [])
          assert.ok(seen.folded, 'the log was not folded')
          assert.equal(seen.n, 50 + seen.commits)
          assert.equal(seen.rows, 32_000)
        }
        assert.equal(beside.workers, 2)
        assert.ok(beside.done >= 1, 'the checkpoint worker did nothing')
        assert.equal(within.workers, 1)
        const line = ({ commits, took, longest, quiet }) => `${commits} commits in ${took.toFixed(0)} ms, longest pause ${longest.toFixed(1)} ms (${quiet.toFixed(1)} ms before)`
        t.diagnostic(`${engine} ${backend}, folding 33 MB beside commits: ${line(beside)}; in the database worker: ${line(within)}`)
        const share = beside.longest / beside.took
        t.diagnostic(`${engine} ${backend}: the longest pause beside is ${(beside.longest / within.longest).toFixed(2)} of the one within, ${(beside.longest / beside.quiet).toFixed(1)} times the longest without a checkpoint, ${(beside.longest / beside.large).toFixed(1)} times that of 100 commits of a quarter of a MB without one (${beside.large.toFixed(1)} ms), and ${(share * 100).toFixed(1)} % of the checkpoint's time; commits a second ${((beside.commits / beside.took) / (within.commits / within.took)).toFixed(2)} times as many`)
        // A ratio within one run, since how busy the machine is changes both.
        assert.ok(share < 1 / 3, `a commit waited for ${(share * 100).toFixed(0)} % of the checkpoint`)
        assert.ok(beside.commits > 20, `only ${beside.commits} commits while the log was folded`)
      })

      await t.test(`${backend}: the checkpoint worker killed in the middle of its jobs loses nothing and leaves nothing`, async () => {
        const seen = await page.evaluate(
          async ({ backend, kills }) => {
            const { fill, filesOf, info, key, mortals, next, open, pause } = window.coffer
            const name = `helper-killed-${backend}`
            const { made, worker } = mortals()
            const options = { backend, key, worker, codec: 'lz4', pageSize: 1024 }
            const db = await open(name, options)
            const errors = []
            db.on('error', (error) => errors.push(String(error)))
            await db.exec('create table t(id integer primary key, body text); pragma wal_autocheckpoint = 300')
            let rows = 0
            let hit = 0
            for (let round = 0; round < kills; round += 1) {
              const working = next('work')
              let finished = false
              const before = next('done', 5000).then((done) => (finished = done !== undefined))
              await fill(db, 1)
              rows += 1000
              if ((await working) === undefined) continue
              await pause(Math.random() * (backend === 'opfs' ? 8 : 2))
              // Another takes it up and brings it to its end, unless it was done already.
              const again = next('work', 5000)
              const brought = next('done', 2000)
              made.at(-1).terminate()
              await db.run("insert into t(body) values ('between')")
              rows += 1
              if (!finished && (await again) !== undefined) hit += 1
              await before
              // Three that are lost without a job done in between would be the last.
              await brought
            }
            const { n } = await db.get('select count(*) as n from t')
            const check = Object.values(await db.get('pragma integrity_check'))[0]
            await db.close()
            const again = await open(name, options)
            const kept = (await again.get('select count(*) as n from t')).n
            await again.close()
            const files = await filesOf(backend, name)
            // Whoever only reads does no upkeep, which could change the number meanwhile.
            const reader = await open(name, { ...options, readonly: true })
            const { segments } = await info(reader)
            await reader.close()
            const left = Object.keys(files).filter((file) => file.startsWith('seg-'))
            return { n, rows, kept, check, errors, hit, workers: made.length, segments, left: left.length, empty: Object.entries(files).filter(([, size]) => size === 0) }
          },
          { backend, kills },
        )
        t.diagnostic(`${engine} ${backend}: ${seen.hit} checkpoint workers killed in the middle of a job, ${seen.workers} workers in all`)
        assert.deepEqual(seen.errors, [])
        assert.equal(seen.n, seen.rows)
        assert.equal(seen.kept, seen.rows)
        assert.equal(seen.check, 'ok')
        assert.ok(seen.hit >= kills / 2, `only ${seen.hit} of ${kills} were killed at work`)
        assert.equal(seen.left, seen.segments, 'a segment file is there that is none of the database')
        assert.deepEqual(seen.empty, [])
      })

      await t.test(`${backend}: another takes the place of a checkpoint worker killed before it was ready, at once`, async () => {
        const seen = await page.evaluate(
          async (backend) => {
            const { fill, mortals, next, open } = window.coffer
            const script = (index) => `/tests/browser/pages/watched.js${index === 1 ? '?unready' : ''}`
            const { made, worker } = mortals({ script })
            const db = await open(`unready-${backend}`, { backend, worker, codec: 'lz4', pageSize: 1024 })
            const errors = []
            db.on('error', (error) => errors.push(String(error)))
            await db.exec('create table t(id integer primary key, body text); pragma wal_autocheckpoint = 300')
            const begin = next('begin')
            // Half of the time after which one that says nothing is given up.
            const working = begin.then(() => next('work', 10_000))
            await fill(db, 1)
            const began = (await begin) !== undefined
            made[1]?.terminate()
            const worked = (await working) !== undefined
            const { n } = await db.get('select count(*) as n from t')
            await db.close()
            return { began, worked, workers: made.length, n, errors }
          },
          backend,
        )
        assert.deepEqual(seen, { began: true, worked: true, workers: 3, n: 1000, errors: [] })
      })

      await t.test(`${backend}: a checkpoint worker that trapped is called no more, and after three of them upkeep is done without`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { fill, info, key, mortals, open, pause } = window.coffer
          const told = []
          const channel = new BroadcastChannel('trapping')
          channel.onmessage = ({ data }) => told.push(data)
          const seen = {}
          const plans = { 'the first in its first call': [1], 'the first in its third call': [3], 'two in a later one': [8, 6], 'all of them': [5, 4, 3, 2, 1, 1, 1, 1] }
          for (const [plan, calls] of Object.entries(plans)) {
            const script = (index) => (calls[index - 1] === undefined ? '/dist/worker.js' : `/tests/browser/pages/trapping.js?call=${calls[index - 1]}`)
            const { made, worker } = mortals({ script })
            const db = await open(`trapped-${backend}-${plan}`, { backend, key, worker, codec: 'lz4', pageSize: 1024 })
            const errors = []
            db.on('error', (error) => errors.push(String(error)))
            await db.exec('create table t(id integer primary key, body text); pragma wal_autocheckpoint = 300')
            told.length = 0
            await fill(db, 1)
            let frames
            for (let wait = 0; wait < 400; wait += 1) {
              frames = (await info(db)).wal_frames
              if (frames < 300) break
              await pause(25)
            }
            const { n } = await db.get('select count(*) as n from t')
            const check = Object.values(await db.get('pragma integrity_check'))[0]
            await db.close()
            const count = (what) => told.filter((one) => one === what).length
            seen[plan] = { trapped: count('trapped'), again: count('again'), helpers: made.length - 1, folded: frames < 300, n, check, errors }
          }
          channel.close()
          return seen
        }, backend)
        const fine = { again: 0, folded: true, n: 1000, check: 'ok', errors: [] }
        assert.deepEqual(seen, {
          'the first in its first call': { ...fine, trapped: 1, helpers: 2 },
          'the first in its third call': { ...fine, trapped: 1, helpers: 2 },
          'two in a later one': { ...fine, trapped: 2, helpers: 3 },
          'all of them': { ...fine, trapped: 3, helpers: 3 },
        })
      })

      await t.test(`${backend}: the database worker killed in the middle of a checkpoint loses nothing and leaves nothing`, async () => {
        await visit()
        const seen = await page.evaluate(
          async ({ backend, kills }) => {
            const { fill, filesOf, info, key, mortals, next, open, pause } = window.coffer
            const name = `owner-killed-${backend}`
            let rows = 0
            let hit = 0
            const wrong = []
            for (let round = 0; round < kills; round += 1) {
              const { kill, worker } = mortals()
              const db = await open(name, { backend, key, worker, codec: 'lz4', pageSize: 1024 })
              await db.exec('create table if not exists t(id integer primary key, body text); pragma wal_autocheckpoint = 300')
              const { n } = await db.get('select count(*) as n from t')
              if (n < rows || n > rows + 2) wrong.push({ round, n, rows })
              rows = n
              const working = next('work')
              await fill(db, 1)
              rows += 1000
              if ((await working) !== undefined) hit += 1
              // Commits go on until the end.
              const last = db.run("insert into t(body) values ('perhaps')").catch(() => undefined)
              await pause(Math.random() * 8)
              kill()
              await Promise.race([last, pause(0)])
            }
            const db = await open(name, { backend, key, codec: 'lz4', pageSize: 1024 })
            const { n } = await db.get('select count(*) as n from t')
            if (n < rows || n > rows + 2) wrong.push({ n, rows })
            const check = Object.values(await db.get('pragma integrity_check'))[0]
            await db.close()
            const files = await filesOf(backend, name)
            const reader = await open(name, { backend, key, readonly: true })
            const { segments } = await info(reader)
            await reader.close()
            return { wrong, check, hit, segments, left: Object.keys(files).filter((file) => file.startsWith('seg-')).length, empty: Object.entries(files).filter(([, size]) => size === 0) }
          },
          { backend, kills },
        )
        t.diagnostic(`${engine} ${backend}: ${seen.hit} database workers killed while a checkpoint worker was at work`)
        assert.deepEqual(seen.wrong, [])
        assert.equal(seen.check, 'ok')
        assert.ok(seen.hit >= kills / 2, `only ${seen.hit} of ${kills} were killed beside a job`)
        assert.equal(seen.left, seen.segments, 'a segment file is there that is none of the database')
        assert.deepEqual(seen.empty, [])
      })

      await t.test(`${backend}: a large merge takes a bounded memory`, async () => {
        await visit()
        const seen = await page.evaluate(async (backend) => {
          const { fill, heard, info, key, mortals, next, open } = window.coffer
          const { worker } = mortals()
          const db = await open(`large-${backend}`, { backend, key, worker })
          const errors = []
          db.on('error', (error) => errors.push(String(error)))
          await db.exec('create table t(id integer primary key, body text); pragma wal_autocheckpoint_ms = 0; pragma wal_autocheckpoint = 300')
          const heaps = []
          const settled = async () => {
            for (;;) {
              const { wal_frames: frames, dead_bytes: dead, stored_bytes: stored } = await info(db)
              if (frames < 300 && dead <= stored / 2 + (1 << 20)) return
              const done = await next('done', 5000)
              if (done !== undefined) heaps.push(done.heapBytes)
            }
          }
          await fill(db, 3)
          await settled()
          const small = Math.max(...heard.filter(({ at }) => at === 'done').map(({ heapBytes }) => heapBytes))
          for (let part = 0; part < 8; part += 1) await fill(db, 8)
          await settled()
          // All of it anew, and again: the old segments are dead, and a merge of everything is due.
          for (let time = 0; time < 2; time += 1) {
            await db.exec("update t set body = body || 'x'")
            await settled()
          }
          const { stored_bytes: stored, logical_bytes: logical } = await info(db)
          await db.close()
          return { errors, small, large: Math.max(...heard.filter(({ at }) => at === 'done').map(({ heapBytes }) => heapBytes)), stored, logical }
        }, backend)
        const mb = (bytes) => (bytes / 2 ** 20).toFixed(0)
        t.diagnostic(`${engine} ${backend}: ${mb(seen.logical)} MB of pages, ${mb(seen.stored)} MB stored: the checkpoint worker's wasm took ${mb(seen.large)} MB at most, ${mb(seen.small)} MB for 3 MB`)
        assert.deepEqual(seen.errors, [])
        assert.ok(seen.stored > 30 * 2 ** 20, `${mb(seen.stored)} MB are not large`)
        assert.ok(seen.large < 48 * 2 ** 20, `${mb(seen.large)} MB`)
      })

      await t.test(`${backend}: a dictionary is learnt there from what is in the database, which is compressed anew with it`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { heard, info, key, mortals, open, pause } = window.coffer
          heard.length = 0
          const rows = `with recursive n(i) as (select 1 union all select i + 1 from n where i < 60000)
            insert into t(body) select '{"order":' || i || ',"customer":{"name":"customer ' || (i * 7919 % 1000) || '","city":"' || hex(i * 104729 % 977) || '"},"state":"delivered","total":' || (i * 31 % 10007) || '}' from n`
          const sizes = []
          for (const dictionary of ['none', 'auto']) {
            const name = `learnt-${backend}-${dictionary}`
            const options = { backend, key, pageSize: 1024, worker: mortals().worker, compression: { codec: 'zstd', dictionary } }
            const db = await open(name, options)
            await db.exec('create table t(id integer primary key, body text); pragma wal_autocheckpoint = 300')
            await db.exec(rows)
            let figures
            for (let wait = 0; wait < 400; wait += 1) {
              figures = await info(db)
              if (figures.wal_frames < 300 && (dictionary === 'none' || (figures.dictionary_bytes > 0 && figures.stored_bytes < sizes[0].stored * 0.9))) break
              await pause(50)
            }
            if (dictionary === 'none') {
              await db.compact()
              figures = await info(db)
            }
            const before = await db.get('select count(*) as n, sum(length(body)) as bytes from t')
            await db.close()
            const again = await open(name, options)
            const after = await again.get('select count(*) as n, sum(length(body)) as bytes from t')
            const { dictionary_bytes: kept } = await info(again)
            await again.close()
            sizes.push({ stored: figures.stored_bytes, kept, same: JSON.stringify(before) === JSON.stringify(after) })
          }
          return { sizes, learnt: heard.filter(({ at }) => at === 'learning').length }
        }, backend)
        const [plain, learnt] = seen.sizes
        t.diagnostic(`${engine} ${backend}: ${plain.stored} bytes without a dictionary, ${learnt.stored} with one of ${learnt.kept} bytes`)
        assert.equal(seen.learnt, 1)
        assert.equal(plain.kept, 0)
        assert.ok(learnt.kept > 1000)
        assert.ok(plain.same && learnt.same)
        assert.ok(learnt.stored < plain.stored * 0.9, `${learnt.stored} of ${plain.stored} bytes`)
      })
    }

    await t.test('what little is in the log is folded when it has been there for long', async () => {
      const seen = await page.evaluate(async (backend) => {
        const { info, open, pause } = window.coffer
        const db = await open('timed', { backend })
        await db.exec('pragma wal_autocheckpoint_ms = 200; create table t(x)')
        await db.run('insert into t values (1)')
        let figures = await info(db)
        const before = figures.last_checkpoint
        for (let wait = 0; wait < 200 && figures.wal_frames > 0; wait += 1) {
          await pause(50)
          figures = await info(db)
        }
        await db.close()
        return { before, frames: figures.wal_frames, folded: figures.last_checkpoint > before }
      }, placesOf(engine)[0])
      assert.deepEqual(seen, { before: 0, frames: 0, folded: true })
    })

    await t.test('no page error was left over', () => assert.deepEqual(complaints, []))
  })
}
