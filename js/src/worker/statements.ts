// Statements on a connection, whoever asks for them: a session for its clients, or the synchronous API for its caller.

import type { Connection } from '../../wasm/coffer_web.js'
import type { Answers, Bound, Call } from '../protocol.js'
import type { RunResult, StatementInfo } from '../types.js'
import { batch } from './batch.js'

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
      return batch(connection, call.groups, call.goOn)
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
