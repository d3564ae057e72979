// What a database gets that asks for nothing: a dictionary, once enough is in it, if it is written to and there is room; and what turns it off.

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
      // Words that a page holds about once each, and every page holds.
      const word = "(select w from word where id = abs(random()) % 1000)"
      const orders = (rows) => `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${rows})
        insert into t(body) select '{"order":' || i || ',"words":["' || ${Array(8).fill(word).join(` || '","' || `)} || '"],"state":"delivered"}' from n`
      window.tried = {
        opened: async (name, options = {}) => {
          const errors = []
          const db = await open(name, { worker: mortals().worker, ...options })
          db.on('error', (error) => errors.push(String(error)))
          return { db, errors }
        },
        /** Makes a database of about so many rows of 150 bytes, and folds it. */
        filled: async (name, rows, options) => {
          const { db, errors } = await window.tried.opened(name, options)
          await db.exec(`create table t(id integer primary key, body text); create table word(id integer primary key, w text);
            with recursive n(i) as (select 0 union all select i + 1 from n where i < 999) insert into word select i, hex(randomblob(5)) from n`)
          await db.exec(orders(rows))
          await db.checkpoint('full')
          return { db, errors }
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
        next,
      }
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
          const kept = (await info(again.db)).dictionary_bytes
          await again.db.close()
          const files = await filesOf(backend, name)
          return { plain, then, bytes, kept, check, n, before, learnt: times('learnt'), errors: [...errors, ...again.errors], files: Object.keys(files) }
        }, backend)
        t.diagnostic(`${engine} ${backend}: ${seen.plain} bytes before, ${seen.then} with a dictionary of ${seen.bytes}`)
        assert.ok(seen.bytes > 1000 && seen.kept === seen.bytes, `${seen.bytes} bytes, ${seen.kept} after opening again`)
        assert.ok(seen.then < seen.plain * 0.9, `${seen.then} of ${seen.plain} bytes`)
        assert.deepEqual([seen.check, seen.n, seen.before.n, seen.learnt, seen.errors], ['ok', 60_000, 60_000, 1, []])
      })
    }

    const [backend] = placesOf(engine)

    await t.test('one that is only read gets none, until it is written to', async () => {
      const seen = await page.evaluate(async (backend) => {
        const { heard, info, pause } = window.coffer
        const { filled, learnt, opened, times } = window.tried
        const first = await filled('read', 60_000, { backend, compression: { codec: 'zstd', dictionary: 'none' } })
        const { stored_bytes: plain } = await info(first.db)
        await first.db.close()
        heard.length = 0
        const { db, errors } = await opened('read', { backend })
        // Longer than it takes to be sure that an app's first seconds are over.
        for (const begun = performance.now(); performance.now() - begun < 5000; await pause(100)) await db.get('select body from t where id = ?', [1 + Math.floor(Math.random() * 60_000)])
        const read = { tries: times('estimated') + times('learnt'), bytes: (await info(db)).dictionary_bytes, stored: (await info(db)).stored_bytes }
        await db.run("insert into t(body) values ('one row')")
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
        const { filled, opened, times } = window.tried
        heard.length = 0
        const off = await filled('off', 60_000, { backend, compression: { codec: 'zstd', dictionary: 'none' } })
        const small = await filled('small', 10_000, { backend })
        const random = await opened('random', { backend })
        await random.db.exec('create table t(id integer primary key, body text)')
        const tried = next('learnt', 60_000)
        await fill(random.db, 6)
        const { bytes } = await tried
        const bytesOf = []
        for (const { db, errors } of [off, small, random]) {
          bytesOf.push((await info(db)).dictionary_bytes, ...errors)
          await db.close()
        }
        return { bytes, bytesOf, learnt: times('learnt'), estimated: times('estimated') }
      }, backend)
      // The last is tried, and seen to be of no use; by then the seconds of the two before it are over.
      assert.deepEqual(seen, { bytes: 0, bytesOf: [0, 0, 0], learnt: 1, estimated: 1 })
    })

    await t.test('a checkpoint worker that cannot be had leaves everything as it was', async () => {
      const seen = await page.evaluate(async (backend) => {
        const { info, mortals, pause } = window.coffer
        const { filled } = window.tried
        const { db, errors } = await filled('alone', 60_000, { backend, worker: mortals({ alone: true }).worker })
        const { stored_bytes: plain } = await info(db)
        await pause(4000)
        const { stored_bytes: stored, dictionary_bytes: bytes } = await info(db)
        await db.run("insert into t(body) values ('one row')")
        const { n } = await db.get('select count(*) as n from t')
        await db.close()
        return { same: stored === plain, bytes, n, errors }
      }, backend)
      assert.deepEqual(seen, { same: true, bytes: 0, n: 60_001, errors: [] })
    })

    await t.test('the native command reads what was stored with it', async () => {
      const files = await page.evaluate(async (backend) => {
        const { info, open } = window.coffer
        const { filled, learnt } = window.tried
        const { db } = await filled('native', 60_000, { backend })
        const { stored_bytes: plain } = await info(db)
        await learnt(db, plain)
        await db.close()
        const again = await open('native', { backend, readonly: true })
        const { dictionary_bytes: bytes } = await info(again)
        await again.close()
        if (bytes === 0) return undefined
        const folder = await (await (await navigator.storage.getDirectory()).getDirectoryHandle('coffer')).getDirectoryHandle('native')
        const found = {}
        for await (const [file, handle] of folder.entries()) found[file] = (await (await handle.getFile()).bytes()).toBase64?.() ?? btoa(Array.from(new Uint8Array(await (await handle.getFile()).arrayBuffer()), (byte) => String.fromCharCode(byte)).join(''))
        return found
      }, backend)
      assert.ok(files !== undefined, 'there is no dictionary')
      mkdirSync(path.join(work, engine))
      for (const [file, text] of Object.entries(files)) writeFileSync(path.join(work, engine, file), text, 'base64')
      const asked = spawnSync(program(), ['query', engine, "select count(*) as n, sum(body like '%delivered%') as delivered from t", '--format', 'json'], { encoding: 'utf8', cwd: work })
      assert.deepEqual([asked.status, asked.stderr, JSON.parse(asked.stdout)], [0, '', [{ n: 60_000, delivered: 60_000 }]])
      const info = spawnSync(program(), ['info', engine, '--json'], { encoding: 'utf8', cwd: work })
      assert.match(info.stdout, /"dictionary_bytes": ?[1-9]/)
    })

    // Chromium says that there are 10 GB, whatever a test lets an origin have, so here the worker is told another number.
    await t.test('one whose space is short gets none, and with room again it does', async () => {
      const seen = await page.evaluate(async (backend) => {
        const { heard, info, next } = window.coffer
        const { filled, learnt, opened, times } = window.tried
        heard.length = 0
        const asked = next('estimated')
        const { db, errors } = await filled('tight', 60_000, { backend, worker: () => new Worker('/tests/browser/pages/watched.js?room=10000000') })
        const { stored_bytes: plain } = await info(db)
        await asked
        // Asked again, since something was written, it still is short.
        const again = next('estimated')
        await db.run("insert into t(body) values ('one row')")
        await again
        const short = { learnt: times('learnt'), bytes: (await info(db)).dictionary_bytes }
        await db.close()
        const later = await opened('tight', { backend })
        await later.db.run("insert into t(body) values ('another row')")
        const { dictionary_bytes: then } = await learnt(later.db, plain)
        await later.db.close()
        return { short, then, errors: [...errors, ...later.errors] }
      }, backend)
      assert.deepEqual(seen.short, { learnt: 0, bytes: 0 })
      assert.ok(seen.then > 1000)
      assert.deepEqual(seen.errors, [])
    })

    await t.test('no page error was left over', () => assert.deepEqual(complaints, []))
  })
}
