// Where a key goes: from the page to its worker, once, and nowhere else: into no message, no log, no file, and it is not left in the engine's memory.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, launch, placesOf, served } from './launch.mjs'

const site = served()

const raw = Uint8Array.from({ length: 32 }, (_, index) => (index * 89 + 41) % 251)
const words = 'a horse that nobody else has ridden, 9271'
const hex = (bytes) => Buffer.from(bytes).toString('hex')

/** Each kind of key that is given as it is, and what would betray it. */
const keys = {
  raw: { key: { kind: 'raw', bytes: [...raw] }, secret: hex(raw) },
  'a passphrase for Argon2id': { key: { kind: 'passphrase', words }, secret: hex(words), kdf: 'argon2id' },
  'a passphrase for PBKDF2': { key: { kind: 'passphrase', words }, secret: hex(words), kdf: 'pbkdf2' },
}

for (const engine of engines) {
  test(`${engine}: where a key goes`, { timeout: 200_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    for (const backend of placesOf(engine)) {
      for (const [kind, { key, secret, kdf }] of Object.entries(keys)) {
        await t.test(`${backend}: ${kind}`, async () => {
          await page.goto(`${site.address}tests/browser/pages/storage.html`)
          await page.waitForFunction(() => window.coffer !== undefined)
          const seen = await page.evaluate(
            async ({ backend, kind, key, secret, kdf }) => {
              await import('/tests/browser/pages/secret.js')
              const { isReadable, open, outcome } = window.coffer
              const bytes = Uint8Array.from(secret.match(/../g), (pair) => parseInt(pair, 16))
              const said = []
              const { inBytes } = window.watchFor(bytes, (how) => said.push(how))
              const channel = new BroadcastChannel('leaky')
              const asked = () =>
                new Promise((resolve) => {
                  const all = []
                  channel.onmessage = ({ data }) => all.push(data)
                  channel.postMessage('where')
                  setTimeout(() => resolve(all), 300)
                })
              // A key of bytes is the caller's, who may wipe it: another copy for each.
              const secretKey = () => (key.kind === 'raw' ? { ...key, bytes: Uint8Array.from(key.bytes) } : key)
              const name = `secret ${kind}`
              const options = () => ({ backend, key: secretKey(), ...(kdf && { kdf }), worker: () => new Worker(`/tests/browser/pages/leaky.js?secret=${secret}`) })
              const leader = await open(name, options())
              await leader.exec('create table t(x); insert into t values (1)')
              const follower = await open(name, options())
              await follower.run('insert into t values (2)')
              const wrong = await outcome(open(name, { ...options(), key: { kind: 'passphrase', words: 'another' } }))
              const open2 = await asked()
              await leader.close()
              const { n } = await follower.get('select count(*) as n from t')
              // Folded by a second worker, whose job has the keys of the data in it.
              await follower.exec('with recursive i(n) as (select 1 union all select n + 1 from i where n < 4000) insert into t select hex(randomblob(100)) from i')
              await follower.checkpoint()
              const handed = await asked()
              await follower.close()
              const found = await isReadable(backend, name, new TextDecoder('latin1').decode(bytes)).catch(String)
              const workers = [...open2, ...handed]
              return {
                wrong, n, said, found, looks: inBytes(new Uint8Array([9, ...bytes, 9])) && workers.every(({ looks }) => looks), workers: open2.length,
                places: workers.flatMap(({ places }) => places), inMemory: workers.filter(({ inMemory }) => inMemory).length, byWebCrypto: open2.every(({ stretched }) => stretched > 0), stretched: open2.some(({ stretched }) => stretched > 0),
              }
            },
            { backend, kind, key, secret, kdf },
          )
          // PBKDF2 is left to WebCrypto, in the worker; Argon2id is the engine's own.
          const byWebCrypto = kdf === 'pbkdf2'
          // Two openings with the key, and each says it to its worker.
          assert.deepEqual(seen, { wrong: 'wrong_key', n: 2, said: ['Worker', 'Worker'], found: false, looks: true, workers: 2, places: [], inMemory: 0, byWebCrypto, stretched: byWebCrypto })
        })
      }
    }
    await t.test('no page error was left over', () => assert.deepEqual(complaints, []))
  })
}
