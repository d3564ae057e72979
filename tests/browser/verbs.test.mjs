// The rare and the long verbs in real browsers: backups, restores, keys, upkeep, kept commits, functions, and what needs no open database.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, hasFileHandles, launch, served } from './launch.mjs'

const site = served()

/** Tests by name. Each function runs in the page; what it returns is compared. */
const cases = {
  'storageInfo and memoryStats are what SQL says': {
    run: async ({ open }) => {
      const db = await open('figures', { backend: 'memory' })
      await db.exec('create table t(x)')
      const [info, said] = [await db.storageInfo(), await db.get('select * from storage_info')]
      const [stats, told] = [await db.memoryStats(), await db.get('select * from memory_stats')]
      await db.close()
      return [JSON.stringify(info) === JSON.stringify(said), info.last_commit_id, info.backend, Object.keys(stats).join() === Object.keys(told).join(), stats.wasm_heap > 0]
    },
    gives: [true, 1, 'memory', true, true],
  },

  'a backup holds one state, however long it takes, and is brought back under another name': {
    run: async ({ open, restore, inspect, list, destroy, fill, sink, sum, check, key }) => {
      const db = await open('saved', { key: key(1), pageSize: 4096, cipher: 'chacha20-poly1305' })
      await fill(db, 20_000, 500)
      const before = await sum(db)
      const { last_commit_id } = await db.storageInfo()
      const target = sink(5)
      const heard = []
      const backup = db.backup(target.stream, { onProgress: (progress) => heard.push(progress) })
      // Commits and queries go on meanwhile, and are not in it.
      let commits = 0
      let over = false
      backup.finally(() => (over = true))
      while (!over) {
        if (heard.length === 0) await db.get('select 1')
        else await db.run("insert into t(body) values ('later')")
        commits += heard.length === 0 ? 0 : 1
      }
      const result = await backup
      const blob = target.blob()
      const seen = await inspect(blob)
      const commit = await restore('saved again', blob.stream(), { key: key(1) })
      const copy = await open('saved again', { key: key(1), create: 'never' })
      const after = await sum(copy)
      const { cipher, page_size } = await copy.storageInfo()
      const whole = await check(copy)
      await copy.close()
      await db.close()
      const names = (await list()).filter((name) => name.startsWith('saved'))
      await destroy('saved')
      await destroy('saved again')
      return {
        same: JSON.stringify(before) === JSON.stringify(after), whole, cipher, page_size, closed: target.closed, several: target.chunks.length > 3, commits: commits > 3,
        bytes: result.bytes === blob.size, commit: commit > 0 && result.commit === last_commit_id, file: result.file, names, gone: (await list()).filter((name) => name.startsWith('saved')),
        seen: { ...seen, slots: seen.slots.map(({ kind }) => kind) },
        progress: heard.length > 3 && heard.every(({ done, total }, index) => done <= total && (index === 0 || done >= heard[index - 1].done)) && heard.at(-1).done === heard.at(-1).total,
      }
    },
    gives: {
      same: true, whole: 'ok', cipher: 'chacha20-poly1305', page_size: 4096, closed: true, several: true, commits: true, bytes: true, commit: true, file: 'saved.coffer',
      names: ['saved', 'saved again'], gone: [], seen: { formatVersion: 1, pageSize: 4096, encrypted: true, cipher: 'chacha20-poly1305', slots: ['raw'], backend: 'file' }, progress: true,
    },
  },

  'increments continue a backup, and only in their order': {
    run: async ({ open, fill, sink, sum, outcome, key }) => {
      const db = await open('chain', { backend: 'memory', key: key(2) })
      const parts = []
      const save = async (since) => {
        const target = sink()
        const { commit } = await db.backup(target.stream, { ...(since !== undefined && { since }) })
        parts.push(target.blob())
        return commit
      }
      await fill(db, 5000)
      const first = await save()
      await db.run("update t set body = 'changed' where id % 100 = 0")
      const second = await save(first)
      await db.run('delete from t where id > 4000')
      await save(second)
      const before = await sum(db)
      const small = parts[1].size < parts[0].size && parts[2].size < parts[0].size
      await db.run('delete from t')
      const other = await open('other', { backend: 'memory' })
      const tries = [
        await outcome(other.restore([parts[0], parts[2], parts[1]], { key: key(2) })),
        await outcome(other.restore([parts[1]], { key: key(2) })),
        await outcome(other.restore(parts[0])),
        await outcome(other.restore(parts[0], { key: key(3) })),
        await outcome(other.restore(new Blob(['no backup at all, but long enough to be looked at'.repeat(100)]))),
      ]
      let rows
      const told = new Promise((resolve) => db.live('select count(*) as n from t', [], ([{ n }]) => (rows = n) > 0 && resolve()))
      await db.restore(parts)
      await told
      const after = await sum(db)
      await other.restore(parts, { key: key(2) })
      const elsewhere = await sum(other)
      await Promise.all([db.close(), other.close()])
      return [small, tries, rows, JSON.stringify(after) === JSON.stringify(before), JSON.stringify(elsewhere) === JSON.stringify(before)]
    },
    gives: [true, ['no_such_commit', 'corrupt', 'key_required', 'wrong_key', 'foreign'], 4000, true, true],
  },

  'a backup or restore that is given up leaves nothing broken': {
    run: async ({ open, fill, sink, sum, check, outcome }) => {
      const db = await open('given up', { backend: 'memory' })
      await fill(db, 20_000)
      const before = await sum(db)
      const giveUp = new AbortController()
      const slow = sink(20)
      const saved = await outcome(db.backup(slow.stream, { signal: giveUp.signal, onProgress: () => giveUp.abort() }))
      const broken = await outcome(db.backup(new WritableStream({ write: () => Promise.reject(new Error('the disk is gone')) })))
      const target = sink()
      await db.backup(target.stream)
      await db.run("delete from t where id > 10")
      const now = await sum(db)
      const again = new AbortController()
      const restored = await outcome(db.restore(target.blob(), { signal: again.signal, onProgress: () => again.abort() }))
      const left = await sum(db)
      await db.run("insert into t(body) values ('it goes on')")
      const whole = await check(db)
      await db.restore(target.blob())
      const after = await sum(db)
      await db.close()
      return [saved, slow.closed, slow.aborted?.name, broken, restored, JSON.stringify(left) === JSON.stringify(now), whole, JSON.stringify(after) === JSON.stringify(before)]
    },
    gives: ['AbortError', false, 'AbortError', 'io', 'AbortError', true, 'ok', true],
  },

  'plain SQLite goes out and in, whatever the page sizes': {
    run: async ({ open, fill, sum, check, outcome }) => {
      const db = await open('plain', { backend: 'memory', pageSize: 4096 })
      await fill(db, 3000)
      await db.exec('create index body on t(body); create view v as select id from t; pragma user_version = 7')
      const before = await sum(db)
      const file = await db.export()
      const start = new TextDecoder().decode(await file.slice(0, 15).arrayBuffer())
      const other = await open('of other pages', { backend: 'memory', pageSize: 16384 })
      await other.exec('create table old(x)')
      await other.import(file)
      const after = await sum(other)
      const whole = await check(other)
      const { user_version } = await other.get('pragma user_version')
      const left = await outcome(other.query('select * from old'))
      // What was imported is a database as any other: it is written to, and goes out again.
      await other.run("insert into t(body) values ('more')")
      const again = await other.export()
      const third = await open('third', { backend: 'memory' })
      await third.import(again.stream())
      const more = await sum(third)
      const cut = await outcome(third.import(file.slice(0, file.size - 4096)))
      const foreign = await outcome(third.import(new Blob(['no database'])))
      const still = await check(third)
      await Promise.all([db.close(), other.close(), third.close()])
      return [start, file.size % 4096, JSON.stringify(after) === JSON.stringify(before), whole, user_version, left, more[0], cut, foreign, still]
    },
    gives: ['SQLite format 3', 0, true, 'ok', 7, 'sqlite', 3001, 'corrupt', 'foreign', 'ok'],
  },

  'SQL and JSON lines hold every value, packed if asked': {
    run: async ({ open, sink }) => {
      const db = await open('text', { backend: 'memory' })
      await db.exec(`create table "odd ""name"(id integer primary key, a, b generated always as (a) stored);
        create table u(x text); create index i on u(x); create virtual table f using fts5(words); insert into f values ('hello there')`)
      const values = [null, 1, -9007199254740993n, 1.5, 1e300, "it's \u{1f512}\n", new Uint8Array([0, 255]), 'a\u0000b', '']
      for (const value of values) await db.run('insert into "odd ""name"(a) values (?)', [value])
      const script = sink()
      await db.backup(script.stream, { format: 'sql' })
      const copy = await open('copy', { backend: 'memory' })
      await copy.exec(await script.blob().text())
      const rows = (from) => from.query('select id, a, b, typeof(a) as type from "odd ""name"')
      const show = (all) => JSON.stringify(all, (_, value) => (typeof value === 'bigint' ? String(value) : value))
      const same = show(await rows(db)) === show(await rows(copy))
      const found = await copy.query("select words from f where f match 'hello'")
      const lines = sink()
      const { file } = await db.backup(lines.stream, { format: 'jsonl', compress: 'gzip' })
      const text = await new Response(lines.blob().stream().pipeThrough(new DecompressionStream('gzip'))).text()
      const parsed = text.trim().split('\n').map((line) => JSON.parse(line))
      await Promise.all([db.close(), copy.close()])
      return [same, found, file, parsed.length, parsed.at(-1).table, parsed.find(({ row }) => row.id === 7)?.row.a, parsed.find(({ row }) => row.id === 6)?.row.a === values[5], text.includes('-9007199254740993')]
    },
    gives: [true, [{ words: 'hello there' }], 'text.jsonl.gz', 10, 'odd "name', { $blob: '00ff' }, true, true],
  },

  'a file handle is replaced when the backup is whole, and left alone when not': {
    needs: hasFileHandles,
    run: async ({ open, fill, outcome }) => {
      const root = await navigator.storage.getDirectory()
      const handle = await root.getFileHandle('backup.coffer', { create: true })
      const db = await open('to a file', { backend: 'memory' })
      await fill(db, 5000)
      await db.backup(handle)
      const size = (await handle.getFile()).size
      const giveUp = new AbortController()
      const failed = await outcome(db.backup(async () => (await root.getFileHandle('backup.coffer')), { signal: giveUp.signal, onProgress: () => giveUp.abort() }))
      const left = (await handle.getFile()).size
      await db.run('delete from t')
      await db.restore(await handle.getFile())
      const { n } = await db.get('select count(*) as n from t')
      await db.close()
      await root.removeEntry('backup.coffer')
      return [size > 0, failed, left === size, n]
    },
    gives: [true, 'AbortError', true, 5000],
  },

  'checkpoint, compact and verify run beside others': {
    run: async ({ open, fill, destroy }) => {
      const db = await open('kept up', { backend: 'auto', codec: 'lz4' })
      await fill(db, 10_000)
      await db.checkpoint('truncate')
      const folded = await db.storageInfo()
      await db.exec("update t set body = 'x' || body where id % 2 = 0; delete from t where id > 8000")
      let others = 0
      let over = false
      const heard = []
      const compacted = db.compact({ onProgress: (progress) => heard.push(progress) }).finally(() => (over = true))
      while (!over) {
        await db.run("insert into t(body) values ('meanwhile')")
        others += 1
      }
      await compacted
      const { segments, dead_bytes } = await db.storageInfo()
      await db.compact({ budgetBytes: 1 << 20 })
      const verified = await db.verify()
      await db.flush()
      await db.close()
      await destroy('kept up')
      return [folded.wal_frames, folded.segments > 0, others > 1, segments, dead_bytes, heard.at(-1).done === heard.at(-1).total, verified.ok, verified.records > 100, verified.damage, verified.pagesLost]
    },
    gives: [0, true, true, 1, 0, true, true, true, [], []],
  },

  'keys come, go, change and are rotated': {
    run: async ({ open, passphrase, key, outcome, fill, sum, destroy, check }) => {
      const words = passphrase('correct horse')
      let db = await open('keys', { key: words, kdf: 'pbkdf2' })
      await fill(db, 3000)
      const before = await sum(db)
      const slots = [await db.keys.list()]
      const added = await db.keys.add(key(1))
      await db.keys.add(passphrase('battery staple'))
      slots.push(await db.keys.list())
      const last = await outcome(db.keys.remove(9))
      await db.keys.remove(2)
      await db.keys.change(words, key(2))
      const wrong = await outcome(db.keys.change(passphrase('guess'), key(3)))
      const rotated = await outcome(db.keys.rotate({ keys: [key(1)] }))
      await db.keys.rotate({ keys: [key(1), key(2)] })
      const { key_epoch } = await db.storageInfo()
      const after = await sum(db)
      await db.close()
      const codes = []
      for (const one of [words, passphrase('battery staple'), key(1), key(2), undefined]) {
        codes.push(await outcome(open('keys', { ...(one && { key: one }) }).then((db) => db.close())))
      }
      db = await open('keys', { key: key(1) })
      await db.decrypt()
      const clear = (await db.storageInfo()).cipher
      await db.close()
      db = await open('keys')
      const whole = [JSON.stringify(await sum(db)) === JSON.stringify(before), await check(db)]
      await db.encrypt(words, { cipher: 'chacha20-poly1305' })
      await db.close()
      db = await open('keys', { key: words })
      whole.push(JSON.stringify(await sum(db)) === JSON.stringify(before), (await db.storageInfo()).cipher)
      await db.close()
      await destroy('keys')
      return [slots.map((all) => all.map(({ slot, kind }) => `${slot} ${kind}`)), added, last, wrong, rotated, key_epoch, JSON.stringify(after) === JSON.stringify(before), codes, clear, whole]
    },
    gives: [
      [['0 pbkdf2'], ['0 pbkdf2', '1 raw', '2 pbkdf2']], 1, 'limit', 'wrong_key', 'limit', 2, true, ['wrong_key', 'wrong_key', 'fine', 'fine', 'key_required'], 'none',
      [true, 'ok', true, 'chacha20-poly1305'],
    ],
  },

  'a key of WebCrypto or of the caller wraps one of its own': {
    run: async ({ open, webCryptoKey, wrappedBy, inspect, outcome, destroy, restore, sink }) => {
      const generate = (name, usages) => crypto.subtle.generateKey({ name, length: 256 }, false, usages)
      const crypted = [
        await generate('AES-GCM', ['encrypt', 'decrypt']), await generate('AES-GCM', ['wrapKey', 'unwrapKey']), await generate('AES-KW', ['wrapKey', 'unwrapKey']),
      ].map((one) => webCryptoKey(one))
      let asked = 0
      const mask = (bytes) => bytes.map((byte) => byte ^ 0x5a)
      const wrapping = wrappedBy({ wrap: (bytes) => mask(bytes), unwrap: (wrapped) => (asked += 1, mask(wrapped)) })
      const seen = []
      for (const [index, key] of [...crypted, wrapping].entries()) {
        const name = `wrapped ${index}`
        let db = await open(name, { key })
        await db.exec("create table t(x); insert into t values ('kept')")
        await db.keys.rotate()
        const target = sink()
        await db.backup(target.stream)
        await db.close()
        db = await open(name, { key })
        const { x } = await db.get('select x from t')
        await db.close()
        await restore(name, target.blob(), { key, overwrite: true })
        const { slots } = await inspect(name)
        seen.push([x, slots.map(({ kind, wrapped }) => `${kind} ${wrapped.length}`).join()])
      }
      const stranger = await outcome(open('wrapped 0', { key: crypted[1] }))
      const missing = await outcome(open('wrapped 0'))
      for (let index = 0; index < 4; index += 1) await destroy(`wrapped ${index}`)
      let misuse
      try {
        webCryptoKey(await crypto.subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, false, ['sign']))
      } catch (error) {
        misuse = error.name
      }
      return [seen, stranger, missing, asked > 1, misuse]
    },
    gives: [[['kept', 'external 60'], ['kept', 'external 60'], ['kept', 'external 40'], ['kept', 'external 32']], 'wrong_key', 'key_required', true, 'TypeError'],
  },

  'a kept commit stays readable through upkeep, until it is let go': {
    run: async ({ open, fill, outcome, destroy }) => {
      const db = await open('history')
      await fill(db, 2000)
      const then = await db.snapshot()
      await db.exec("update t set body = 'new'; delete from t where id > 100")
      await db.compact()
      const at = db.at(then.commit)
      const seen = [(await at.get('select count(*) as n from t')).n, (await then.query("select count(*) as n from t where body = 'new'"))[0].n, (await at.sql`select id from t where id = ${7}`)[0].id]
      let streamed = 0
      for await (const { id } of then.iterate('select id from t')) {
        streamed += 1
        if (id === 1) await db.run("insert into t(body) values ('beside')")
      }
      for await (const row of then.iterate('select id from t')) if (row.id === 5) break
      const written = await outcome(then.query('delete from t returning id'))
      const now = (await db.get('select count(*) as n from t')).n
      await then.release()
      await db.compact()
      const gone = await outcome(at.get('select 1'))
      await db.close()
      await destroy('history')
      return [seen, streamed, written, now, gone]
    },
    gives: [[2000, 0, 7], 2000, 'readonly', 101, 'no_such_commit'],
  },

  'a function of the page runs in SQL': {
    run: async ({ open, outcome }) => {
      const db = await open('functions', { backend: 'memory' })
      await db.function('slug', (text) => String(text).toLowerCase().replaceAll(/[^a-z0-9]+/g, '-'), { deterministic: true })
      await db.function('kind', (...values) => values.map((value) => (value === null ? 'null' : value instanceof Uint8Array ? 'blob' : typeof value)).join())
      await db.function('pick', {
        pick(which) {
          return [null, 1, 1.5, 9007199254740993n, 'text', new Uint8Array([7]), true][which]
        },
      }.pick)
      await db.function('fails', () => { throw new Error('not today') })
      await db.function('odd', () => ({}))
      await db.exec('create table t(title text, slug text generated always as (slug(title)) virtual)').catch(() => undefined)
      const { s } = await db.get("select slug('Hello, World') as s")
      const { k } = await db.get("select kind(null, 1, 9007199254740993, 1.5, 'x', x'00') as k")
      const picked = await db.get('select pick(0) as a, pick(1) as b, pick(2) as c, pick(3) as d, pick(4) as e, hex(pick(5)) as f, pick(6) as g')
      const fails = await db.query('select fails()').catch((error) => [error.code, error.message])
      const odd = await outcome(db.query('select odd()'))
      // In a transaction that only reads, too, and in one that was open before.
      const inside = await db.transaction(async (tx) => (await tx.get("select slug('A b') as s")).s, { readonly: true })
      const native = await outcome((async () => db.function('max2', Math.max))())
      const missing = await outcome(db.function('nowhere', new URL('/nowhere.js', location.href)))
      const module = URL.createObjectURL(new Blob(['export default (x) => x * 2'], { type: 'text/javascript' }))
      await db.function('twice', new URL(module))
      const { t } = await db.get('select twice(21) as t')
      await db.close()
      return [s, k, Object.values(picked).map(String), fails, odd, inside, native, missing, t]
    },
    gives: [
      'hello-world', 'null,number,bigint,number,string,blob', ['null', '1', '1.5', '9007199254740993', 'text', '07', '1'], ['sqlite', 'not today'], 'sqlite', 'a-b', 'TypeError', 'denied', 42,
    ],
  },

  'backups take themselves, keep what they should and come back after a failure': {
    run: async ({ open, fill, until }) => {
      const db = await open('of itself', { backend: 'memory' })
      await fill(db, 100)
      let now = 1_000_000
      let due
      const clock = { now: () => now, after: (ms, work) => ((due = { at: now + ms, work }), () => (due = undefined)) }
      const files = new Map([['somebody-elses.txt', new Blob()]])
      let broken = false
      const target = {
        create: (name) => {
          if (broken) throw new Error('no room')
          const chunks = []
          return new WritableStream({ write: (chunk) => void chunks.push(chunk), close: () => void files.set(name, new Blob(chunks)) })
        },
        list: async () => [...files.keys()],
        remove: async (name) => void files.delete(name),
      }
      const done = []
      const failed = []
      const backups = db.backups({ every: 1000, keep: { files: 2 }, target, clock, onSuccess: ({ file }) => done.push(file), onError: (error) => failed.push(error.message), backoff: { first: 100, most: 300 } })
      const waits = []
      await until(() => due !== undefined)
      const tick = async () => {
        waits.push(due.at - now)
        now = due.at
        due.work()
        await backups.now()
      }
      await tick()
      await tick() // Nothing was committed.
      for (let round = 0; round < 3; round += 1) {
        await db.run("insert into t(body) values ('x')")
        await tick()
      }
      broken = true
      await db.run("insert into t(body) values ('y')")
      await tick()
      await tick()
      await tick()
      broken = false
      await tick()
      await tick()
      const names = [...files.keys()]
      await backups.stop()
      await db.close()
      return [done.length, failed, waits, names.length, names.includes('somebody-elses.txt'), names.at(-1) === done.at(-1), due === undefined]
    },
    gives: [5, ['no room', 'no room', 'no room'], [1000, 1000, 1000, 1000, 1000, 1000, 100, 200, 300, 1000], 3, true, true, true],
  },

  'a tab that has not got the files asks for the same, and gets the same': {
    run: async ({ open, fill, sum, sink, key, outcome, destroy, until }) => {
      const options = { key: key(5), backend: 'auto' }
      const leads = await open('both', options)
      const db = await open('both', options)
      const parts = [leads.leader, db.leader]
      await fill(db, 10_000)
      const before = await sum(db)
      const target = sink()
      let heard = 0
      await db.backup(target.stream, { onProgress: () => (heard += 1) })
      const giveUp = new AbortController()
      const given = await outcome(db.backup(sink().stream, { signal: giveUp.signal, onProgress: () => giveUp.abort() }))
      const view = await db.snapshot()
      await db.run('delete from t where id > 5')
      await db.keys.add(key(6))
      await db.function('shout', (text) => `${text}!`)
      await db.compact()
      const { ok } = await db.verify()
      const old = (await view.get('select count(*) as n from t')).n
      await db.restore(target.blob())
      const after = await sum(leads)
      const file = await db.export()
      await db.import(file)
      const slots = (await leads.keys.list()).length
      // What is long and what was given to the leader outlive it.
      const verified = db.verify()
      const saved = outcome(db.backup(sink(30).stream))
      await leads.close()
      await until(() => db.leader === 'self')
      const shouted = (await db.get("select shout('still here') as s")).s
      const codes = [(await verified).ok, await saved]
      await db.close()
      await destroy('both')
      return [parts, JSON.stringify(after) === JSON.stringify(before), heard > 1, given, ok, old, slots, shouted, codes[0], ['fine', 'worker_lost'].includes(codes[1])]
    },
    gives: [['self', 'other'], true, true, 'AbortError', true, 10_000, 2, 'still here!', true, true],
  },

  'a worker that is lost is replaced, and the new one has the functions and the new key': {
    run: async ({ open, key, destroy, until }) => {
      let worker
      const db = await open('lost', { key: key(1), worker: () => (worker = new Worker('/dist/worker.js')) })
      await db.function('twice', (x) => x * 2)
      await db.exec('create table t(x); insert into t values (21)')
      await db.keys.change(key(1), key(2))
      const seen = []
      for (let round = 0; round < 2; round += 1) {
        const before = worker
        worker.terminate()
        await until(() => worker !== before)
        seen.push((await db.get('select twice(x) as y from t')).y)
      }
      await db.close()
      await destroy('lost')
      return seen
    },
    gives: [42, 42],
  },

  'whoever gives a key of bytes may wipe them at once': {
    run: async ({ open, key, rawKey, destroy, sink, until }) => {
      let worker
      const wiped = async (byte, use) => {
        const bytes = new Uint8Array(32).fill(byte)
        const used = use(rawKey(bytes))
        bytes.fill(0)
        return used
      }
      // A worker that is lost is replaced, and the next one has to open the files.
      const lose = async () => {
        const before = worker
        worker.terminate()
        await until(() => worker !== before)
      }
      const seen = []
      const db = await wiped(1, (key) => open('wiped', { key, worker: () => (worker = new Worker('/dist/worker.js')) }))
      await db.exec('create table t(x); insert into t values (21)')
      await lose()
      seen.push((await db.get('select x from t')).x)
      const target = sink()
      await db.backup(target.stream)
      await db.run('delete from t')
      await db.restore(target.blob())
      seen.push((await db.get('select x from t')).x)
      await wiped(2, (next) => db.keys.change(key(1), next))
      await lose()
      seen.push((await db.get('select x from t')).x)
      await db.decrypt()
      await wiped(3, (key) => db.encrypt(key))
      await lose()
      seen.push((await db.get('select x from t')).x)
      await db.close()
      const again = await open('wiped', { key: key(3) })
      seen.push((await again.get('select x from t')).x)
      await again.close()
      await destroy('wiped')
      return seen
    },
    gives: [21, 21, 21, 21, 21],
  },

  'every mistake is named, and says what to do': {
    run: async ({ open, inspect, restore, destroy, outcome, rawKey, passphrase, sink }) => {
      const misuse = (work) => {
        try {
          work()
          return 'fine'
        } catch (error) {
          return error.name
        }
      }
      const db = await open('mistakes', { backend: 'memory' })
      const readonly = await outcome(db.keys.rotate())
      const seen = {
        shortKey: misuse(() => rawKey(new Uint8Array(31))), noWords: misuse(() => passphrase('')), at: misuse(() => db.at(0)), every: misuse(() => db.backups({ every: 0, target: {} })),
        missing: await outcome(inspect('not there')), noBackup: await outcome(inspect(new Blob(['short']))), sqlite: await outcome(inspect(new Blob(['SQLite format 3\u0000'.padEnd(4096, 'x')]))),
        destroyed: await outcome(destroy('not there')), nothing: await outcome(restore('x', [])), future: await outcome(db.backup(sink().stream, { since: 99 })),
        sinceSql: await outcome(db.backup(sink().stream, { since: 1, format: 'sql' })), keyless: readonly, slot: await outcome(db.keys.remove(0)), addToPlain: await outcome(db.keys.add(passphrase('x'))),
        release: await outcome(db.at(77).get('select 1')), aborted: await outcome(db.verify({ signal: AbortSignal.abort() })), abortedList: await outcome(window.coffer.list({ signal: AbortSignal.abort() })),
      }
      await db.close()
      seen.closed = await outcome(db.compact())
      return seen
    },
    gives: {
      shortKey: 'TypeError', noWords: 'TypeError', at: 'TypeError', every: 'TypeError', missing: 'not_found', noBackup: 'foreign', sqlite: 'foreign', destroyed: 'fine', nothing: 'not_found',
      future: 'no_such_commit', sinceSql: 'unsupported', keyless: 'key_required', slot: 'limit', addToPlain: 'key_required', release: 'no_such_commit', aborted: 'AbortError', abortedList: 'AbortError', closed: 'closed',
    },
  },
}

for (const engine of engines) {
  test(`${engine}: the rare and the long verbs`, { timeout: 400_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/verbs.html`)
    await page.waitForFunction(() => window.coffer !== undefined)
    for (const [name, { run, gives, needs }] of Object.entries(cases)) {
      if (needs === undefined || needs(engine)) await t.test(name, async () => {
        const seen = await page.evaluate(`(${run})(window.coffer)`)
        // undefined does not travel.
        assert.deepEqual(seen, JSON.parse(JSON.stringify(gives)))
      })
    }
    assert.deepEqual(complaints, [])
  })
}
