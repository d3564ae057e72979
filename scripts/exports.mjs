// Takes the exports out of a wasm module that nobody calls, so that wasm-opt can drop the functions behind them.
//
// rustc exports every `#[no_mangle]` function of every crate; C code calls some of them (allocators, shims) and JavaScript none.

const EXPORTS = 7

function number(bytes, at) {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return [value, at]
  }
}

function encoded(value) {
  const bytes = []
  for (; value >= 0x80; value = Math.floor(value / 0x80)) bytes.push((value % 0x80) | 0x80)
  return [...bytes, value]
}

/** The same module with only the exports that `wanted` approves of by name. @param {Uint8Array} module @param {(name: string) => boolean} wanted */
export function withExports(module, wanted) {
  const parts = [module.subarray(0, 8)]
  for (let at = 8; at < module.length; ) {
    const [length, start] = number(module, at + 1)
    const end = start + length
    parts.push(module[at] === EXPORTS ? section(module.subarray(start, end), wanted) : module.subarray(at, end))
    at = end
  }
  return Buffer.concat(parts)
}

function section(bytes, wanted) {
  const kept = []
  let [count, at] = number(bytes, 0)
  for (; count > 0; count -= 1) {
    const begin = at
    const [length, name] = number(bytes, at)
    // After the name: one byte for the kind, then the index.
    at = number(bytes, name + length + 1)[1]
    if (wanted(Buffer.from(bytes.subarray(name, name + length)).toString())) kept.push(bytes.subarray(begin, at))
  }
  const body = Buffer.concat([Buffer.from(encoded(kept.length)), ...kept])
  return Buffer.concat([Buffer.from([EXPORTS, ...encoded(body.length)]), body])
}
