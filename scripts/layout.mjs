// In which order the functions of a wasm module lie. gzip looks back 32 KB: what is alike has to be closer than that.
//
// Greedy: what comes next is what shares most, for its length, with what lies in the window already. That takes some seconds, saves 4 % of the
// download against the order of names, and 7 % against the linker's (docs/decisions/0015). A small change of what counts as most moves the
// result by a third of a percent either way, another one with each module, so a few are tried and the smallest wins.

import * as zlib from 'node:zlib'

/** Bytes that have to be equal in a row to count as shared; gzip begins at three, but those are everywhere. */
const RUN = 5
/** A run that more functions have than this tells nothing of which two are alike; the fewer have it, the more it counts. */
const COMMON = 3000
/** How far back gzip sees, less what lies between. */
const WINDOW_BYTES = 30_000
/**
 * What is tried: how much the length of a function counts against it (at 1, short ones would always come first), and how much it counts against
 * a run that many functions have it.
 */
const TRIES = [[0.75, 0.6], [0.75, 0.7], [0.78, 0.6], [0.78, 0.7], [0.78, 0.8], [0.8, 0.7], [0.8, 0.8]]

function hash(bytes, at) {
  let value = 0
  for (let next = at; next < at + RUN; next += 1) value = (Math.imul(value, 31) + bytes[next]) | 0
  return Math.imul(value ^ (value >>> 15), 0x85ebca6b)
}

/** For each body the numbers of the runs it shares with others, and for each run the bodies that have it. */
function sharedRuns(bodies) {
  const numbers = new Map()
  const owners = []
  const runs = bodies.map((bytes, index) => {
    const own = new Set()
    for (let at = 0; at + RUN <= bytes.length; at += 1) own.add(hash(bytes, at))
    return Array.from(own, (value) => {
      let number = numbers.get(value)
      if (number === undefined) {
        number = owners.push([]) - 1
        numbers.set(value, number)
      }
      owners[number].push(index)
      return number
    })
  })
  const tells = (number) => owners[number].length > 1 && owners[number].length <= COMMON
  return { runs: runs.map((own) => own.filter(tells)), owners }
}

/** The indexes of these bodies in an order that keeps those that are alike close together. @param {Uint8Array[]} bodies @returns {number[]} */
export function byLikeness(bodies) {
  const shared = sharedRuns(bodies)
  let best
  for (const [lengthPower, rarity] of TRIES) {
    const order = greedy(bodies, shared, lengthPower, rarity)
    const bytes = zlib.gzipSync(Buffer.concat(order.map((index) => bodies[index])), { level: 9 }).length
    if (best === undefined || bytes < best.bytes) best = { order, bytes }
  }
  return best.order
}

function greedy(bodies, { runs, owners }, lengthPower, rarity) {
  const present = new Uint16Array(owners.length)
  const shared = new Float64Array(bodies.length)
  const weight = bodies.map((bytes) => (bytes.length + 8) ** lengthPower)
  const worth = owners.map((having) => having.length ** -rarity)
  const left = new Set(bodies.keys())
  const change = (index, by) => {
    for (const run of runs[index]) {
      const before = present[run]
      present[run] += by
      if ((before === 0) !== (present[run] === 0)) for (const owner of owners[run]) shared[owner] += by * worth[run]
    }
  }
  const order = []
  let [oldest, bytes] = [0, 0]
  while (left.size > 0) {
    let best
    // Of several that are equally good, the first: the order is the same on every machine.
    for (const index of left) if (best === undefined || shared[index] / weight[index] > shared[best] / weight[best]) best = index
    left.delete(best)
    order.push(best)
    change(best, 1)
    bytes += bodies[best].length
    for (; bytes > WINDOW_BYTES && oldest < order.length - 1; oldest += 1) {
      change(order[oldest], -1)
      bytes -= bodies[order[oldest]].length
    }
  }
  return order
}
