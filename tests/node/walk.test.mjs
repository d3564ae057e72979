// A segment can be read by whoever knows only its header and record rule: two readers that share nothing with Coffer do.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import zlib from 'node:zlib'
import { pages } from '../vectors/walk.mjs'

const vector = (name) => fileURLToPath(new URL(`../vectors/${name}/`, import.meta.url))

/** The pages of a vector's newest state as Coffer reads them: number, commit, hash. */
const expected = (name) => {
  const [, state] = readFileSync(`${vector(name)}vector.txt`, 'utf8').split('\nstate ')
  return state.split('\n').filter((line) => line.startsWith('  ')).map((line) => line.trim())
}

const walked = (name) => [...pages(readFileSync(`${vector(name)}seg-1`))].map(({ page, commit, hash }) => `${page} ${commit} ${hash}`)

for (const name of ['segment-plain', 'segment-gzip', 'zeros']) {
  test(`${name} is walked by the record rule alone`, () => {
    assert.equal(expected(name).length > 0, true)
    assert.deepEqual(walked(name), expected(name))
  })
}

test('segment-zstd is walked where node has zstd, and its pages are passed over where it has not', () => {
  assert.deepEqual(walked('segment-zstd'), zlib.zstdDecompressSync === undefined ? [] : expected('segment-zstd'))
})

test('a segment that is encrypted or cut short is refused', () => {
  assert.throws(() => walked('segment-aes-256-gcm'), /in the clear/)
  const cut = readFileSync(`${vector('segment-plain')}seg-1`).subarray(0, -1)
  assert.throws(() => [...pages(cut)])
})

test('the reader in Python finds the same', () => {
  for (const name of ['segment-plain', 'segment-gzip', 'zeros']) {
    const script = fileURLToPath(new URL('../vectors/walk.py', import.meta.url))
    const run = spawnSync('python3', [script, `${vector(name)}seg-1`], { encoding: 'utf8' })
    // A machine without Python has nothing to say; the reader in JavaScript has said it.
    if (run.error?.code === 'ENOENT') return
    assert.equal(run.status, 0, run.stderr)
    assert.deepEqual(run.stdout.trim().split('\n'), expected(name))
  }
})
