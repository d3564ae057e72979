// Live queries: which of them a commit may have changed, and what they show then.
//
// I1  Rows leave one result at a time, and only if they differ from those that left before; the last state always leaves.

import type { Connection } from '../../wasm/coffer_web.js'
import { fingerprint } from '../../wasm/coffer_web.js'
import { CofferError, encodeError } from '../error.js'
import type { Call, Failure } from '../protocol.js'
import type { StatementInfo } from '../types.js'
import type { Client, Watch } from './client.js'
import { whole } from './cursors.js'

/** A change of it may change anything. */
export const schema = 'sqlite_master'

/** Where live queries run. */
export interface Lender {
  /** Undefined if none is to be had now. */
  lend(): Connection | undefined
  giveBack(connection: Connection): void
}

export class Watches {
  readonly #clients: ReadonlySet<Client>
  readonly #lender: Lender

  constructor(clients: ReadonlySet<Client>, lender: Lender) {
    this.#clients = clients
    this.#lender = lender
  }

  /** Begins to watch a query. */
  add(client: Client, connection: Connection, { watch, sql, values, shown }: Extract<Call, { kind: 'watch' }>): undefined {
    const { reads, readonly } = connection.prepare(sql) as StatementInfo & { reads: readonly string[] }
    if (!readonly) throw new CofferError('readonly', 'a live query must only read')
    client.watches.set(watch, { sql, values, reads: new Set(reads), shown, dirty: true, unseen: false })
  }

  /** Tells clients of a commit, and remembers which queries are to run again. */
  changed(tables: readonly string[]): void {
    const everything = tables.includes(schema)
    for (const client of this.#clients) {
      client.say({ event: 'commit', tables })
      for (const watch of client.watches.values()) {
        if (everything) watch.reads = new Set()
        if (everything || watch.reads.size === 0 || tables.some((table) => watch.reads.has(table))) watch.dirty = true
      }
    }
  }

  /** Runs the queries again whose tables changed. Gives what ended the engine, if something did. */
  refresh(): Failure | undefined {
    for (const client of this.#clients) {
      for (const [id, watch] of client.watches) {
        if (!watch.dirty || watch.unseen) continue
        const connection = this.#lender.lend()
        // It stays dirty, and whoever ends a transaction comes by here.
        if (connection === undefined) return undefined
        watch.dirty = false
        const lost = show(client, id, watch, connection)
        // What is lost cannot be given back.
        if (lost !== undefined) return lost
        this.#lender.giveBack(connection)
      }
    }
    return undefined
  }
}

/** Sends the rows of a query if they are news. Gives what ended the engine, if something did. */
function show(client: Client, id: number, watch: Watch, connection: Connection): Failure | undefined {
  try {
    if (watch.reads.size === 0) watch.reads = new Set((connection.prepare(watch.sql) as { reads: readonly string[] }).reads)
    const rows = whole(connection, watch)
    const print = rows === undefined ? undefined : fingerprint(rows)
    if (rows === undefined || print === undefined || print === watch.shown) return undefined
    watch.shown = print
    watch.unseen = true
    client.say({ event: 'rows', watch: id, rows, print })
  } catch (error) {
    const failure = encodeError(error)
    if (failure.code === 'worker_lost') return failure
    // Tried again when something it may read changes; what it shows by then is news even if it is what it showed before.
    watch.shown = undefined
    client.say({ event: 'failed', watch: id, failure })
  }
  return undefined
}
