// The connections that only read: lent to cursors, to read-only transactions and to statements that need not wait for the writer.
//
// I1  What comes back is in no transaction and reads the newest commit, whatever it was lent for.

import type { Connection } from '../../wasm/coffer_web.js'

/** Lent at one time. Each may hold a page cache. */
const lentMax = 8

export class Readers {
  readonly #connect: () => Connection
  readonly #idle: Connection[] = []
  #lent = 0

  constructor(connect: () => Connection) {
    this.#connect = connect
  }

  /** A connection; undefined if all there may be are lent. */
  borrow(): Connection | undefined {
    const idle = this.#idle.pop()
    if (idle === undefined && this.#lent >= lentMax) return undefined
    const reader = idle ?? this.#connect()
    this.#lent += 1
    return reader
  }

  giveBack(reader: Connection): void {
    this.#lent -= 1
    if (!reader.autocommit()) reader.exec('rollback') // I1
    this.#idle.push(reader)
  }

  /** Ends those that are not lent. */
  free(): void {
    for (const reader of this.#idle.splice(0)) reader.free()
  }
}
