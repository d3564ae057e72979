// What of the public surface no other file shows: fields by name, modes, options and where backups go, in real browsers.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import * as path from 'node:path'
import { test } from 'node:test'
import { root } from '../../scripts/rust.mjs'
import { engines, hasFileHandles, launch, placesOf, served } from './launch.mjs'

const site = served()

/** The fields of an interface, as js/src/types.ts declares it. */
async function fieldsOf(name) {
  const types = await readFile(path.join(root, 'js', 'src', 'types.ts'), 'utf8')
  const body = new RegExp(`export interface ${name} \\{([^}]*)\\}`).exec(types)
  return [...body[1].matchAll(/readonly (\w+)\??:/g)].map(([, field]) => field)
}

/** Tests by name. Each function runs in the page with a place; what it returns is compared. */
const cases = {
  'the figures have the fields of their types, and no others': {
    run: async (place) => {
      const db = await window.coffer.open('figures', { backend: place })
      await db.exec('create table t(x)')
      const fields = [Object.keys(await db.storageInfo()), Object.keys(await db.memoryStats())].map((all) => all.sort().join())
      const typed = Object.values(await db.storageInfo()).every((value) => ['number', 'string'].includes(typeof value)) && Object.values(await db.memoryStats()).every((value) => typeof value === 'number')
      await db.close()
      return [...fields, typed]
    },
    gives: async () => [(await fieldsOf('StorageInfo')).sort().join(), (await fieldsOf('MemoryStats')).sort().join(), true],
  },

  'a database says what it is, and what is running': {
    run: async (place) => {
      const db = await window.coffer.open('named', { backend: place })
      const { sqlite } = await db.get('select sqlite_version() as sqlite')
      const seen = [db.name, db.leader, /^\d+\.\d+\.\d+/.test(db.about.coffer), db.about.sqlite === sqlite]
      await db.close()
      return seen
    },
    gives: ['named', 'self', true, true],
  },

  'each mode of a checkpoint folds what is in the log, and truncate gives its space back': {
    run: async (place) => {
      const db = await window.coffer.open('folded', { backend: place })
      await db.exec('create table t(id integer primary key, body text)')
      const seen = []
      for (const mode of [undefined, 'passive', 'full', 'truncate']) {
        await window.coffer.fill(db, 500)
        const { last_commit_id } = await db.storageInfo()
        await db.checkpoint(mode)
        const info = await db.storageInfo()
        seen.push([info.wal_frames, info.last_checkpoint === last_commit_id, info.wal_size < 65536])
      }
      const { n } = await db.get('select count(*) as n from t')
      await db.close()
      return [seen.map(([frames, folded]) => [frames, folded]), seen.at(-1)[2], n]
    },
    gives: [Array(4).fill([0, true]), true, 2000],
  },

  'verify says what is damaged, and nothing that was read of it is wrong': {
    run: async (place) => {
      const { open, readFiles, writeFiles, fill, outcome, key } = window.coffer
      let db = await open('damaged', { backend: place, key: key(1) })
      await fill(db, 5000)
      await db.checkpoint('truncate')
      await db.close()
      const files = await readFiles(place, 'damaged')
      const [name, bytes] = Object.entries(files).filter(([file]) => file.startsWith('seg-')).sort(([, one], [, other]) => other.length - one.length)[0]
      const changed = bytes.slice()
      changed[Math.floor(changed.length / 2)] ^= 0x40
      await writeFiles(place, 'damaged', { [name]: changed })
      db = await open('damaged', { backend: place, key: key(1), create: 'never' })
      const { ok, damage, pagesLost, records } = await db.verify()
      const read = await outcome(db.query('select id, body from t'))
      await db.close()
      await writeFiles(place, 'damaged', { [name]: bytes })
      db = await open('damaged', { backend: place, key: key(1), create: 'never' })
      const mended = await db.verify()
      await db.close()
      return [ok, damage.length, pagesLost.length > 0, records > 10, read, mended.ok, mended.damage.length]
    },
    gives: [false, 1, true, true, 'corrupt', true, 0],
  },

  'the page cache is as large as was asked for': {
    run: async (place) => {
      const seen = []
      for (const cacheBytes of [1 << 20, 8 << 20]) {
        const db = await window.coffer.open('cached', { backend: place, cacheBytes })
        await db.exec('create table if not exists t(id integer primary key, body text)')
        await window.coffer.fill(db, 20_000)
        await db.query('select sum(length(body)) from t')
        const { cache_size } = await db.get('pragma cache_size')
        const { page_cache_max } = await db.memoryStats()
        seen.push([cache_size, page_cache_max])
        await db.close()
      }
      return seen
    },
    gives: [[-512, 512 << 10], [-1024, 7 << 20]],
  },

  'a signal gives up an opening, before it and in it, and the name is free': {
    run: async (place) => {
      const { open, outcome } = window.coffer
      const giveUp = new AbortController()
      const opening = outcome(open('given up', { backend: place, signal: giveUp.signal }))
      giveUp.abort()
      const seen = [await outcome(open('given up', { backend: place, signal: AbortSignal.abort() })), await opening]
      const later = new AbortController()
      const reading = outcome(window.coffer.list({ signal: later.signal }))
      later.abort()
      seen.push(await reading)
      const db = await open('given up', { backend: place })
      seen.push((await db.get('select 1 as one')).one)
      await db.close()
      return seen
    },
    gives: ['AbortError', 'AbortError', 'AbortError', 1],
  },

  'serializable and snapshot transactions see one state, and their own changes': {
    run: async (place) => {
      const db = await window.coffer.open('isolated', { backend: place })
      await db.exec('create table t(x); insert into t values (1)')
      const seen = []
      for (const isolation of ['serializable', 'snapshot']) {
        for (const readonly of [false, true]) {
          await db.transaction(async (tx) => {
            const before = (await tx.get('select sum(x) as x from t')).x
            if (!readonly) await tx.run('update t set x = x + 1')
            // What others commit meanwhile waits for a writer, and is not seen by a reader.
            const other = db.run('update t set x = x + 10')
            if (readonly) await other
            const after = (await tx.get('select sum(x) as x from t')).x
            seen.push(after - before)
            other.catch(() => undefined)
          }, { isolation, readonly })
        }
      }
      const { x } = await db.get('select x from t')
      await db.close()
      return [seen, x]
    },
    gives: [[1, 0, 1, 0], 43],
  },

  'backups go to a folder, at once if asked, and age out': {
    needs: hasFileHandles,
    run: async (place) => {
      const { open, fill, until, restore, destroy } = window.coffer
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('backups', { create: true })
      const names = async () => {
        const all = []
        for await (const name of folder.keys()) all.push(name)
        return all.sort()
      }
      const db = await open('kept', { backend: place })
      await fill(db, 200)
      let now = 5_000_000
      let due
      const clock = { now: () => now, after: (ms, work) => ((due = { at: now + ms, work }), () => (due = undefined)) }
      const done = []
      const failed = []
      const backups = db.backups({ every: 1000, immediately: true, skipUnchanged: false, keep: { age: 2500 }, target: folder, compress: 'gzip', clock, onSuccess: ({ file }) => done.push(file), onError: (error) => failed.push(String(error)) })
      await until(() => due !== undefined)
      const first = due.at - now
      for (let round = 0; round < 5; round += 1) {
        now = due.at
        due.work()
        await backups.now()
        await until(() => due !== undefined)
      }
      await backups.stop()
      const there = await names()
      const file = await (await folder.getFileHandle(there.at(-1))).getFile()
      await db.close()
      await restore('kept again', file, { backend: place })
      const again = await open('kept again', { backend: place, create: 'never' })
      const { n } = await again.get('select count(*) as n from t')
      await again.close()
      await destroy('kept again')
      for (const name of there) await folder.removeEntry(name)
      return [first, done.length, there.length, done.includes(there.at(-1)), n, failed]
    },
    gives: [0, 5, 3, true, 200, []],
  },
}

for (const engine of engines) {
  test(`${engine}: the rest of the surface`, { timeout: 400_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    for (const place of placesOf(engine)) {
      for (const [name, { run, gives, needs }] of Object.entries(cases)) {
        if (needs === undefined || needs(engine)) await t.test(`${place}: ${name}`, { timeout: 60_000 }, async () => {
          await page.goto(`${site.address}tests/browser/pages/verbs.html`)
          await page.waitForFunction(() => window.coffer !== undefined)
          // Each begins with nothing stored.
          await page.evaluate(async () => {
            for (const name of await window.coffer.list()) await window.coffer.destroy(name)
          })
          const seen = await page.evaluate(run, place)
          assert.deepEqual(seen, typeof gives === 'function' ? await gives() : gives)
        })
      }
    }
    assert.deepEqual(complaints, [])
  })
}
