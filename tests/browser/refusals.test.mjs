// What cannot be: files that are not ours to read, places where nothing may be stored, pages that may not, and no browser at all. Each is a
// CofferError that says what to do, and none is a promise that never settles.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import * as path from 'node:path'
import { test } from 'node:test'
import { root } from '../../scripts/rust.mjs'
import { engines, insecurely, launch, placesOf, served } from './launch.mjs'

const site = served()

test('on a server whatever stores is refused with what to do, and importing does nothing', async () => {
  const coffer = await import(path.join(root, 'dist', 'index.js'))
  const told = (promise) => promise.then(() => 'fine', (error) => [error instanceof coffer.CofferError, error.code, error.message.includes('browser')])
  for (const call of [() => coffer.open('x'), () => coffer.list(), () => coffer.destroy('x'), () => coffer.inspect('x')]) {
    assert.deepEqual(await told(call()), [true, 'unsupported', true])
  }
  // Looking into a file stores nothing, and is not refused for the place; it comes before the rest of restoring one.
  for (const call of [() => coffer.inspect(new Blob(['x'])), () => coffer.restore('x', new Blob(['x']))]) assert.equal((await told(call()))[1], 'foreign')
  const sync = await import(path.join(root, 'dist', 'sync.js'))
  await assert.rejects(sync.openSync('x'), (error) => error instanceof sync.CofferError)
})

