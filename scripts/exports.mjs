// Passes over a built wasm module: which of its exports stay, what its imports and exports are called, and what its functions were called.
//
// rustc exports every `#[no_mangle]` function of every crate; C code calls some of them (allocators, shims) and JavaScript none. And
// wasm-bindgen's names have hashes in them that no compressor makes smaller, once in the module and once in its glue.

import { number } from './instructions.mjs'

const [CUSTOM, IMPORTS, EXPORTS, CODE, FUNCTION] = [0, 2, 7, 10, 0]
const FUNCTION_NAMES = 1

function encoded(value) {
  const bytes = []
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80)
  return [...bytes, value]
}

/** The text at `at`, and where it ends. */
function text(bytes, at) {
  const [length, start] = number(bytes, at)
  return [Buffer.from(bytes.subarray(start, start + length)).toString(), start + length]
}

function named(name) {
  return Buffer.concat([Buffer.from(encoded(Buffer.byteLength(name))), Buffer.from(name)])
}

/** The module with each section of these kinds made anew from its body, or left out where that gives `null`. */
function withSections(module, make) {
  const parts = [module.subarray(0, 8)]
  for (let at = 8; at < module.length; ) {
    const [length, start] = number(module, at + 1)
    const end = start + length
    const body = make[module[at]]?.(module.subarray(start, end))
    if (body === undefined) parts.push(module.subarray(at, end))
    else if (body !== null) parts.push(Buffer.from([module[at], ...encoded(body.length)]), body)
    at = end
  }
  return Buffer.concat(parts)
}

/** The entries of a section of imports or exports, each as `make` makes it anew of its names and what follows them; none if that is nothing. */
function withEntries(bytes, namesOfEntry, make) {
  const kept = []
  let [count, at] = number(bytes, 0)
  for (; count > 0; count -= 1) {
    const names = []
    for (let left = namesOfEntry; left > 0; left -= 1) {
      const [name, next] = text(bytes, at)
      names.push(name)
      at = next
    }
    if (namesOfEntry === 2 && bytes[at] !== FUNCTION) throw new Error(`the import ${names.join(' ')} is no function`)
    // One byte for the kind, then the index.
    const end = number(bytes, at + 1)[1]
    const entry = make(names, bytes.subarray(at, end))
    if (entry !== undefined) kept.push(entry)
    at = end
  }
  return Buffer.concat([Buffer.from(encoded(kept.length)), ...kept])
}

/** The names of a module's functions, each with its index, as the section of names has them. @param {Uint8Array} module @returns {[number, string][]} */
export function functionNames(module) {
  const names = []
  withSections(module, {
    [CUSTOM]: (bytes) => {
      const [section, start] = text(bytes, 0)
      if (section !== 'name') return undefined
      for (let at = start; at < bytes.length; ) {
        const [length, body] = number(bytes, at + 1)
        if (bytes[at] === FUNCTION_NAMES) {
          let [count, place] = number(bytes, body)
          for (; count > 0; count -= 1) {
            const [index, next] = number(bytes, place)
            const [name, after] = text(bytes, next)
            names.push([index, name])
            place = after
          }
        }
        at = body + length
      }
      return undefined
    },
  })
  return names
}

/** The functions that a module imports, by their number, and the bodies of its own, which come after them. @param {Uint8Array} module @returns {{ imported: number, bodies: Uint8Array[] }} */
export function functions(module) {
  let imported = 0
  const bodies = []
  withSections(module, {
    // Only functions are imported: withEntries sees to it.
    [IMPORTS]: (bytes) => withEntries(bytes, 2, () => void (imported += 1)) && undefined,
    [CODE]: (bytes) => {
      let [count, at] = number(bytes, 0)
      for (; count > 0; count -= 1) {
        const [length, start] = number(bytes, at)
        at = start + length
        bodies.push(bytes.subarray(start, at))
      }
      return undefined
    },
  })
  return { imported, bodies }
}

/** What a function is made of that only traps: no locals, `unreachable`, `end`. */
const TRAP = Buffer.from([0, 0x00, 0x0b])

/** The same module with functions of these names that trap. Names of which there is no function are an error. @param {Uint8Array} module @param {RegExp[]} patterns */
export function withTraps(module, patterns) {
  const { imported } = functions(module)
  const names = functionNames(module)
  const traps = new Set()
  for (const pattern of patterns) {
    const found = names.filter(([index, name]) => index >= imported && pattern.test(name))
    if (found.length === 0) throw new Error(`no function is called ${String(pattern)}; is it inlined, or gone?`)
    for (const [index] of found) traps.add(index - imported)
  }
  return withBodies(module, (body, index) => (traps.has(index) ? TRAP : body))
}

