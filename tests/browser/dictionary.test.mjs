// What a database gets that asks for nothing: a dictionary, once enough is in it, if it is written to, gains by it and there is room; what turns
// that off, what interrupts it, and what becomes of it then.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { after, before, test } from 'node:test'
import { root, targetDirectory } from '../../scripts/rust.mjs'
import { engines, launch, placesOf, served } from './launch.mjs'

const site = served()
let work
before(() => {
  const built = spawnSync('cargo', ['build', '--quiet', '--package', 'coffer'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  assert.equal(built.status, 0, 'the native command could not be built')
  work = mkdtempSync(path.join(os.tmpdir(), 'coffer-dictionary-'))
})
after(() => rmSync(work, { recursive: true, force: true }))

const program = () => path.join(targetDirectory(), 'debug', 'coffer')

for (const engine of engines) {
  test(`${engine}: a dictionary nobody asked for`, { timeout: 600_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/checkpoint.html`)
    await page.waitForFunction(() => window.coffer !== undefined)

    /** Defines in the page what the tests share. */
    await page.evaluate(() => {
      const { heard, info, mortals, next, open, pause } = window.coffer
      // Words that a page holds about once each, and every page holds; drawn anew for each row.
      const word = '(select w from word where id = abs(random() + i % 2) % 1000)'
      const orders = (rows) => `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows})
        insert into t(body) select '{"order":' || i || ',"words":["' || ${Array(8).fill(word).join(` || '","' || `)} || '"],"state":"delivered"}' from n`
      const tried = {
        opened: async (name, { how = '', alone, ...options } = {}) => {
          const errors = []
          const { made, kill, worker } = mortals({ script: () => `/tests/browser/pages/watched.js${how}`, alone })
          const db = await open(name, { worker, ...options })
          db.on('error', (error) => errors.push(`${error.code} ${error.message}`))
          return { db, errors, kill, made }
        },
        /** Makes a database of so many segments of about so many rows of 150 bytes. */
        filled: async (name, rows, { parts = 1, ...options } = {}) => {
          const opened = await tried.opened(name, options)
          await opened.db.exec(`create table t(id integer primary key, body text); create table word(id integer primary key, w text);
            with recursive n(i) as (select 0 union all select i + 1 from n where i < 999) insert into word select i, hex(randomblob(5)) from n`)
          for (let part = 0; part < parts; part += 1) {
            await opened.db.exec(orders(rows / parts))
            await opened.db.checkpoint('full')
          }
          return opened
        },
        /** Waits until all is stored anew with a dictionary, and gives the figures of it. */
        learnt: async (db, plain) => {
          for (let wait = 0; wait < 600; wait += 1) {
            const figures = await info(db)
            if (figures.dictionary_bytes > 0 && figures.stored_bytes < plain * 0.9) return figures
            await pause(50)
          }
          return info(db)
        },
        times: (at) => heard.filter((data) => data.at === at).length,
        off: { compression: { codec: 'zstd', dictionary: 'none' } },
        row: (db) => db.run("insert into t(body) values ('one row')"),
        next,
      }
      window.tried = tried
    })

    for (const backend of placesOf(engine)) {
      await t.test(`${backend}: one that grows past the threshold gets it, and rows stay what they were`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { filesOf, heard, info } = window.coffer
          const { filled, learnt, opened, times } = window.tried
          heard.length = 0
          const name = `grown-${backend}`
          const { db, errors } = await filled(name, 60_000, { backend })
          const { stored_bytes: plain } = await info(db)
          const { stored_bytes: then, dictionary_bytes: bytes } = await learnt(db, plain)
          const sum = () => db.get('select count(*) as n, sum(length(body)) as bytes, sum(id) as ids from t')
          const before = await sum()
          await db.close()
          const again = await opened(name, { backend })
          const check = Object.values(await again.db.get('pragma integrity_check'))[0]
          const { n } = await again.db.get('select count(*) as n from t')
          const { dictionary_bytes: kept, segments } = await info(again.db)
          await again.db.close()
          const files = await filesOf(backend, name)
          const left = Object.keys(files).filter((file) => file.startsWith('seg-')).length
          return { plain, then, bytes, kept, check, n, before, learning: times('learning'), errors: [...errors, ...again.errors], left: left - segments }
        }, backend)
        t.diagnostic(`${engine} ${backend}: ${seen.plain} bytes before, ${seen.then} with a dictionary of ${seen.bytes}`)
        assert.ok(seen.bytes > 1000 && seen.kept === seen.bytes, `${seen.bytes} bytes, ${seen.kept} after opening again`)
        assert.ok(seen.then < seen.plain * 0.9, `${seen.then} of ${seen.plain} bytes`)
        assert.deepEqual([seen.check, seen.n, seen.before.n, seen.learning, seen.errors, seen.left], ['ok', 60_000, 60_000, 1, [], 0])
      })

      await t.test(`${backend}: interrupted wherever it was, it is taken up by the next opening`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { filesOf, heard, info, next } = window.coffer
          const { filled, learnt, opened, row, times } = window.tried
          const name = `interrupted-${backend}`
          const options = { backend }
          let session = await filled(name, 100_000, { ...options, parts: 4, compression: { codec: 'zstd', dictionary: 'none' } })
          const { stored_bytes: plain, segments } = await info(session.db)
          await session.db.close()
          heard.length = 0
          // Killed while it is learnt, and then while each of the first segments is stored anew.
          session = await opened(name, options)
          const learning = next('learning')
          await row(session.db)
          await learning
          session.kill()
          const interrupted = []
          for (let round = 0; round < 2; round += 1) {
            session = await opened(name, options)
            const at = next('work', 60_000)
            // What was stored by a worker that was killed may not be there yet (IndexedDB), and then all of it is begun again.
            await row(session.db)
            interrupted.push((await at)?.at)
            session.kill()
          }
          // Closed in the middle of the next; and then nothing is written to it.
          session = await opened(name, options)
          const last = next('work', 60_000)
          await row(session.db)
          interrupted.push((await last)?.at)
          await session.db.close()
          const tries = times('learning')
          heard.length = 0
          session = await opened(name, options)
          const { stored_bytes: then } = await learnt(session.db, plain)
          const check = Object.values(await session.db.get('pragma integrity_check'))[0]
          const { n } = await session.db.get('select count(*) as n from t')
          await session.db.close()
          const again = await opened(name, { ...options, readonly: true })
          const { segments: now } = await info(again.db)
          await again.db.close()
          const left = Object.keys(await filesOf(backend, name)).filter((file) => file.startsWith('seg-')).length
          return { plain, then, segments, interrupted, tries, taken: times('learning'), errors: session.errors, check, n, left: left - now }
        }, backend)
        assert.ok(seen.segments >= 4, `${seen.segments} segments`)
        assert.deepEqual(seen.interrupted, ['work', 'work', 'work'])
        // A killed learning is begun again, a finished one is not.
        assert.ok(seen.tries >= 2)
        assert.equal(seen.taken, 0)
        assert.ok(seen.then < seen.plain * 0.9, `${seen.then} of ${seen.plain} bytes`)
        assert.deepEqual([seen.check, seen.n, seen.errors, seen.left], ['ok', 100_004, [], 0])
      })

      await t.test(`${backend}: a close does not wait for the training, and leaves nothing half done`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { filesOf, info, next } = window.coffer
          const { filled, opened } = window.tried
          const name = `closed-${backend}`
          const learning = next('learning')
          const { db, errors } = await filled(name, 60_000, { backend, how: '?busy=10000' })
          await learning
          const start = performance.now()
          await db.close()
          const took = performance.now() - start
          const again = await opened(name, { backend, ...window.tried.off })
          const { n } = await again.db.get('select count(*) as n from t')
          const { dictionary_bytes: bytes, segments } = await info(again.db)
          await again.db.close()
          const left = Object.keys(await filesOf(backend, name)).filter((file) => file.startsWith('seg-')).length
          return { took, n, bytes, errors: [...errors, ...again.errors], left: left - segments }
        }, backend)
        t.diagnostic(`${engine} ${backend}: closed in ${seen.took.toFixed(0)} ms, beside ten seconds of training`)
        // For a helper with a file it would wait three seconds.
        assert.ok(seen.took < 2500, `${seen.took} ms`)
        assert.deepEqual([seen.n, seen.bytes, seen.errors, seen.left], [60_000, 0, [], 0])
      })
    }

    const [backend] = placesOf(engine)

    await t.test('a trap in it is told once, costs the helper and nothing else, and is not tried again', async () => {
      const seen = await page.evaluate(async (backend) => {
        const { heard, info, next, pause } = window.coffer
        const { filled, row, times } = window.tried
        heard.length = 0
        const learning = next('learning')
        const { db, errors, made } = await filled('trapped', 60_000, { backend, how: '?trap' })
        await learning
        for (let wait = 0; wait < 200 && errors.length === 0; wait += 1) await pause(50)
        const workers = made.length
        // Longer than it takes to be tried again, with something written to it.
        for (const begun = performance.now(); performance.now() - begun < 5000; await pause(100)) await row(db)
        // Another helper does what comes next.
        const done = next('done')
        await db.exec("update t set body = body || 'x'")
        await db.checkpoint('full')
        const folded = (await done) !== undefined
        const { dictionary_bytes: bytes, dead_bytes: dead } = await info(db)
        const check = Object.values(await db.get('pragma integrity_check'))[0]
        await db.close()
        return { errors, learning: times('learning'), workers, more: made.length - workers, folded, bytes, check, dead }
      }, backend)
      assert.equal(seen.errors.length, 1, JSON.stringify(seen.errors))
      assert.match(seen.errors[0], /^io .*unreachable/)
      assert.deepEqual([seen.learning, seen.workers, seen.more, seen.folded, seen.bytes, seen.check], [1, 2, 1, true, 0, 'ok'])
    })

    await t.test('a trap in it is told, however late the news of it comes', async () => {
      const seen = await page.evaluate(async (backend) => {
        const { heard, next, pause } = window.coffer
        const { filled, row, times } = window.tried
        heard.length = 0
        const late = next('late')
        const { db, errors } = await filled('late', 60_000, { backend, how: '?trap&late' })
        const came = (await late) !== undefined
        for (let wait = 0; wait < 200 && errors.length === 0; wait += 1) await pause(50)
        // It has a lock for as long as it lives.
        const lives = async () => (await navigator.locks.query()).held.some(({ name }) => /^coffer\/helper\/[^/]+$/.test(name))
        for (let wait = 0; wait < 200 && (await lives()); wait += 1) await pause(50)
        const left = await lives()
        await row(db)
        const check = Object.values(await db.get('pragma integrity_check'))[0]
        await db.close()
        return { came, errors, left, learning: times('learning'), check }
      }, backend)
      assert.ok(seen.came, 'nothing was held back')
      assert.equal(seen.errors.length, 1, JSON.stringify(seen.errors))
      assert.match(seen.errors[0], /^io .*unreachable/)
      assert.deepEqual([seen.left, seen.learning, seen.check], [false, 1, 'ok'])
    })

    await t.test('commits and checkpoints go between its jobs', async () => {
      const seen = await page.evaluate(async (backend) => {
        const { heard, info, next } = window.coffer
        const { filled, opened, row } = window.tried
        const first = await filled('between', 100_000, { backend, parts: 4, ...window.tried.off })
        await first.db.close()
        const { db, errors } = await opened('between', { backend })
        await row(db)
        await next('learning')
        await next('work', 60_000)
        heard.length = 0
        // What was asked for comes before the segments that are still to be stored anew.
        await row(db)
        const { last_commit_id: commit } = await info(db)
        await db.checkpoint('full')
        const { last_checkpoint: folded } = await info(db)
        const before = heard.filter(({ at }) => at === 'work').length
        for (let seen = before; seen < 3; seen += 1) await next('work', 60_000)
        await db.close()
        return { folded: folded >= commit, before, errors }
      }, backend)
      assert.ok(seen.folded)
      assert.ok(seen.before <= 1, `${seen.before} of the three others came first`)
      assert.deepEqual(seen.errors, [])
    })

    await t.test('one that is only read gets none, until it is written to', async () => {
      const seen = await page.evaluate(async (backend) => {
        const { heard, info, pause } = window.coffer
        const { filled, learnt, opened, times, row, off } = window.tried
        const first = await filled('read', 60_000, { backend, ...off })
        const { stored_bytes: plain } = await info(first.db)
        await first.db.close()
        heard.length = 0
        const { db, errors } = await opened('read', { backend })
        // Longer than it takes to be sure that an app's first seconds are over.
        for (const begun = performance.now(); performance.now() - begun < 5000; await pause(100)) await db.get('select body from t where id = ?', [1 + Math.floor(Math.random() * 60_000)])
        const read = { tries: times('estimated') + times('learning'), bytes: (await info(db)).dictionary_bytes, stored: (await info(db)).stored_bytes }
        await row(db)
        const { dictionary_bytes: then } = await learnt(db, plain)
        await db.close()
        return { plain, read, then, errors }
      }, backend)
      assert.deepEqual(seen.read, { tries: 0, bytes: 0, stored: seen.plain })
      assert.ok(seen.then > 1000)
      assert.deepEqual(seen.errors, [])
    })

    await t.test("one that is small, of what cannot be made smaller, or opened with dictionary: 'none' gets none", async () => {
      const seen = await page.evaluate(async (backend) => {
        const { heard, fill, info, next } = window.coffer
        const { filled, opened, row, times, off } = window.tried
        heard.length = 0
        const none = await filled('off', 60_000, { backend, ...off })
        const small = await filled('small', 10_000, { backend })
        const random = await opened('random', { backend })
        await random.db.exec('create table t(id integer primary key, body text)')
        const tried = next('learning', 60_000)
        await fill(random.db, 6)
        await tried
        await next('done')
        const bytesOf = []
        for (const { db, errors } of [none, small, random]) {
          await row(db)
          bytesOf.push((await info(db)).dictionary_bytes, ...errors)
          await db.close()
        }
        return { bytesOf, learning: times('learning'), estimated: times('estimated') }
      }, backend)
      // The last is tried, and seen to be of no use; by then the seconds of the two before it are over.
      assert.deepEqual(seen, { bytesOf: [0, 0, 0], learning: 1, estimated: 1 })
    })

    await t.test('of several tabs the one that leads decides, and uses what there is whatever it was opened with', async () => {
      const seen = await page.evaluate(async (backend) => {
        const { heard, info, pause } = window.coffer
        const { filled, learnt, opened, row, times, off } = window.tried
        heard.length = 0
        const leader = await filled('shared', 60_000, { backend, ...off })
        const { stored_bytes: plain } = await info(leader.db)
        const follower = await opened('shared', { backend })
        // A follower that wants one does not get it from a leader that does not.
        for (const begun = performance.now(); performance.now() - begun < 5000; await pause(100)) await row(follower.db)
        const led = times('learning')
        await leader.db.close()
        // It leads now.
        await row(follower.db)
        const { dictionary_bytes: bytes } = await learnt(follower.db, plain)
        // A leader that wants one learns it for a follower that does not; and who opens with none keeps what there is.
        const last = await opened('shared', { backend, ...off })
        await follower.db.close()
        await last.db.exec("update t set body = body || ' and more'")
        await last.db.checkpoint('full')
        const { dictionary_bytes: kept } = await info(last.db)
        const { n } = await last.db.get("select count(*) as n from t where body like '% and more'")
        const { n: rows } = await last.db.get('select count(*) as n from t')
        await last.db.close()
        return { led, bytes, kept, all: n === rows, errors: [...leader.errors, ...follower.errors, ...last.errors] }
      }, backend)
      assert.equal(seen.led, 0)
      assert.ok(seen.bytes > 1000 && seen.kept === seen.bytes, `${seen.bytes} and ${seen.kept} bytes`)
      assert.deepEqual([seen.all, seen.errors], [true, []])
    })

    await t.test('a checkpoint worker that cannot be had leaves everything as it was', async () => {
      const seen = await page.evaluate(async (backend) => {
        const { heard, info, pause } = window.coffer
        const { filled, row, times } = window.tried
        heard.length = 0
        const { db, errors } = await filled('alone', 60_000, { backend, alone: true })
        const { stored_bytes: plain } = await info(db)
        await pause(4000)
        const { stored_bytes: stored, dictionary_bytes: bytes } = await info(db)
        await row(db)
        const { n } = await db.get('select count(*) as n from t')
        await db.close()
        return { same: stored === plain, bytes, n, errors, learning: times('learning') }
      }, backend)
      assert.deepEqual(seen, { same: true, bytes: 0, n: 60_001, errors: [], learning: 0 })
    })

    await t.test('one whose space is short gets none, and with room again it does', async () => {
      const seen = await page.evaluate(async (backend) => {
        const { heard, info, next, pause } = window.coffer
        const { filled, learnt, opened, row, times } = window.tried
        heard.length = 0
        const asked = next('estimated')
        // Chromium says that there are 10 GB, whatever a test lets an origin have, so here the worker is told another number.
        const { db, errors } = await filled('tight', 60_000, { backend, how: '?room=100000' })
        const { stored_bytes: plain } = await info(db)
        await asked
        // It is not asked for again in this opening.
        for (const begun = performance.now(); performance.now() - begun < 4000; await pause(100)) await row(db)
        const short = { asked: times('estimated'), learning: times('learning'), bytes: (await info(db)).dictionary_bytes }
        await db.close()
        const later = await opened('tight', { backend })
        await row(later.db)
        const { dictionary_bytes: then } = await learnt(later.db, plain)
        await later.db.close()
        return { short, then, errors: [...errors, ...later.errors] }
      }, backend)
      assert.deepEqual(seen.short, { asked: 1, learning: 0, bytes: 0 })
      assert.ok(seen.then > 1000)
      assert.deepEqual(seen.errors, [])
    })

    await t.test('the native command reads what was stored with it', async () => {
      const files = await page.evaluate(async (backend) => {
        const { info, open, textsOf } = window.coffer
        const { filled, learnt } = window.tried
        const { db } = await filled('native', 60_000, { backend })
        const { stored_bytes: plain } = await info(db)
        await learnt(db, plain)
        await db.close()
        const again = await open('native', { backend, readonly: true })
        const { dictionary_bytes: bytes } = await info(again)
        await again.close()
        return bytes === 0 ? undefined : textsOf(backend, 'native')
      }, backend)
      assert.ok(files !== undefined, 'there is no dictionary')
      mkdirSync(path.join(work, engine))
      for (const [file, text] of Object.entries(files)) writeFileSync(path.join(work, engine, file), text, 'base64')
      const asked = spawnSync(program(), ['query', engine, "select count(*) as n, sum(body like '%delivered%') as delivered from t", '--format', 'json'], { encoding: 'utf8', cwd: work })
      assert.deepEqual([asked.status, asked.stderr, JSON.parse(asked.stdout)], [0, '', [{ n: 60_000, delivered: 60_000 }]])
      const info = spawnSync(program(), ['info', engine, '--json'], { encoding: 'utf8', cwd: work })
      assert.match(info.stdout, /"dictionary_bytes": ?[1-9]/)
    })

    await t.test('no page error was left over', () => assert.deepEqual(complaints, []))
  })
}
