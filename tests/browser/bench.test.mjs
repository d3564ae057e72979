// The bench runs: a short try of everything it measures, so that it does not rot between two releases.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { measure, own, peers } from '../../bench/browser/measure.mjs'
import { lines } from '../../bench/browser/report.mjs'
import { workloads } from '../../bench/browser/work.js'
import { engines } from './launch.mjs'

// What Coffer is compared with is installed by the bench itself, and only takes part here where that was done.
const installed = existsSync('bench/peers/node_modules/sql.js') ? peers : []

for (const engine of engines.filter((name) => name === 'chromium')) {
  test(`${engine}: the bench measures every contender and workload, and their answers agree`, { timeout: 240_000 }, async () => {
    const contenders = [...installed, ...own]
    const outcome = await measure({ contenders, reps: 1, size: 'quick' })
    const seen = lines(outcome)
    assert.deepEqual(seen.map(({ view, name }) => `${view} ${name}`), [
      ...['page', 'worker'].flatMap((view) => workloads.map(({ name }) => `${view} ${name}`)), 'both size', 'both start',
    ])
    for (const { name, medians } of seen) {
      assert.deepEqual(Object.keys(medians).sort(), [...contenders].sort(), name)
      for (const [contender, value] of Object.entries(medians)) assert.ok(value > 0, `${name} of ${contender}: ${value}`)
    }
    for (const [name, [ms]] of Object.entries(outcome.seam.times)) assert.ok(ms > 0, `${name}: ${ms}`)
  })
}
