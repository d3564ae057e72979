// Rows and parameters as bytes: the JavaScript side of crate/sqlite/src/wire.rs, where the layout is described.
// Knows nothing of workers; runs on the page, so that decoding rows does not hold up the next statement.

import type { Row, SqlInput, SqlParameters, SqlValue } from './types.js'

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
  const writer = new Writer()
  if (isPositional(parameters)) {
    writer.byte(0)
    writer.length(parameters.length)
    for (const value of parameters) writer.value(value)
  } else {
    const entries = Object.entries(parameters)
    writer.byte(1)
    writer.length(entries.length)
    for (const [name, value] of entries) {
      writer.text(name)
      writer.value(value)
    }
  }
  return writer.finish()
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

  text(text: string): void {
    this.#put(encoder.encode(text))
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

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#at)
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
    } else if (value instanceof Date) {
      this.byte(tagText)
      this.text(value.toISOString())
    } else throw new TypeError(`${Object.prototype.toString.call(value)} cannot be a SQL value; JSON.stringify it, or bind its fields`)
  }

  #put(bytes: Uint8Array): void {
    this.length(bytes.length)
    this.#room(bytes.length)
    this.#bytes.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #room(size: number): void {
    if (this.#at + size <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + size))
    grown.set(this.#bytes)
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}
