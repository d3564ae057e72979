// What takes long, in real browsers: each says how far it is, ends at its signal with the database as it was, keeps the pace of whoever takes
// what it makes, and settles whatever happens to the worker. And what else of the API is about a whole database.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { engines, keepsFiles, launch, served } from './launch.mjs'

const site = served()

/** In the page: every long verb, by name, on a database that it makes and fills for it. */
const verbs = `
const nothing = () => new WritableStream()
const verbs = {
  import: { run: async (db, options) => db.import(await window.plainFile, options), changes: true },
  export: { run: (db, options) => db.export(options) },
  backup: { run: (db, options) => db.backup(nothing(), options) },
  'backup as sql': { run: (db, options) => db.backup(nothing(), { ...options, format: 'sql' }) },
  restore: { run: async (db, options) => db.restore(await window.backupFile, options), changes: true },
  compact: { run: (db, options) => db.compact(options) },
  checkpoint: { run: (db, options) => db.checkpoint('truncate', options) },
  verify: { run: (db, options) => db.verify(options) },
  rotate: { run: (db, options) => db.keys.rotate(options), key: true },
  encrypt: { run: (db, options) => db.encrypt(window.coffer.key(9), options) },
  decrypt: { run: (db, options) => db.decrypt(options), key: true },
}
const { open, destroy, fill, key, sum, check, outcome, sink } = window.coffer
const rows = 12_000
/** Opens one with something in its logs and something to merge. */
const made = async (name, secret, more = {}) => {
  const db = await open(name, { create: 'new', codec: 'lz4', ...(secret && { key: key(1) }), ...more })
  await fill(db, rows, 500)
  return db
}
window.plainFile ??= (async () => {
  const db = await made('source', false, { backend: 'memory' })
  const blob = await db.export()
  const target = sink()
  await db.backup(target.stream)
  await db.close()
  window.backupFile = target.blob()
  return blob
})()
await window.plainFile
`

