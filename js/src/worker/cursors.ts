// Results that leave bit by bit: rows of a query in parts, and cursors, which a client asks for more until there is no more.
//
// I1  A cursor is freed when it is at its end, has failed or is let go of, and then its connection goes back to whoever lent it.

import type { Connection, Cursor } from '../../wasm/coffer_web.js'
import { CofferError } from '../error.js'
import type { Answers, Bound, Call } from '../protocol.js'
import { interruptible } from './cancel.js'
import type { Client } from './client.js'
import { more, noRows } from './statements.js'

/** Rows leave in parts of about this size, so that the page reads some while others are made, and one kept text does not keep a large result alive. */
const partBytes = 256 * 1024

const all = 0xffff_ffff

/** The rows of a statement: the last part of them, those before it having been sent. */
export function query(client: Client, connection: Connection, { id, sql, values, first }: Bound & { id: number; first?: boolean }): Uint8Array {
  if (first === true) return connection.first(sql, values)
  const cursor = connection.open(sql, values)
  if (cursor === undefined) return noRows()
  try {
    for (;;) {
      const rows = cursor.next(all, partBytes)
      if (!more(rows)) return rows
      client.caller.send([{ id, part: rows }], client.caller.remote ? [] : [rows.buffer])
    }
  } finally {
    free(cursor)
  }
}

/** All rows of a statement; undefined if it has none to give. */
export function whole(connection: Connection, { sql, values }: Bound): Uint8Array | undefined {
  const cursor = connection.open(sql, values)
  if (cursor === undefined) return undefined
  try {
    return cursor.next(all, all)
  } finally {
    free(cursor)
  }
}

export class Cursors {
  readonly #giveBack: (connection: Connection) => void

  /** `giveBack` takes a connection that was lent for one cursor. */
  constructor(giveBack: (connection: Connection) => void) {
    this.#giveBack = giveBack
  }

  /** Opens one, and gives its first rows. Outside of a transaction the connection is lent for it. */
  open(client: Client, connection: Connection, { id, sql, values, rows, transaction, flags }: Extract<Call, { kind: 'iterate' }> & { id: number }): Answers['iterate'] {
    let open: Cursor | undefined
    try {
      open = interruptible(flags, () => connection.open(sql, values))
      if (open === undefined) throw new CofferError('sqlite', 'the statement has no rows to iterate')
      const cursor = open
      const chunk = interruptible(flags, () => cursor.next(rows, partBytes))
      client.cursors.set(id, { cursor, connection, transaction })
      if (!more(chunk)) this.release(client, id)
      return { cursor: id, rows: chunk }
    } catch (error) {
      if (open !== undefined) free(open)
      if (transaction === undefined) this.#giveBack(connection)
      throw error
    }
  }

  /** The next rows of one. */
  next(client: Client, id: number, rows: number): Uint8Array {
    const open = client.cursors.get(id)
    if (open === undefined) throw new CofferError('aborted', 'the transaction of this iteration is over')
    try {
      const chunk = open.cursor.next(rows, partBytes)
      if (!more(chunk)) this.release(client, id)
      return chunk
    } catch (error) {
      this.release(client, id)
      throw error
    }
  }

  /** Lets go of one (I1). */
  release(client: Client, id: number): void {
    const open = client.cursors.get(id)
    if (open === undefined) return
    client.cursors.delete(id)
    free(open.cursor)
    if (open.transaction === undefined) this.#giveBack(open.connection)
  }
}

/** A trap leaves a cursor that cannot be freed; it is the trap that is told then. */
function free(cursor: Cursor): void {
  try {
    cursor.free()
  } catch {
    // As said.
  }
}