/** The same module with each function as `make` makes it anew of its body and place. @param {Uint8Array} module @param {(body: Uint8Array, index: number) => Uint8Array} make */
export function withBodies(module, make) {
  const bodies = functions(module).bodies.map(make)
  const code = [Buffer.from(encoded(bodies.length)), ...bodies.flatMap((body) => [Buffer.from(encoded(body.length)), body])]
  return withSections(module, { [CODE]: () => Buffer.concat(code) })
}

/** The same module with these names of its functions, by index, and nothing else that does not run. @param {Uint8Array} module @param {[number, string][]} names */
export function withFunctionNames(module, names) {
  const entries = [...names].sort(([a], [b]) => a - b).map(([index, name]) => Buffer.concat([Buffer.from(encoded(index)), named(name)]))
  const list = Buffer.concat([Buffer.from(encoded(entries.length)), ...entries])
  const body = Buffer.concat([named('name'), Buffer.from([FUNCTION_NAMES, ...encoded(list.length)]), list])
  return Buffer.concat([withoutCustom(module), Buffer.from([CUSTOM, ...encoded(body.length)]), body])
}

/** The same module with nothing in it that does not run. @param {Uint8Array} module */
export function withoutCustom(module) {
  return withSections(module, { [CUSTOM]: () => null })
}

/** The same module with only the exports that `wanted` approves of by name. @param {Uint8Array} module @param {(name: string) => boolean} wanted */
export function withExports(module, wanted) {
  return withSections(module, { [EXPORTS]: (bytes) => withEntries(bytes, 1, ([name], rest) => (wanted(name) ? Buffer.concat([named(name), rest]) : undefined)) })
}

/** The same module with its functions' names, those it imports and those it exports, as `rename` gives them. @param {Uint8Array} module @param {(name: string) => string} rename */
export function withNames(module, rename) {
  return withSections(module, {
    [IMPORTS]: (bytes) => withEntries(bytes, 2, ([from, name], rest) => Buffer.concat([named(from), named(rename(name)), rest])),
    [EXPORTS]: (bytes) => withEntries(bytes, 1, ([name], rest) => Buffer.concat([named(rest[0] === FUNCTION ? rename(name) : name), rest])),
  })
}

/** The glue without the ways to start that nobody uses: with bytes, or with parameters that are deprecated. @param {string} glue */
export function withOneStart(glue) {
  const others = / {4}if \(module !== undefined\) \{\n {8}if \(Object\.getPrototypeOf\(module\)[^]*?\n {4}\}\n(?=\n {4}const imports)/
  const bytes = / {4}if \(!\(module instanceof WebAssembly\.Module\)\) \{\n {8}module = new WebAssembly\.Module\(module\);\n {4}\}\n/
  if (!others.test(glue) || !bytes.test(glue)) throw new Error('the glue starts in another way: wasm-bindgen writes it in another form now')
  return glue.replace(others, '    ({module} = module);\n').replace(bytes, '')
}

/**
 * A module and its glue with short names between them. Names that start with the same letters as others would be found in them, so the glue
 * is searched for whole words where wasm-bindgen puts them.
 */
export function shortened(module, glue) {
  const short = new Map()
  const renamed = withNames(module, (name) => {
    if (!short.has(name)) short.set(name, `_${short.size.toString(36)}`)
    return short.get(name)
  })
  const found = new Set()
  const replaced = (name, form) => {
    if (!short.has(name)) return undefined
    found.add(name)
    return form(short.get(name))
  }
  const text = glue
    .replaceAll(/^( +)(\w+)(?=: function\()/gm, (whole, indent, name) => replaced(name, (to) => `${indent}${to}`) ?? whole)
    .replaceAll(/\bwasm\.(\w+)/g, (whole, name) => replaced(name, (to) => `wasm.${to}`) ?? whole)
  const missed = [...short.keys()].filter((name) => !found.has(name))
  if (missed.length > 0) throw new Error(`the glue has no place for ${missed.join(', ')}: wasm-bindgen writes it in another form now`)
  // What the module asks for has short names now; wasm-opt found that the rest is asked for by nobody.
  return { module: renamed, glue: text.replaceAll(/^ {8}__wb\w+: function\([^]*?\n {8}\}.*\n/gm, '') }
}
