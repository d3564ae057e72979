// Databases that stay: across reloads, killed workers and second tabs, on each place where a browser keeps files.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, hasSyncHandles, launch, placesOf, served } from './launch.mjs'

const site = served()

async function visit(page) {
  await page.goto(`${site.address}tests/browser/pages/storage.html`)
  await page.waitForFunction(() => window.coffer !== undefined)
}

for (const engine of engines) {
  test(`${engine}: databases that stay`, { timeout: 400_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await visit(page)

    const places = placesOf(engine)
    for (const backend of places) {
      await t.test(`${backend}: what was committed is there after a reload`, async () => {
        for (let visits = 1; visits <= 3; visits += 1) {
          const seen = await page.evaluate(async (backend) => {
            const db = await window.coffer.open(`kept-${backend}`, { backend, key: { kind: 'passphrase', words: 'correct horse' } })
            await db.exec('create table if not exists t(id integer primary key, body text)')
            await db.run("insert into t(body) values ('the strongbox holds a letter')")
            const { n } = await db.get('select count(*) as n from t')
            const { backend: place, cipher } = await db.get('select backend, cipher from storage_info')
            // Not closed: a page that is reloaded closes nothing.
            return { n, place, cipher }
          }, backend)
          assert.deepEqual(seen, { n: visits, place: backend, cipher: 'aes-256-gcm' })
          await visit(page)
        }
      })

      await t.test(`${backend}: a worker killed at any moment loses nothing that was acknowledged`, async () => {
        const rounds = await page.evaluate(async (backend) => {
          const { key, openMortal, pause } = window.coffer
          const name = `killed-${backend}`
          const rounds = []
          let acknowledged = 0
          let sent = 0
          for (let round = 0; round < 50; round += 1) {
            const { db, kill } = await openMortal(name, { backend, key: key(7), codec: 'lz4' })
            await db.exec('create table if not exists t(id integer primary key, body blob)')
            const { n, most } = await db.get('select count(*) as n, coalesce(max(id), 0) as most from t')
            const check = await db.get('pragma integrity_check')
            rounds.push({ acknowledged, n, most, sent, check: Object.values(check)[0] })
            acknowledged = n
            sent = n
            let alive = true
            let heard
            const first = new Promise((resolve) => (heard = resolve))
            const writing = (async () => {
              while (alive) {
                const batch = Array.from({ length: 4 }, () => db.run('insert into t values (?, randomblob(3000))', [++sent]).then(() => heard((acknowledged += 1))))
                await Promise.all(batch)
              }
            })()
            // Half of them may die before they have acknowledged anything, the others not.
            if (round % 2 === 1) await Promise.race([writing, first])
            await Promise.race([writing, pause(5 + (round * 7) % 40)])
            alive = false
            kill()
          }
          return rounds
        }, backend)
        for (const { acknowledged, n, most, sent, check } of rounds) {
          assert.equal(check, 'ok')
          assert.equal(n, most, 'rows were lost in the middle')
          assert.ok(n >= acknowledged && n <= sent, `${acknowledged} acknowledged, ${n} there, ${sent} sent`)
        }
        // The last look comes before the last round.
        assert.ok(rounds.at(-1).n >= 24, `only ${rounds.at(-1).n} commits in all`)
      })

      await t.test(`${backend}: a database that is open elsewhere is shared, and stays open when the other closes`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { open } = window.coffer
          const first = await open(`shared-${backend}`, { backend })
          await first.exec('create table t(x)')
          const second = await open(`shared-${backend}`, { backend })
          const leaders = [first.leader, second.leader]
          await second.run('insert into t values (1)')
          const seen = [(await first.get('select x from t')).x]
          await first.close()
          await second.run('insert into t values (2)')
          seen.push((await second.get('select sum(x) as x from t')).x, second.leader)
          await second.close()
          return [...leaders, ...seen]
        }, backend)
        assert.deepEqual(seen, ['self', 'other', 1, 3, 'self'])
      })

      await t.test(`${backend}: a failed opening says why and holds nothing`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { key, open, outcome } = window.coffer
          const name = `errors-${backend}`
          const opened = async (options) => outcome(open(name, { backend, ...options }).then((db) => db.close()))
          const codes = {
            missing: await opened({ create: 'never' }),
            missingReadonly: await opened({ readonly: true }),
            made: await opened({ create: 'new', key: key(1) }),
            madeTwice: await opened({ create: 'new', key: key(1) }),
            noKey: await opened({}),
            wrongKey: await opened({ key: key(2) }),
            wrongWords: await opened({ key: { kind: 'passphrase', words: 'guess' } }),
            shortKey: await opened({ key: { kind: 'raw', bytes: new Uint8Array(31) } }).catch(({ name }) => name),
            opened: await opened({ key: key(1) }),
          }
          const db = await open(name, { backend, key: key(1), readonly: true })
          codes.readonly = await outcome(db.exec('create table t(x)'))
          await db.close()
          const plain = await open(`${name}-plain`, { backend })
          await plain.close()
          codes.keyForPlain = await outcome(open(`${name}-plain`, { backend, key: key(1) }))
          return codes
        }, backend)
        assert.deepEqual(seen, {
          missing: 'not_found', missingReadonly: 'not_found', made: 'done', madeTwice: 'exists', noKey: 'key_required', wrongKey: 'wrong_key',
          wrongWords: 'wrong_key', shortKey: 'TypeError', opened: 'done', readonly: 'readonly', keyForPlain: 'wrong_key',
        })
      })

      await t.test(`${backend}: checkpoints and merges leave what was committed`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { key, open, pause } = window.coffer
          const options = { backend, key: key(3) }
          let db = await open(`folded-${backend}`, options)
          await db.exec('create table t(id integer primary key, body text); pragma wal_autocheckpoint = 50')
          let folded = 0
          for (let round = 0; round < 12; round += 1) {
            await db.exec(`with recursive n(i) as (select 1 union all select i + 1 from n where i <= 400)
              insert into t(body) select hex(randomblob(200)) from n`)
            await pause(20)
          }
          const info = await db.get('select segments, last_checkpoint from storage_info')
          folded = info.last_checkpoint
          const before = await db.get('select count(*) as n, sum(length(body)) as bytes from t')
          await db.close()
          db = await open(`folded-${backend}`, options)
          const after = await db.get('select count(*) as n, sum(length(body)) as bytes from t')
          const check = Object.values(await db.get('pragma integrity_check'))[0]
          await db.close()
          return { same: JSON.stringify(before) === JSON.stringify(after), n: after.n, check, folded: folded > 0, segments: info.segments > 0 }
        }, backend)
        assert.deepEqual(seen, { same: true, n: 12 * 401, check: 'ok', folded: true, segments: true })
      })
    }

    await t.test('what any codec and level has folded is read back', async () => {
      const seen = await page.evaluate(async (backend) => {
        const { open, pause } = window.coffer
        const counts = []
        for (const codec of ['none', 'rle', 'lz4', 'gzip', 'zstd:-5', 'zstd:9', 'zstd:14', 'zstd:22']) {
          const options = { backend, codec, cacheBytes: 1 << 16 }
          const db = await open(`codec ${codec}`, options)
          await db.exec(`pragma wal_autocheckpoint = 10; create table t(body text);
            with recursive n(i) as (select 1 union all select i + 1 from n where i < 3000) insert into t select 'row ' || i || hex(i * 7919) from n`)
          let folded = 0
          for (let wait = 0; wait < 100 && folded === 0; wait += 1) {
            await pause(20)
            folded = (await db.get('select last_checkpoint as folded from storage_info')).folded
          }
          await db.close()
          const again = await open(`codec ${codec}`, options)
          const { n } = await again.get('select count(distinct body) as n from t')
          const info = await again.get('select codec from storage_info')
          counts.push([codec, info.codec.split(':')[0] === codec.split(':')[0], folded > 0, n])
          await again.close()
        }
        return counts
      }, places[0])
      assert.deepEqual(seen, ['none', 'rle', 'lz4', 'gzip', 'zstd:-5', 'zstd:9', 'zstd:14', 'zstd:22'].map((codec) => [codec, true, true, 3000]))
    })

    for (const backend of places) {
      await t.test(`${backend}: with a key no text is readable in the files, and without one it is`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { isReadable, key, open, readFiles } = window.coffer
          const text = 'a letter that nobody else may read'
          const readable = {}
          for (const [name, options] of [['sealed', { key: key(9) }], ['plain', {}]]) {
            const db = await open(`bytes-${name}`, { backend, codec: 'none', ...options })
            await db.exec('create table t(body text)')
            await db.run('insert into t values (?)', [text])
            await db.exec('pragma wal_checkpoint(full)').catch(() => undefined)
            await db.close()
            readable[name] = await isReadable(backend, `bytes-${name}`, text)
            readable[`${name}Files`] = Object.keys(await readFiles(backend, `bytes-${name}`)).includes('manifest')
          }
          return readable
        }, backend)
        assert.deepEqual(seen, { sealed: false, sealedFiles: true, plain: true, plainFiles: true })
      })

      await t.test(`${backend}: files that are not ours, or from a later version, are refused and stay as they are`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { open, outcome, readFiles, writeFiles } = window.coffer
          const bytes = (text) => new TextEncoder().encode(text)
          await writeFiles(backend, 'foreign', { manifest: bytes('SQLite format 3\0'.padEnd(500, 'x')), 'notes.txt': bytes('mine') })
          const before = await readFiles(backend, 'foreign')
          const code = await outcome(open('foreign', { backend }))
          const after = await readFiles(backend, 'foreign')
          const text = (files) => Object.entries(files).map(([name, bytes]) => `${name}:${new TextDecoder().decode(bytes)}`).sort().join()
          return { code, same: text(before) === text(after) }
        }, backend)
        assert.deepEqual(seen, { code: 'foreign', same: true })
      })
    }

    // Counted at the handles themselves.
    if (hasSyncHandles(engine)) await t.test('a commit is one write and one flush, and a page that is in memory is no call', async () => {
      const seen = await page.evaluate(async () => {
        const { countCalls, countingWorker, key, open, pause } = window.coffer
        const db = await open('counted', { backend: 'opfs', key: key(5), worker: countingWorker })
        await db.exec('create table t(id integer primary key, a text, b text); create index ta on t(a); create index tb on t(b)')
        await db.run('insert into t(a, b) values (?, ?)', ['first', 'row'])
        // It waits for the files that are opened for later, which on a busy machine may take longer than any pause.
        await db.flush()
        do await pause(50)
        while (Object.keys(await countCalls()).length > 0)
        for (let row = 0; row < 10; row += 1) await db.run('insert into t(a, b) values (?, ?)', [`a${row}`, `b${row}`])
        const commits = await countCalls()
        await db.query('select * from t where a = ?', ['a3'])
        const reads = await countCalls()
        await db.close()
        return { commits, reads }
      })
      assert.deepEqual(seen, { commits: { write: 10, flush: 10 }, reads: {} })
    })

    await t.test('no page error was left over', () => assert.deepEqual(complaints, []))
  })
}
