// What makes IndexedDB a place for files: commits that wait for little, and lengths that say what counts. In a page, since this place needs
// no worker.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, launch, served } from './launch.mjs'

const site = served()

/** Tests by name. Each function runs in the page; what it returns is compared. */
const cases = {
  'what another makes is stored in parts, with commits in between': {
    run: async () => {
      const { directory, filled, observed, records } = window.indexed
      const place = await directory('aside')
      const log = await place.open('log-0')
      const made = await place.aside('seg-1')
      const { transactions, stop } = observed()
      for (let at = 0; at < 64; at += 1) made.write(filled(65536, at), at * 65536)
      log.write(filled(100, 1), 0)
      await place.settle()
      const stored = (await records('aside')).chunks.filter(([name]) => name === 'seg-1').length
      await place.whole('seg-1')
      stop()
      await place.close()
      const again = await directory('aside')
      const read = await again.open('seg-1')
      const bytes = new Uint8Array(read.size())
      read.read(bytes, 0)
      await again.close()
      return { size: bytes.length, same: bytes.every((byte, index) => byte === Math.floor(index / 65536)), largest: Math.max(...transactions), all: transactions.reduce((sum, n) => sum + n), early: stored < 256 }
    },
    // 256 chunks in parts of 16, and one of the commit.
    gives: { size: 4 * 2 ** 20, same: true, largest: 16, all: 257, early: true },
  },

  'what is cut off is deleted in parts, and a file that grows again shows none of it': {
    run: async () => {
      const { directory, filled, observed, records } = window.indexed
      const place = await directory('cut')
      const log = await place.open('log-0')
      log.write(filled(100 * 16384, 7), 0)
      await place.settle()
      const { deletions, stop } = observed()
      log.truncate(10)
      await place.settle()
      const kept = (await records('cut')).chunks.length
      // A gap where there was something before, and then some of it cut off again.
      log.write(filled(5, 9), 60 * 16384)
      await place.settle()
      await place.close()
      stop()
      const { chunks, files } = await records('cut')
      const again = await directory('cut')
      const file = await again.open('log-0')
      const bytes = new Uint8Array(file.size())
      file.read(bytes, 0)
      await again.close()
      return { chunks, files, parts: deletions.length > 3, waited: kept > 1, size: bytes.length, first: bytes.subarray(0, 11).join(), last: bytes.subarray(-5).join(), gap: bytes.subarray(10, -5).every((byte) => byte === 0) }
    },
    gives: { chunks: [['log-0', 0], ['log-0', 60]], files: { 'log-0': 60 * 16384 + 5 }, parts: true, waited: true, size: 60 * 16384 + 5, first: '7,7,7,7,7,7,7,7,7,7,0', last: '9,9,9,9,9', gap: true },
  },

  'a removed file leaves nothing, and one of its name may come in its place at once': {
    run: async () => {
      const { directory, filled, records } = window.indexed
      const place = await directory('removed')
      for (const name of ['seg-1', 'seg-2']) (await place.open(name)).write(filled(40 * 16384, 3), 0)
      await place.settle()
      await Promise.all([place.remove('seg-1'), place.remove('seg-2')])
      const again = await place.open('seg-2')
      const fresh = again.size()
      again.write(filled(10, 5), 3 * 16384)
      await place.settle()
      await place.close()
      return { fresh, ...(await records('removed')) }
    },
    gives: { fresh: 0, files: { 'seg-2': 3 * 16384 + 10 }, chunks: [['seg-2', 3]] },
  },

  'one that somebody keeps open who does not answer is not removed, and that is told': {
    run: async () => {
      const { destroy, open } = await import('/dist/index.js')
      const db = await open('kept open', { backend: 'indexeddb' })
      await db.close()
      // As WebKit may leave it of a worker that was ended at its work.
      const kept = await new Promise((resolve) => (indexedDB.open('coffer/kept open').onsuccess = ({ target }) => resolve(target.result)))
      const removed = () => destroy('kept open').then(() => 'done', ({ code, message }) => [code, message.includes('reload')])
      const told = await removed()
      kept.close()
      return [told, await removed()]
    },
    gives: [['locked_elsewhere', true], 'done'],
  },

  'what was to be deleted when a page went is found by the next that writes': {
    run: async () => {
      const { directory, filled, keep, records } = window.indexed
      const place = await directory('left')
      for (const name of ['log-0', 'seg-1']) (await place.open(name)).write(filled(300 * 16384, 7), 0)
      await place.settle()
      await place.close()
      // As a commit leaves it that has cut off one file and removed the other.
      await keep('left', { 'log-0': 5, 'seg-1': 0 })
      const reader = await directory('left')
      const read = [(await reader.open('log-0')).size(), (await reader.open('seg-1')).size()]
      await reader.close()
      const after = (await records('left')).chunks.length
      const writer = await directory('left')
      const file = await writer.open('log-0')
      await writer.open('seg-1')
      file.write(filled(5, 1), 0)
      await writer.settle()
      await writer.remove('seg-1')
      await writer.close()
      return { read, after, ...(await records('left')) }
    },
    gives: { read: [5, 0], after: 600, files: { 'log-0': 5 }, chunks: [['log-0', 0]] },
  },
}

for (const engine of engines) {
  test(`${engine}: files in IndexedDB`, { timeout: 120_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/indexed.html`)
    await page.waitForFunction(() => window.indexed !== undefined)
    for (const [name, { run, gives }] of Object.entries(cases)) {
      await t.test(name, async () => assert.deepEqual(await page.evaluate(`(${run.toString()})()`), gives))
    }
    await t.test('no page error was left over', () => assert.deepEqual(complaints, []))
  })
}
