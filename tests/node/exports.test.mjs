// The passes over a built wasm module that scripts/wasm.mjs makes before and after wasm-opt.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { functionNames, functions, shortened, withExports, withFunctionNames, withOneStart, withoutCustom, withTraps } from '../../scripts/exports.mjs'

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

/** (module (import "glue" "__wbg_seven_0123456789abcdef" (func (result i32))) (memory 1) (export "memory" (memory 0)) (export "chest_open" (func 0))) */
function importing() {
  const text = (word) => [word.length, ...Buffer.from(word)]
  const section = (kind, body) => [kind, body.length, ...body]
  const imported = [1, ...text('glue'), ...text('__wbg_seven_0123456789abcdef'), 0, 0]
  const exported = [2, ...text('memory'), 2, 0, ...text('chest_open'), 0, 0]
  return Uint8Array.from([0, 97, 115, 109, 1, 0, 0, 0, ...section(1, [1, 96, 0, 1, 127]), ...section(2, imported), ...section(5, [1, 0, 1]), ...section(7, exported)])
}

const glue = '        __wbg_seven_0123456789abcdef: function() {\n            return wasm.memory, 7;\n        },\n    wasm.chest_open();\n'

test('a module and its glue agree on their short names', () => {
  const made = shortened(importing(), glue)
  const module = new WebAssembly.Module(made.module)
  const [{ name: imported }] = WebAssembly.Module.imports(module)
  const [, { name: exported }] = WebAssembly.Module.exports(module)
  assert.equal(made.glue, glue.replace('__wbg_seven_0123456789abcdef', imported).replace('chest_open', exported))
  assert.ok(imported.length <= 2 && exported.length <= 2 && imported !== exported)
  assert.equal(new WebAssembly.Instance(module, { glue: { [imported]: () => 7 } }).exports[exported](), 7)
})

test('glue that the module does not ask for is left out', () => {
  const unasked = '        __wbg_eight_0123456789abcdef: function() { return handleError(function () {\n            return 8;\n        }, arguments); },\n        __wbg_nine_0123456789abcdef: function() {\n            return 9;\n        },\n'
  assert.equal(shortened(importing(), unasked + glue).glue, shortened(importing(), glue).glue)
})

test('glue that does not name what the module does is refused', () => {
  assert.throws(() => shortened(importing(), glue.replace('chest_open', 'chest_opens')), /no place for chest_open/)
})

test('the names of functions are read, and nothing that does not run stays', () => {
  const text = (word) => [word.length, ...Buffer.from(word)]
  const names = [2, ...[0, ...text('seven')], ...[200, 1, ...text('seven::again')]]
  const body = [...text('name'), 0, 2, ...text('m'), 1, names.length, ...names]
  const other = [...text('producers'), 0]
  const module = Uint8Array.from([...sample('a'), 0, body.length, ...body, 0, other.length, ...other])
  assert.deepEqual(functionNames(module), [[0, 'seven'], [200, 'seven::again']])
  assert.deepEqual(functionNames(sample('a')), [])
  assert.deepEqual(Uint8Array.from(withoutCustom(module)), sample('a'))
  const renamed = withFunctionNames(module, [[3, 'b'], [0, 'a']])
  assert.deepEqual(functionNames(renamed), [[0, 'a'], [3, 'b']])
  assert.ok(WebAssembly.validate(renamed))
})

test('the bodies of functions come after what is imported', () => {
  assert.deepEqual(functions(sample('a')), { imported: 0, bodies: [Uint8Array.of(0, 65, 7, 11)] })
  assert.deepEqual(functions(importing()), { imported: 1, bodies: [] })
})

test('a function that is said never to run traps, and a name that is not there is an error', () => {
  const module = withFunctionNames(sample('a'), [[0, 'seven']])
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(withTraps(module, [/^sev/])))
  assert.throws(() => exports.a(), WebAssembly.RuntimeError)
  assert.throws(() => withTraps(module, [/^eight$/]), /no function is called/)
  assert.equal(new WebAssembly.Instance(new WebAssembly.Module(withTraps(module, []))).exports.a(), 7)
})

test('the glue starts with a module and nothing else', () => {
  const start = 'function initSync(module) {\n    if (module !== undefined) {\n        if (Object.getPrototypeOf(module) === Object.prototype) {\n            ({module} = module)\n        } else {\n            console.warn()\n        }\n    }\n\n    const imports = 7;\n    if (!(module instanceof WebAssembly.Module)) {\n        module = new WebAssembly.Module(module);\n    }\n    return [module, imports];\n}\n'
  const module = new WebAssembly.Module(sample('a'))
  const initSync = new Function(`${withOneStart(start)}return initSync`)()
  assert.deepEqual(initSync({ module }), [module, 7])
  assert.doesNotMatch(withOneStart(start), /console|instanceof/)
  assert.throws(() => withOneStart(start.replace('console', '').replace('WebAssembly.Module)', 'Module)')), /another form/)
})