/** Tests by name. Each runs in the page; what it returns is compared. */
const cases = {
  'everything long says how far it is, and comes to its end': {
    run: `
      const faults = []
      for (const [name, { run, key }] of Object.entries(verbs)) {
        const db = await made('told', key)
        if (name === 'verify' || name === 'compact') await db.checkpoint()
        const heard = []
        await run(db, { onProgress: ({ done, total }) => heard.push([done, total]) })
        const last = heard.at(-1)
        if (heard.length === 0) faults.push(name + ' says nothing')
        else if (heard.some(([done, total]) => done > total || done < 0)) faults.push(name + ' does more than there is: ' + heard.join(' '))
        else if (heard.some(([done], at) => at > 0 && done < heard[at - 1][0])) faults.push(name + ' goes back: ' + heard.join(' '))
        else if (last[0] !== last[1] && name !== 'backup as sql') faults.push(name + ' ends early: ' + last.join(' of '))
        if ((await check(db)) !== 'ok') faults.push(name + ' breaks it')
        await db.close()
        await destroy('told')
      }
      return faults`,
    gives: [],
  },

  'everything long ends at its signal, and leaves the database as it was': {
    run: `
      const faults = []
      for (const [name, { run, key, changes }] of Object.entries(verbs)) {
        const db = await made('given up', key)
        if (name === 'verify') await db.checkpoint()
        const before = JSON.stringify(await sum(db))
        const reason = new Error('enough')
        const giveUp = new AbortController()
        // What is done in another worker tells nothing at first.
        const timer = setTimeout(() => giveUp.abort(reason), 30)
        const told = await run(db, { signal: giveUp.signal, onProgress: () => giveUp.abort(reason) }).then(() => 'done', (error) => (error === reason ? 'given up' : String(error)))
        clearTimeout(timer)
        // Folding the log may be quicker than the signal; what came to its end has done nothing wrong.
        if (told !== 'given up' && !(told === 'done' && name === 'checkpoint')) faults.push(name + ': ' + told)
        const early = await outcome(run(db, { signal: AbortSignal.abort() }))
        if (early !== 'AbortError') faults.push(name + ' begins although it was given up: ' + early)
        if (JSON.stringify(await sum(db)) !== before) faults.push(name + ' changes what is in it')
        await db.run("insert into t(body) values ('it goes on')")
        if ((await check(db)) !== 'ok') faults.push(name + ' breaks it')
        await db.close()
        await destroy('given up')
      }
      return faults`,
    gives: [],
  },

  'nothing long hangs when its worker is ended in the middle': {
    run: `
      const faults = []
      for (const [name, { run, key, changes }] of Object.entries(verbs)) {
        let worker
        let begun = 0
        const db = await made('killed ' + name, key, { worker: () => (begun += 1, worker = new Worker('/dist/worker.js')) })
        const before = JSON.stringify(await sum(db))
        let killed = false
        const kill = () => {
          if (!killed) worker.terminate()
          killed = true
        }
        const timer = setTimeout(kill, 30)
        const told = await Promise.race([
          run(db, { onProgress: kill }).then(() => 'done', (error) => (error instanceof window.coffer.CofferError ? error.code : String(error))),
          new Promise((resolve) => setTimeout(resolve, 30_000, 'hangs')),
        ])
        clearTimeout(timer)
        kill()
        if (told !== 'done' && told !== 'worker_lost') faults.push(name + ': ' + told)
        const next = await Promise.race([outcome(db.get('select 1')), new Promise((resolve) => setTimeout(resolve, 30_000, 'hangs'))])
        if (next !== 'fine') faults.push('after ' + name + ': ' + next)
        if (begun < 2) faults.push(name + ': no other worker was begun')
        if (!changes && JSON.stringify(await sum(db)) !== before) faults.push(name + ' changes what is in it')
        if ((await check(db)) !== 'ok') faults.push(name + ' breaks it')
        await db.close()
        // WebKit may keep what a worker had open that was ended at its work; then it cannot be removed, and that is told.
        const gone = await outcome(destroy('killed ' + name))
        if (gone !== 'fine' && !(window.keepsFiles && gone === 'locked_elsewhere')) faults.push(name + ' leaves it in use: ' + gone)
      }
      return faults`,
    gives: [],
  },

  'who takes slowly what is made is not flooded': {
    run: `
      const faults = []
      const share = 512 * 1024
      for (const format of ['coffer', 'sqlite', 'sql', 'jsonl']) {
        const db = await made('slow', false, { backend: 'memory' })
        await fill(db, rows, 500)
        let let_go
        const held = new Promise((resolve) => (let_go = resolve))
        let taken = 0
        const target = new WritableStream({ write: async (chunk) => { taken += chunk.length; await held } })
        let told = 0
        const backup = db.backup(target, { format, onProgress: ({ done }) => (told = done) })
        await window.coffer.until(() => taken > 0)
        // While the first piece is being written, others' statements run, and the worker has had every occasion to make more.
        for (let i = 0; i < 50; i += 1) await db.get('select count(*) as n from t')
        // One piece is made ahead, and the streams in between hold some.
        if (told > 6 * share) faults.push(format + ' is ' + told + ' bytes ahead')
        let_go()
        const { bytes } = await backup
        if (bytes !== taken || bytes < 20 * share) faults.push(format + ': ' + bytes + ' bytes, taken ' + taken)
        await db.close()
      }
      return faults`,
    gives: [],
  },

  'what is imported is let go of when it is given up, also while it gives nothing': {
    run: `
      const plain = new Uint8Array(await (await window.plainFile).arrayBuffer())
      const stream = (state) => new ReadableStream({
        pull: (out) => {
          state.pulled += 1
          if (state.pulled === state.stuckAt) return new Promise(() => undefined)
          const at = (state.pulled - 1) * 65536
          if (at >= plain.length) out.close()
          else out.enqueue(plain.slice(at, at + 65536))
        },
        cancel: (reason) => void (state.cancelled = reason),
      })
      const db = await open('imports', { backend: 'memory' })
      const whole = { pulled: 0 }
      await db.import(stream(whole))
      const { n } = await db.get('select count(*) as n from t')
      const stuck = { pulled: 0, stuckAt: 3 }
      const giveUp = new AbortController()
      const importing = db.import(stream(stuck), { signal: giveUp.signal }).then(() => 'done', (error) => error)
      await window.coffer.until(() => stuck.pulled === 3)
      const reason = new Error('enough')
      giveUp.abort(reason)
      const told = await importing
      const left = await db.get('select count(*) as n from t')
      await db.close()
      return [n === rows, told === reason, stuck.cancelled === reason, left.n === rows]`,
    gives: [true, true, true, true],
  },

  'of a stream of what is restored or imported no more than a piece is held': {
    run: `
      const source = await open('large', { backend: 'memory' })
      await source.exec("create table t(id integer primary key, body blob); with recursive n(i) as (select 1 union all select i + 1 from n where i < 2000) insert into t(body) select randomblob(6000) from n")
      const expected = await source.get('select count(*) as n, sum(length(body)) as bytes from t')
      const parts = []
      await source.backup(new WritableStream({ write: (part) => void parts.push(new Blob([part])) }))
      const [file, plain] = [new Blob(parts), await source.export()]
      await source.close()
      // All its pieces are the same memory, so what was not put away before the next is asked for is overwritten by it.
      const piece = new Uint8Array(65536)
      const stream = (blob, state) => new ReadableStream({
        pull: async (out) => {
          const bytes = new Uint8Array(await blob.slice(state.at, state.at + piece.length).arrayBuffer())
          state.at += bytes.length
          state.asked += 1
          piece.fill(0)
          piece.set(bytes)
          if (bytes.length === 0) out.close()
          else out.enqueue(piece.subarray(0, bytes.length))
        },
      }, { highWaterMark: 0 })
      const seen = []
      for (const [blob, verb] of [[file, 'restore'], [plain, 'import']]) {
        const db = await open('into ' + verb, { create: 'new' })
        const state = { at: 0, asked: 0 }
        const told = []
        await db[verb](stream(blob, state), { onProgress: ({ done, total }) => void told.push([done, total]) })
        const got = await db.get('select count(*) as n, sum(length(body)) as bytes from t')
        const [done, total] = told.at(-1)
        seen.push([blob.size > 12e6, state.asked > 180, got.n === expected.n, got.bytes === expected.bytes, told.length > 1, done === total])
        await db.close()
        await destroy('into ' + verb)
      }
      return seen`,
    gives: [Array(6).fill(true), Array(6).fill(true)],
  },

  'a download is saved under the name of the database': {
    run: `
      const db = await open('to be saved', { backend: 'memory' })
      await db.exec("create table t(x); insert into t values ('saved')")
      let link
      const { click } = HTMLAnchorElement.prototype
      HTMLAnchorElement.prototype.click = function () { link = this }
      const { file, bytes } = await db.backup('download', { format: 'sqlite' })
      HTMLAnchorElement.prototype.click = click
      const blob = await (await fetch(link.href)).blob()
      await db.exec('delete from t')
      await db.import(blob)
      const { x } = await db.get('select x from t')
      await db.close()
      return [file, link.download === file, blob.size === bytes, x]`,
    gives: ['to_be_saved.sqlite3', true, true, 'saved'],
  },

  'the compression of a new database is what was asked for': {
    run: `
      const seen = []
      const dictionary = new TextEncoder().encode('row row row the boat gently down the stream '.repeat(100))
      for (const compression of [{ codec: 'zstd', level: 9 }, { codec: 'zstd' }, { codec: 'lz4' }, { codec: 'rle' }, { codec: 'gzip', level: 4 }, { codec: 'none' }, { codec: 'zstd', dictionary }]) {
        const db = await open('compressed', { backend: 'memory', codec: 'none', compression })
        await fill(db, 500)
        await db.exec("insert into t(body) select 'row row row the boat, gently down the stream, ' || id from t, (select 1 union all select 2 union all select 3)")
        await db.checkpoint()
        const { codec, dictionary_bytes, compression_ratio } = await db.storageInfo()
        seen.push([codec, dictionary_bytes, compression_ratio > 1.2, await check(db)])
        await db.close()
      }
      return seen`,
    gives: [
      ['zstd:9', 0, true, 'ok'], ['zstd:3', 0, true, 'ok'], ['lz4', 0, true, 'ok'], ['rle', 0, false, 'ok'], ['gzip:4', 0, true, 'ok'], ['none', 0, false, 'ok'], ['zstd:3', 4400, true, 'ok'],
    ],
  },

  'every level of zstd folds pages of every size, with a dictionary and without': {
    run: `
      const wrong = []
      const dictionary = new TextEncoder().encode('row row row the boat gently down the stream '.repeat(100))
      for (const pageSize of [512, 8192, 65536]) {
        for (const level of [-7, -1, ...Array.from({ length: 22 }, (_, level) => level + 1)]) {
          for (const more of [{}, { dictionary }]) {
            const db = await open('level', { backend: 'memory', codec: 'none', pageSize, compression: { codec: 'zstd', level, ...more } })
            await db.exec("create table t(body); with recursive n(i) as (select 1 union all select i + 1 from n where i < 300) insert into t select 'row row row the boat, gently down the stream, ' || hex(i * 7919) from n")
            await db.checkpoint()
            const { codec } = await db.storageInfo()
            const { n } = await db.get('select count(distinct body) as n from t')
            const { damage } = await db.verify()
            if (codec !== 'zstd:' + level || n !== 300 || damage.length > 0) wrong.push([pageSize, level, codec, n, damage])
            await db.close()
          }
        }
      }
      return wrong`,
    gives: [],
  },

  'listeners hear of checkpoints, whoever had them done': {
    run: `
      const db = await open('folded', { create: 'new' })
      const heard = []
      db.on('checkpoint', ({ commit }) => heard.push(commit))
      await db.exec('create table t(x)')
      const asked = (await db.storageInfo()).last_commit_id
      await db.checkpoint()
      await window.coffer.until(() => heard.at(-1) >= asked)
      await db.run('insert into t values (1)')
      const said = (await db.storageInfo()).last_commit_id
      await db.exec('pragma wal_checkpoint(truncate)')
      await window.coffer.until(() => heard.at(-1) >= said)
      // Enough that upkeep folds it by itself.
      await db.exec('pragma wal_autocheckpoint = 100')
      for (let i = 0; i < 5; i += 1) await db.run('insert into t select randomblob(1000000)')
      const due = (await db.storageInfo()).last_commit_id - 4
      await window.coffer.until(() => heard.at(-1) >= due)
      const rising = heard.every((commit, at) => at === 0 || commit > heard[at - 1])
      await db.close()
      await destroy('folded')
      return rising`,
    gives: true,
  },
}

for (const engine of engines) {
  test(`${engine}: what takes long`, { timeout: 900_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/verbs.html`)
    await page.waitForFunction(() => window.coffer !== undefined)
    for (const [name, { run, gives }] of Object.entries(cases)) {
      await t.test(name, async () => {
        const seen = await page.evaluate(`(async () => {window.keepsFiles = ${keepsFiles(engine)}; ${verbs}${run}})()`)
        assert.deepEqual(seen, gives)
      })
    }
    if (engine === 'chromium') await t.test('a real download arrives whole', async () => {
      const arriving = page.waitForEvent('download')
      const { file, bytes } = await page.evaluate(async () => {
        const db = await window.coffer.open('downloaded', { backend: 'memory' })
        await window.coffer.fill(db, 2000)
        const result = await db.backup('download')
        await db.close()
        return result
      })
      const download = await arriving
      assert.equal(download.suggestedFilename(), file)
      assert.equal((await readFile(await download.path())).length, bytes)
    })
    assert.deepEqual(complaints, [])
  })
}
