// Rows and parameters as bytes: the JavaScript side of crate/sqlite/src/wire.rs, where the layout is described.
// Knows nothing of workers; runs on the page, so that decoding rows does not hold up the next statement.

import type { Bound, Sets } from './protocol.js'
import type { BatchStatement, Row, RunResult, SqlInput, SqlParameters, SqlValue } from './types.js'

const tagNull = 0
const tagInteger = 1
const tagReal = 2
const tagText = 3
const tagBlob = 4
const tagSmallInteger = 5

// A byte order mark at the start of a text is part of the text.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
const encoder = new TextEncoder()

/**
 * Reads a chunk of a result and adds its rows to `rows`; true if more chunks follow. Each row is a plain object in column order; a repeated
 * column name keeps its last value. With `bigint`, every integer is one.
 */
export function decodeRows(bytes: Uint8Array, rows: object[], bigint = false): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const rowCount = view.getUint32(0, true)
  const columnCount = view.getUint32(4, true)
  const textsAt = view.getUint32(8, true)
  const texts = decoder.decode(bytes.subarray(textsAt))
  let at = 13
  let textAt = 0
  const text = (): string => {
    const end = textAt + view.getUint32(at, true)
    at += 4
    const value = texts.slice(textAt, end)
    textAt = end
    return value
  }
  const value = (): SqlValue => {
    const tag = bytes[at]
    at += 1
    switch (tag) {
      case tagText:
        return text()
      case tagSmallInteger: {
        at += 4
        const small = view.getInt32(at - 4, true)
        return bigint ? BigInt(small) : small
      }
      case tagNull:
        return null
      case tagReal:
        at += 8
        return view.getFloat64(at - 8, true)
      case tagInteger: {
        at += 8
        const exact = view.getBigInt64(at - 8, true)
        const rounded = Number(exact)
        return bigint || !Number.isSafeInteger(rounded) ? exact : rounded
      }
      case tagBlob: {
        const start = at + 4
        at = start + view.getUint32(at, true)
        // A copy: a view would keep the whole result alive for the sake of one blob.
        return bytes.slice(start, at)
      }
      default:
        throw new RangeError(`no value has the tag ${String(tag)}`)
    }
  }

  const columns = Array.from({ length: columnCount }, text)
  // Assigning to `__proto__` would change the row's prototype instead of adding a column.
  if (columns.includes('__proto__')) {
    for (let row = 0; row < rowCount; row += 1) rows.push(Object.fromEntries(columns.map((column) => [column, value()])))
  } else {
    for (let index = 0; index < rowCount; index += 1) {
      const row: Row = {}
      for (const column of columns) row[column] = value()
      rows.push(row)
    }
  }
  return bytes[12] === 1
}

/** Writes parameters; throws TypeError for what SQL has no form for, since that is a mistake in the calling code. */
export function encodeParameters(parameters: SqlParameters = []): Uint8Array<ArrayBuffer> {
  const writer = shared ?? new Writer()
  // A getter of the caller's may come back here while it is in use.
  shared = undefined
  writer.parameters(parameters)
  const bytes = writer.take()
  shared = writer
  return bytes
}

/** A group is no larger than this by much: the engine has to have it in its memory, which never shrinks. */
const groupBytes = 256 * 1024

/** Statements as groups: neighbours of the same text together. */
export function encodeGroups(statements: readonly BatchStatement[]): Sets[] {
  return grouped(statements, groupBytes, (writer, { params = [] }) => writer.parameters(params))
}

/** The same of statements whose parameters are in wire form. A group is copied anew for each transaction that it takes. */
export function joinRuns(runs: readonly Bound[]): Sets[] {
  return grouped(runs, groupBytes / 8, (writer, { values }) => writer.append(values))
}

function grouped<T extends { readonly sql: string }>(statements: readonly T[], bytes: number, write: (writer: Writer, statement: T) => void): Sets[] {
  const groups: Sets[] = []
  const writer = new Writer()
  let last: string | undefined
  for (const statement of statements) {
    const { sql } = statement
    if (typeof sql !== 'string') throw new TypeError('SQL is a string')
    if (last !== undefined && (last !== sql || writer.size >= bytes)) groups.push({ sql: last, values: writer.take() })
    write(writer, statement)
    last = sql
  }
  if (last !== undefined) groups.push({ sql: last, values: writer.take() })
  return groups
}

/** Reads what runs did. One that failed has NaN changes. */
export function decodeOutcomes(bytes: Uint8Array): RunResult[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const outcomes: RunResult[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    const rounded = view.getUint32(at + 8, true) + view.getInt32(at + 12, true) * 2 ** 32
    outcomes.push({ changes: view.getFloat64(at, true), lastInsertRowid: Number.isSafeInteger(rounded) ? rounded : view.getBigInt64(at + 8, true) })
  }
  return outcomes
}

