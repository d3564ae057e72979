// The pass over a built wasm module that scripts/wasm.mjs makes before wasm-opt.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withExports } from '../../scripts/exports.mjs'

/** (module (memory 1) (func $a (result i32) (i32.const 7)) (export "memory" (memory 0)) (export NAME (func 0)) (export "b" (func 0))) */
function sample(name) {
  const text = (word) => [word.length & 0x7f | (word.length > 127 ? 0x80 : 0), ...(word.length > 127 ? [word.length >> 7] : []), ...Buffer.from(word)]
  const body = [3, ...text('memory'), 2, 0, ...text(name), 0, 0, ...text('b'), 0, 0]
  const length = body.length > 127 ? [body.length & 0x7f | 0x80, body.length >> 7] : [body.length]
  return Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 5, 3, 1, 0, 1, 7, ...length, ...body, 10, 6, 1, 4, 0, 65, 7, 11])
}

for (const name of ['a', 'x'.repeat(300)]) {
  test(`only wanted exports stay, and work (a name of ${name.length})`, () => {
    const before = new WebAssembly.Module(sample(name))
    assert.deepEqual(WebAssembly.Module.exports(before).map((one) => one.name), ['memory', name, 'b'])
    const after = new WebAssembly.Module(withExports(sample(name), (one) => one === name))
    assert.deepEqual(WebAssembly.Module.exports(after).map((one) => one.name), [name])
    assert.equal(new WebAssembly.Instance(after).exports[name](), 7)
  })
}

test('a module whose exports are all wanted stays as it was', () => {
  assert.deepEqual(Uint8Array.from(withExports(sample('a'), () => true)), sample('a'))
})
