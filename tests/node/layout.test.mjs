// In which order scripts/wasm.mjs puts the functions of the module.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { byLikeness } from '../../scripts/layout.mjs'

/** Bytes that look like chance and are the same every time. */
function noise(seed, length) {
  let state = seed
  return Uint8Array.from({ length }, () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24)
}

test('bodies that share most lie side by side, each once', () => {
  const bodies = [1, 2, 3, 1, 2, 3].map((seed, index) => Uint8Array.from([...noise(seed, 200), index]))
  const order = byLikeness(bodies)
  assert.deepEqual([...order].sort(), [0, 1, 2, 3, 4, 5])
  for (const pair of [0, 2, 4]) assert.equal(order[pair] % 3, order[pair + 1] % 3, String(order))
})

test('what is alike and lay too far apart for gzip becomes small', () => {
  const bodies = Array.from({ length: 120 }, (_, index) => Uint8Array.from([...noise(index % 60, 1000), index]))
  const bytes = (order) => gzipSync(Buffer.concat(order.map((index) => bodies[index]))).length
  assert.ok(bytes(byLikeness(bodies)) < 0.6 * bytes([...bodies.keys()]))
  assert.deepEqual(byLikeness(bodies), byLikeness(bodies))
})

test('short and empty bodies are no trouble', () => {
  assert.deepEqual(byLikeness([]), [])
  assert.deepEqual(byLikeness([new Uint8Array(0), Uint8Array.of(1), new Uint8Array(0)]), [0, 1, 2])
})
