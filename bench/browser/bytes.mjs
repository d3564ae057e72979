// What the bench's orders take on disk with the default, without a dictionary and plain, and what learning one costs those who wait meanwhile:
// medians over rounds in which each form has its turn. The package has to be built.
//
//   node bench/browser/bytes.mjs [--reps N] [--rows N] [--seconds N]

import { parseArgs } from 'node:util'
import { launch } from '../../tests/browser/launch.mjs'
import { serve } from '../../scripts/files.mjs'

const { values } = parseArgs({ options: { reps: { type: 'string', default: '3' }, rows: { type: 'string', default: '100000' }, seconds: { type: 'string', default: '12' } } })
const forms = {
  plain: { compression: { codec: 'none' } },
  'zstd, no dictionary': { encrypted: true, compression: { codec: 'zstd', dictionary: 'none' } },
  'default, encrypted': { encrypted: true },
}

const site = await serve('.')
const { page, complaints, close } = await launch('chromium')
const samples = Object.fromEntries(Object.keys(forms).map((form) => [form, []]))
try {
  await page.goto(`${site.address}bench/browser/index.html`)
  await page.waitForFunction(() => globalThis.bench !== undefined)
  for (let round = 0; round < Number(values.reps); round += 1) {
    const turn = Object.keys(forms)
    for (const form of [...turn.slice(round % turn.length), ...turn.slice(0, round % turn.length)]) {
      const sample = await page.evaluate(
        async ([{ encrypted, ...options }, rows, seconds]) => {
          const { open, destroy } = await import('/dist/index.js')
          const { orders, schema } = await import('/bench/browser/work.js')
          const name = 'bytes'
          if (encrypted) options.key = { kind: 'raw', bytes: new Uint8Array(32).fill(7) }
          const db = await open(name, { backend: 'opfs', ...options })
          await db.exec(schema)
          const data = orders(rows).map((params) => ({ sql: 'insert into orders values (?, ?, ?, ?, ?, ?)', params }))
          const begun = performance.now()
          for (let at = 0; at < data.length; at += 10_000) await db.batch(data.slice(at, at + 10_000))
          const load = performance.now() - begun
          await db.checkpoint('full')
          // A row read and one committed, in turn, while the dictionary is learnt or is not.
          const [gets, runs] = [[], []]
          const timed = async (times, work) => {
            const start = performance.now()
            await work()
            times.push(performance.now() - start)
          }
          const start = performance.now()
          for (let id = 1; performance.now() - start < seconds * 1000; id += 1) {
            await timed(gets, () => db.get('select * from orders where id = ?', [1 + ((id * 7919) % rows)]))
            await timed(runs, () => db.run('update orders set total = total + 1 where id = ?', [id]))
          }
          await db.checkpoint('truncate')
          const { stored_bytes: stored, logical_bytes: logical, dictionary_bytes: dictionary, segments } = await db.storageInfo()
          await db.close()
          await destroy(name)
          const at = (times, share) => times.sort((a, b) => a - b)[Math.floor(times.length * share)]
          return { load, stored, logical, dictionary, segments, calls: runs.length, get: at(gets, 0.5), getSlow: at(gets, 0.99), run: at(runs, 0.5), runSlow: at(runs, 0.99) }
        },
        [forms[form], Number(values.rows), Number(values.seconds)],
      )
      samples[form].push(sample)
      console.error(`round ${round}, ${form}: ${JSON.stringify(sample)}`)
    }
  }
  if (complaints.length > 0) throw new Error(`the page failed: ${complaints.join('; ')}`)
} finally {
  await close()
  await site.close()
}

const median = (form, field) => samples[form].map((sample) => sample[field]).sort((a, b) => a - b)[Math.floor(samples[form].length / 2)]
console.log('| | stored of the pages | MB | load, ms | get, ms (of 100 the slowest) | run, ms (of 100 the slowest) |\n|---|---:|---:|---:|---:|---:|')
for (const form of Object.keys(forms)) {
  const [stored, logical] = [median(form, 'stored'), median(form, 'logical')]
  const both = (field) => `${median(form, field).toFixed(2)} (${median(form, `${field}Slow`).toFixed(1)})`
  console.log(`| ${form} | ${(stored / logical).toFixed(3)} | ${(stored / 1e6).toFixed(2)} | ${median(form, 'load').toFixed(0)} | ${both('get')} | ${both('run')} |`)
}
