// The reading of instructions that a pass of scripts/wasm.mjs makes over each function.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { functions, withBodies } from '../../scripts/exports.mjs'
import { withoutAlignment } from '../../scripts/instructions.mjs'

const [I32, V128, END] = [0x7f, 0x7b, 0x0b]
const [F64_CONST, I32_CONST, LOAD, STORE, DROP, ADD] = [0x44, 0x41, 0x28, 0x36, 0x1a, 0x6a]

test('no access to memory promises an alignment any more, and constants that look like one stay', () => {
  const constants = [I32_CONST, 0x28, DROP, F64_CONST, LOAD, 2, LOAD, 2, LOAD, 2, LOAD, 2, DROP]
  const before = [1, 1, I32, ...constants, 0x20, 0, LOAD, 2, 0xa8, 0x02, 0x20, 0, 0x20, 0, STORE, 2, 0x28, END]
  const after = [1, 1, I32, ...constants, 0x20, 0, LOAD, 0, 0xa8, 0x02, 0x20, 0, 0x20, 0, STORE, 0, 0x28, END]
  assert.deepEqual([...withoutAlignment(Uint8Array.from(before))], after)
})

test('vector and bulk instructions are read to their end', () => {
  const vectors = (alignment) => [
    0x20, 0, 0xfd, 0, alignment, 0x10, // v128.load
    0xfd, 12, ...Array(16).fill(LOAD), // v128.const
    0xfd, 13, ...Array(16).fill(LOAD), // i8x16.shuffle
    0xfd, 22, 3, DROP, // i8x16.extract_lane_u
    0xfd, 84, alignment && 1, 0, 7, // v128.load8_lane
    0xfd, 0xae, 0x01, // i32x4.add
    0xfc, 10, 0, 0, 0xfc, 11, 0, // memory.copy, memory.fill
    0xfc, 2, // i32.trunc_sat_f64_s
  ]
  const [before, after] = [4, 0].map((alignment) => [2, 1, I32, 1, V128, ...vectors(alignment), 0x0e, 2, 0, LOAD, 1, 0x1c, 1, I32, 0x11, 3, 0, 0x3f, 0, 0x40, 0, ADD, END])
  assert.deepEqual([...withoutAlignment(Uint8Array.from(before))], after)
})

test('a function that ends within an instruction is refused', () => {
  assert.throws(() => withoutAlignment(Uint8Array.of(0, F64_CONST, END)), /not known here/)
})

test('an access that names its memory is refused, as its place would be taken for an instruction', () => {
  assert.throws(() => withoutAlignment(Uint8Array.of(0, I32_CONST, 0, LOAD, 0x42, 1, 0, DROP, END)), /more to it/)
})

test('what is changed in a function runs as it did', () => {
  // (module (memory 1) (data (i32.const 3) "\07") (func (export "a") (result i32) (i32.load align=4 (i32.const 3))))
  const module = Uint8Array.from([
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, 5, 1, 1, 97, 0, 0,
    10, 9, 1, 7, 0, I32_CONST, 3, LOAD, 2, 0, END, 11, 7, 1, 0, I32_CONST, 3, END, 1, 7,
  ])
  const changed = withBodies(module, withoutAlignment)
  assert.deepEqual(functions(changed).bodies.map((body) => [...body]), [[0, I32_CONST, 3, LOAD, 0, 0, END]])
  assert.equal(new WebAssembly.Instance(new WebAssembly.Module(changed)).exports.a(), 7)
})
