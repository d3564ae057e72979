// Statements on a connection, whoever asks for them: a session for its clients, or the synchronous API for its caller.

import type { Connection } from '../../wasm/coffer_web.js'
import { decodeError, encodeError } from '../error.js'
import type { Answers, Bound, Call, Failure } from '../protocol.js'
import type { BatchItem, RunResult, StatementInfo } from '../types.js'

/** Whether more rows follow these. */
export function more(rows: Uint8Array): boolean {
  return rows[12] === 1
}

/** A result without columns and rows. */
export function noRows(): Uint8Array {
  const rows = new Uint8Array(13)
  rows[8] = rows.length
  return rows
}

/** Runs what gives no rows. */
export function perform(connection: Connection, call: Extract<Call, { kind: 'exec' | 'run' | 'prepare' | 'batch' }>): Answers['exec' | 'run' | 'prepare' | 'batch'] {
  switch (call.kind) {
    case 'exec':
      connection.exec(call.sql)
      return undefined
    case 'run':
      return run(connection, call)
    case 'prepare': {
      const { columns, parameters, readonly } = connection.prepare(call.sql) as StatementInfo
      return { columns, parameters, readonly }
    }
    case 'batch':
      return batch(connection, call.items, call.goOn)
    default:
      return call satisfies never
  }
}

/** Runs one statement and says what it changed. */
export function run(connection: Connection, { sql, values }: Bound): RunResult {
  const changes = connection.run(sql, values)
  const rowid = connection.lastInsertRowid()
  const rounded = Number(rowid)
  return { changes, lastInsertRowid: Number.isSafeInteger(rounded) ? rounded : rowid }
}

/** All of it in one transaction, or in a savepoint of the one that is open. */
export function batch(connection: Connection, items: readonly Bound[], goOn: boolean): Answers['batch'] {
  const alone = connection.autocommit()
  connection.exec(alone ? 'begin immediate' : 'savepoint coffer_batch')
  const done: (BatchItem | { readonly failure: Failure })[] = []
  let index = 0
  try {
    for (const item of items) {
      try {
        done.push(run(connection, item))
      } catch (error) {
        const problem = encodeError(error)
        // A statement that fails undoes itself alone, unless it undid everything (`or rollback`, a full disk, an interrupt).
        if (!goOn || connection.autocommit() || problem.code === 'worker_lost' || problem.code === 'not_ready') throw error
        done.push({ failure: problem })
      }
      index += 1
    }
    connection.exec(alone ? 'commit' : 'release coffer_batch')
    return done
  } catch (error) {
    if (!connection.autocommit()) connection.exec(alone ? 'rollback' : 'rollback to coffer_batch; release coffer_batch')
    const problem = encodeError(error)
    if (problem.code === 'worker_lost' || index >= items.length) throw error
    throw decodeError({ ...problem, detail: { index } })
  }
}