for (const engine of engines) {
  test(`${engine}: what cannot be`, { timeout: 200_000 }, async (t) => {
    const { page, close } = await launch(engine)
    t.after(close)
    const visit = async () => {
      await page.goto(`${site.address}tests/browser/pages/verbs.html`)
      await page.waitForFunction(() => window.coffer !== undefined)
    }
    await visit()

    for (const backend of placesOf(engine)) {
      await t.test(`${backend}: a database of a newer format is left alone, and the newer version asked for`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { inspect, open, destroy, readFiles, writeFiles } = window.coffer
          const db = await open('newer', { backend })
          await db.exec('create table t(x)')
          await db.close()
          const files = await readFiles(backend, 'newer')
          const bytes = files.manifest
          // What a later version would write: another number behind the magic of each slot, under a checksum that holds (FORMAT.md).
          const table = Uint32Array.from({ length: 256 }, (_, index) => {
            let word = index
            for (let bit = 0; bit < 8; bit += 1) word = word & 1 ? (word >>> 1) ^ 0xedb88320 : word >>> 1
            return word >>> 0
          })
          const crc = (parts) => {
            let word = 0xffffffff
            for (const part of parts) for (const byte of part) word = table[(word ^ byte) & 255] ^ (word >>> 8)
            return (word ^ 0xffffffff) >>> 0
          }
          const view = new DataView(bytes.buffer)
          for (let at = 0; at + 80 <= bytes.length; at += 1) {
            if (String.fromCharCode(...bytes.subarray(at, at + 8)) !== 'COFFERMF') continue
            bytes[at + 8] = 99
            const end = at + 80 + view.getUint32(at + 40, true)
            view.setUint32(at + 44, crc([bytes.subarray(at, at + 44), bytes.subarray(at + 48, at + 80), bytes.subarray(at + 80, end)]), true)
          }
          await writeFiles(backend, 'newer', { manifest: bytes })
          const told = (promise) => promise.then(() => 'fine', ({ code, message }) => [code, message])
          const seen = [await told(open('newer', { backend })), await told(inspect('newer'))]
          const after = await readFiles(backend, 'newer')
          seen.push(Object.entries(files).every(([name, was]) => name === 'manifest' ? after.manifest.every((byte, index) => byte === bytes[index]) : after[name]?.length === was.length))
          await destroy('newer')
          return seen
        }, backend)
        assert.deepEqual(seen.map((one) => (Array.isArray(one) ? one[0] : one)), ['unsupported_format', 'unsupported_format', true])
        assert.match(seen[0][1], /newer|version/)
      })

      await t.test(`${backend}: files that are none of ours are refused and left as they were`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { CofferError, open, readFiles, writeFiles } = window.coffer
          const text = new TextEncoder().encode('These are the notes of another program, and quite long enough to be a root. '.repeat(20))
          await writeFiles(backend, 'foreign', { manifest: text })
          const refused = await open('foreign', { backend }).then(() => 'fine', (error) => [error instanceof CofferError, error.code, error.message])
          const after = await readFiles(backend, 'foreign')
          return [refused, Object.keys(after).filter((name) => after[name].length > 0), after.manifest.length === text.length && after.manifest.every((byte, index) => byte === text[index])]
        }, backend)
        assert.deepEqual([...seen[0].slice(0, 2), ...seen.slice(1)], [true, 'foreign', ['manifest'], true])
        assert.match(seen[0][2], /not a|another|other|Coffer/)
      })

      await t.test(`${backend}: a key that is missing, wrong or not needed is told so`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { CofferError, key, open, passphrase } = window.coffer
          const tried = (options) => open('locked', { backend, ...options }).then((db) => db.close().then(() => 'fine'), (error) => [error instanceof CofferError, error.code, error.message])
          const seen = [await tried({ key: key(1) }), await tried({}), await tried({ key: key(2) }), await tried({ key: passphrase('guess') })]
          const plain = await open('unlocked', { backend })
          await plain.close()
          seen.push(await open('unlocked', { backend, key: key(1) }).then(() => 'fine', (error) => [error instanceof CofferError, error.code, error.message]))
          return [...seen, await tried({ key: key(1) })]
        }, backend)
        assert.deepEqual(seen.map((one) => (Array.isArray(one) ? one.slice(0, 2).join() : one)), ['fine', 'true,key_required', 'true,wrong_key', 'true,wrong_key', 'true,wrong_key', 'fine'])
        for (const [, , message] of seen.slice(1, 5)) assert.match(message, /key|passphrase/)
        t.diagnostic(seen.slice(1, 5).map(([, , message]) => message).join(' | '))
      })

      await t.test(`${backend}: a second version of the library beside the first is told to reload`, async () => {
        const seen = await page.evaluate(async (backend) => {
          const { CofferError, open } = window.coffer
          const db = await open('versions', { backend })
          await db.exec('create table if not exists t(x)')
          // The same engine that says it is of a later version.
          const bytes = new Uint8Array(await (await fetch('/dist/store.wasm')).arrayBuffer())
          const version = new TextEncoder().encode(db.about.coffer)
          const later = version.slice()
          later[later.length - 1] += 1
          for (let at = bytes.indexOf(version[0]); at >= 0; at = bytes.indexOf(version[0], at + 1)) if (version.every((byte, index) => bytes[at + index] === byte)) bytes.set(later, at)
          const refused = await open('versions', { backend, wasm: bytes }).then(() => 'fine', (error) => [error instanceof CofferError, error.code, error.message])
          await db.run('insert into t values (1)')
          await db.close()
          // Alone it opens what the other wrote.
          const alone = await open('versions', { backend, wasm: bytes })
          const { n } = await alone.get('select count(*) as n from t')
          await alone.close()
          return [refused, n]
        }, backend)
        assert.deepEqual([seen[0].slice(0, 2), seen[1]], [[true, 'locked_elsewhere'], 1])
        assert.match(seen[0][2], /version/)
        assert.match(seen[0][2], /reload|close/)
      })
    }

    await t.test('where storage is forbidden, opening says so', async () => {
      const dist = (name) => readFile(path.join(root, 'dist', name))
      const parts = { index: String(await dist('index.js')), worker: String(await dist('worker.js')) }
      // A sandboxed frame has no origin, and so no storage and no locks.
      const seen = await page.evaluate(async (parts) => {
        const wasm = await (await fetch('/dist/store.wasm')).arrayBuffer()
        const frame = document.createElement('iframe')
        frame.sandbox = 'allow-scripts'
        frame.srcdoc = `<script type="module">
          onmessage = async ({ data: { parts, wasm } }) => {
            const address = (text) => URL.createObjectURL(new Blob([text], { type: 'text/javascript' }))
            const { CofferError, open, list } = await import(address(parts.index))
            const told = (promise) => Promise.race([promise.then(() => 'fine', (error) => [error instanceof CofferError, error.code, error.message]), new Promise((resolve) => setTimeout(resolve, 20000, 'never'))])
            const options = { wasm, worker: () => new Worker(address(parts.worker)) }
            const memory = await open('m', { ...options, backend: 'memory' }).then(async (db) => (await db.get('select 1 as one')).one, String)
            parent.postMessage([memory, await told(open('x', options)), await told(open('x', { ...options, backend: 'indexeddb' })), await told(list(options))], '*')
          }
          parent.postMessage('ready', '*')
        </script>`
        const next = () => new Promise((resolve) => addEventListener('message', ({ data }) => resolve(data), { once: true }))
        const ready = next()
        document.body.append(frame)
        await ready
        const told = next()
        frame.contentWindow.postMessage({ parts, wasm }, '*')
        const seen = await told
        frame.remove()
        return seen
      }, parts)
      assert.equal(seen[0], 1)
      for (const refusal of seen.slice(1, 3)) {
        assert.deepEqual(refusal.slice(0, 2), [true, 'unsupported'], String(refusal))
        assert.match(refusal[2], /allow|secure|site data|sandbox/)
      }
      assert.equal(seen[3], 'fine')
    })

    if (insecurely(engine, site.address) !== undefined) await t.test('an insecure page is told to use https', async () => {
      await page.goto(`${insecurely(engine, site.address)}tests/browser/pages/verbs.html`)
      await page.waitForFunction(() => window.coffer !== undefined)
      const seen = await page.evaluate(async () => {
        const { open, CofferError } = window.coffer
        const refused = await open('x').then(() => 'fine', (error) => [error instanceof CofferError, error.code, error.message])
        const db = await open('m', { backend: 'memory', key: { kind: 'passphrase', words: 'x' }, kdf: 'pbkdf2' })
        const { one } = await db.get('select 1 as one')
        await db.close()
        return [isSecureContext, refused, one]
      })
      assert.deepEqual([seen[0], ...seen[1].slice(0, 2), seen[2]], [false, true, 'unsupported', 1])
      assert.match(seen[1][2], /https/)
    })
  })
}
