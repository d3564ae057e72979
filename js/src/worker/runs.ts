// Runs that were asked for at once, of one caller: as many in one transaction as there is time for, since a commit costs many times what a
// small statement does. None is to notice.
//
// I1  Each is answered as if it had run by itself. If one would have gone otherwise (it rolls back more than itself, or owes a row to a
//     foreign key), the transaction is taken back, of which nobody has been told, and its runs follow one by one.
// I2  The commit bears the names of all that it is of, and of no other: the transaction ends with the first that fails.

import type { Connection } from '../../wasm/coffer_web.js'
import { asError, encodeError } from '../error.js'
import type { ClientId, Failure, Ran, Runs, Sets } from '../protocol.js'
import { isOver } from './batch.js'
import { outcomeBytes } from './client.js'

/** Without a pause no message would be heard while many are worked off. */
export const sliceMs = 8

/** What may share a transaction: neither what begins or ends one, nor what wants to be by itself. */
const sharing = /^\s*(?:insert|update|delete|replace|with)\b/i

/** Those that are still to be run. */
export type Progress = { -readonly [K in keyof Runs]: Runs[K] } & {
  id: number
  /** Where the next begins in the first of the groups. */
  at?: number
  /** How many are to run one by one. */
  apart?: number
}

/** Runs the next ones, and takes them off. `alone`: one by one. */
export function runNext(connection: Connection, progress: Progress, [high, low]: ClientId, alone: boolean): Ran {
  const { id, groups, apart = 0 } = progress
  let { at = 0 } = progress
  let taken = 0
  let count = 0
  const failures: Failure[] = []
  const next = (): Sets => groups[taken] ?? { sql: '', values: new Uint8Array() }
  const shared = !alone && apart === 0 && connection.autocommit() && sharing.test(next().sql)
  const until = shared ? Date.now() + sliceMs : 0
  // What an earlier attempt left.
  connection.outcomes()
  try {
    if (shared) connection.exec('begin immediate')
    do {
      const { sql, values } = next()
      try {
        connection.runMany(sql, values, at, until)
      } catch (error) {
        const failure = encodeError(error)
        if (isOver(failure)) throw error
        failures.push(failure)
      }
      at = connection.setsAt()
      if (at >= values.length) [taken, at] = [taken + 1, 0]
    } while (failures.length === 0 && Date.now() < until && sharing.test(next().sql))
    const outcomes = connection.outcomes()
    count = outcomes.length / outcomeBytes
    if (shared) {
      if (connection.autocommit()) throw asError({ code: '', message: '' })
      const done = count - failures.length
      connection.setRequest(high, low, id + done - 1, done)
      // Of one that failed nothing is there, but SQLite would count a change.
      if (done > 0) connection.exec('commit')
    }
    Object.assign(progress, { id: id + count, count: progress.count - count, groups: groups.slice(taken), at, apart: Math.max(apart - 1, 0) })
    return { id, outcomes, failures }
  } catch (error) {
    if (!shared || isOver(encodeError(error))) throw error
    // I1
    progress.apart = Math.max(count, 1)
  } finally {
    if (shared && !connection.autocommit()) connection.exec('rollback')
  }
  return runNext(connection, progress, [high, low], alone)
}
