// Reads the instructions of a wasm function one by one, as far as a pass of ours has to tell them apart.

const [CALL_INDIRECT, RETURN_CALL_INDIRECT, SELECT_OF_TYPES, BR_TABLE] = [0x11, 0x13, 0x1c, 0x0e]
const [MEMORY_FIRST, MEMORY_LAST, MEMORY_SIZE, MEMORY_GROW] = [0x28, 0x3e, 0x3f, 0x40]
const [F32_CONST, F64_CONST, REF_NULL, PREFIX_BULK, PREFIX_VECTOR] = [0x43, 0x44, 0xd0, 0xfc, 0xfd]

/** Instructions with one number after them: blocks with their type, branches, calls, locals, globals, tables, constants, references to functions. */
const WITH_NUMBER = new Set([0x02, 0x03, 0x04, 0x0c, 0x0d, 0x10, 0x12, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x41, 0x42, 0xd2])

/** Vector instructions by their number: those that touch memory, those of them that say a lane too, and others with bytes after them. */
const vector = {
  memory: (number) => number <= 11 || (number >= 84 && number <= 93),
  memoryLane: (number) => number >= 84 && number <= 91,
  sixteenBytes: (number) => number === 12 || number === 13,
  lane: (number) => number >= 21 && number <= 34,
}

/** Bulk memory and table instructions by how many numbers follow: of the eight before them none does, they convert. */
const bulkNumbers = [2, 1, 2, 1, 2, 1, 2, 1, 1, 1]

export function number(bytes, at) {
  let value = 0
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++]
    value += (byte & 0x7f) * 2 ** shift
    if (byte < 0x80) return [value, at]
  }
}

function after(bytes, at, numbers) {
  let next = at
  for (let left = numbers; left > 0; left -= 1) next = number(bytes, next)[1]
  return next
}

/** Where the instruction at `at` ends, and where in it the alignment of its access to memory stands, if it makes one. */
function instruction(bytes, at) {
  const code = bytes[at]
  const next = at + 1
  if (WITH_NUMBER.has(code)) return { end: after(bytes, next, 1) }
  if (code >= MEMORY_FIRST && code <= MEMORY_LAST) return { end: after(bytes, next, 2), alignment: next }
  if (code === CALL_INDIRECT || code === RETURN_CALL_INDIRECT) return { end: after(bytes, next, 2) }
  if (code === MEMORY_SIZE || code === MEMORY_GROW || code === REF_NULL) return { end: next + 1 }
  if (code === F32_CONST) return { end: next + 4 }
  if (code === F64_CONST) return { end: next + 8 }
  if (code === BR_TABLE || code === SELECT_OF_TYPES) {
    const [count, first] = number(bytes, next)
    return { end: after(bytes, first, code === BR_TABLE ? count + 1 : count) }
  }
  if (code === PREFIX_BULK) {
    const [sub, first] = number(bytes, next)
    return { end: after(bytes, first, bulkNumbers[sub - 8] ?? 0) }
  }
  if (code === PREFIX_VECTOR) {
    const [sub, first] = number(bytes, next)
    if (vector.memory(sub)) return { end: after(bytes, first, 2) + (vector.memoryLane(sub) ? 1 : 0), alignment: first }
    return { end: first + (vector.sixteenBytes(sub) ? 16 : 0) + (vector.lane(sub) ? 1 : 0) }
  }
  return { end: next }
}

/** Where a function's instructions begin: after its locals. */
function firstInstruction(body) {
  const [groups, first] = number(body, 0)
  let at = first
  // A type of a local is one byte, as no reference to a type of one's own is among them.
  for (let left = groups; left > 0; left -= 1) at = number(body, at)[1] + 1
  return at
}

/**
 * The same function with accesses to memory that promise no alignment. The promise is a hint that no browser with vector instructions
 * looks at, and where it differs between two that are alike otherwise gzip has two things to say.
 * @param {Uint8Array} body @returns {Uint8Array}
 */
export function withoutAlignment(body) {
  const same = Uint8Array.from(body)
  let at = firstInstruction(same)
  while (at < same.length) {
    const { end, alignment } = instruction(same, at)
    if (alignment !== undefined) {
      // An alignment in more than one byte, or with the mark of a second memory.
      if (same[alignment] >= 0x40) throw new Error('an access to memory has more to it than is known here')
      same[alignment] = 0
    }
    at = end
  }
  if (at !== same.length) throw new Error('a function has instructions that are not known here')
  return same
}