function isPositional(parameters: SqlParameters): parameters is readonly SqlInput[] {
  return Array.isArray(parameters)
}

class Writer {
  #bytes = new Uint8Array(256)
  #view = new DataView(this.#bytes.buffer)
  #at = 0

  byte(byte: number): void {
    this.#room(1)
    this.#view.setUint8(this.#at, byte)
    this.#at += 1
  }

  length(length: number): void {
    this.#room(4)
    this.#view.setUint32(this.#at, length, true)
    this.#at += 4
  }

  get size(): number {
    return this.#at
  }

  /** Writes what is in wire form. */
  append(bytes: Uint8Array): void {
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  parameters(parameters: SqlParameters): void {
    if (typeof parameters !== 'object') throw new TypeError('parameters are an array, or an object of names')
    if (isPositional(parameters)) {
      this.byte(0)
      this.length(parameters.length)
      for (const value of parameters) this.value(value)
    } else {
      const entries = Object.entries(parameters)
      this.byte(1)
      this.length(entries.length)
      for (const [name, value] of entries) {
        this.text(name)
        this.value(value)
      }
    }
  }

  text(text: string): void {
    // As many bytes as it can have at most.
    this.#room(4 + text.length * 3)
    const start = this.#at + 4
    const bytes = this.#bytes
    let at = start
    // The encoder costs more than short texts do.
    if (text.length <= shortText) {
      for (let index = 0; index < text.length; index += 1) {
        const unit = text.charCodeAt(index)
        if (unit > 0x7f) break
        bytes[at++] = unit
      }
    }
    if (at - start < text.length) at = start + encoder.encodeInto(text, bytes.subarray(start)).written
    this.#view.setUint32(this.#at, at - start, true)
    this.#at = at
  }

  value(value: SqlInput): void {
    switch (typeof value) {
      case 'number':
        return this.#number(value)
      case 'bigint':
        return this.#bigint(value)
      case 'string':
        this.byte(tagText)
        return this.text(value)
      case 'boolean':
        return this.#number(value ? 1 : 0)
      case 'undefined':
        return this.byte(tagNull)
      default:
        return this.#object(value)
    }
  }

  /** What was written since the last time. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.#at)
    this.#at = 0
    if (this.#bytes.length > bytesKept) this.#reserve(256)
    return taken
  }

  /** SQLite tells 1 from 1.0 only by storage class; a whole number is an integer there, as it is in every other SQLite binding. -0 stays real. */
  #number(value: number): void {
    if (Number.isInteger(value) && value === (value | 0) && !Object.is(value, -0)) {
      this.byte(tagSmallInteger)
      this.#room(4)
      this.#view.setInt32(this.#at, value, true)
      this.#at += 4
    } else if (Number.isSafeInteger(value) && !Object.is(value, -0)) this.#bigint(BigInt(value))
    else {
      this.byte(tagReal)
      this.#room(8)
      this.#view.setFloat64(this.#at, value, true)
      this.#at += 8
    }
  }

  #bigint(value: bigint): void {
    if (BigInt.asIntN(64, value) !== value) throw new TypeError(`${value} does not fit in the 64 bits of a SQL integer`)
    this.byte(tagInteger)
    this.#room(8)
    this.#view.setBigInt64(this.#at, value, true)
    this.#at += 8
  }

  #object(value: null | Uint8Array | Date): void {
    if (value === null) this.byte(tagNull)
    else if (value instanceof Uint8Array) {
      this.byte(tagBlob)
      this.#put(value)
    } else if (value instanceof Date && !Number.isNaN(value.getTime())) {
      this.byte(tagText)
      this.text(value.toISOString())
    } else throw new TypeError(`${Object.prototype.toString.call(value)} cannot be a SQL value; JSON.stringify it, or bind its fields`)
  }

  #put(bytes: Uint8Array): void {
    this.length(bytes.length)
    this.append(bytes)
  }

  #room(size: number): void {
    const needed = this.#at + size
    if (needed <= this.#bytes.length) return
    const written = this.#bytes
    this.#reserve(Math.max(written.length * 2, needed))
    this.#bytes.set(written)
  }

  #reserve(size: number): void {
    this.#bytes = new Uint8Array(size)
    this.#view = new DataView(this.#bytes.buffer)
  }
}

const shortText = 32
const bytesKept = 1024 * 1024

/** Kept between calls, since making one costs more than small parameters do; absent while it is in use. */
let shared: Writer | undefined
