// The real engine with little memory: the same module, its memory section given a maximum. How a machine that has no more to give is tested
// without taking gigabytes from this one.

const memorySection = 5

/** Reads an unsigned LEB128 number: [value, bytes it took]. */
function read(bytes, at) {
  let value = 0
  for (let size = 0; ; size += 1) {
    value |= (bytes[at + size] & 0x7f) << (7 * size)
    if (bytes[at + size] < 0x80) return [value, size + 1]
  }
}

function write(value) {
  const bytes = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest]
    bytes.push((rest & 0x7f) | 0x80)
  }
}

/** The bytes of the module at `address`, able to grow by `pages` of 64 KiB and no further. */
export async function smallMemory(address, pages) {
  const bytes = new Uint8Array(await (await fetch(address)).arrayBuffer())
  for (let at = 8; at < bytes.length; ) {
    const [length, lengthSize] = read(bytes, at + 1)
    const content = at + 1 + lengthSize
    if (bytes[at] === memorySection) {
      // One memory, flags 0 (no maximum), minimum.
      if (bytes[content] !== 1 || bytes[content + 1] !== 0) throw new Error('the module has not one memory without a maximum')
      const [minimum] = read(bytes, content + 2)
      const section = [1, 1, ...write(minimum), ...write(minimum + pages)]
      return new Uint8Array([...bytes.subarray(0, at), memorySection, ...write(section.length), ...section, ...bytes.subarray(content + length)])
    }
    at = content + length
  }
  throw new Error('the module has no memory section')
}
