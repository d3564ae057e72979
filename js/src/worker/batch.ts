// Many statements in one transaction. They come in groups, each of one statement with many sets of parameters, which the engine runs in one
// call: looking a statement up and crossing into wasm for each row would cost several times what SQLite does with it.
//
// I1  Every run has one outcome, in the order of asking, whether it failed or not.

import type { Connection } from '../../wasm/coffer_web.js'
import { decodeError, encodeError } from '../error.js'
import type { Answers, Failure, Sets } from '../protocol.js'

const outcomeBytes = 16

/** All of it in one transaction, or in a savepoint of the one that is open. */
export function batch(connection: Connection, groups: readonly Sets[], goOn: boolean): Answers['batch'] {
  const alone = connection.autocommit()
  connection.exec(alone ? 'begin immediate' : 'savepoint coffer_batch')
  // What an earlier attempt left, which had to wait for a file.
  connection.outcomes()
  const parts: Uint8Array[] = []
  const failures: { index: number; failure: Failure }[] = []
  let done = 0
  const take = (): void => {
    const part = connection.outcomes()
    parts.push(part)
    done += part.length / outcomeBytes
  }
  try {
    for (const { sql, values } of groups) {
      for (let at = 0; at < values.length; at = connection.setsAt()) {
        try {
          connection.runMany(sql, values, at)
          take()
        } catch (error) {
          take()
          const failure = encodeError(error)
          // What ends the worker, and what is to be repeated, is none of the statement's failures.
          if (failure.code === 'worker_lost' || failure.code === 'not_ready') throw error
          // A statement that fails undoes itself alone, unless it undid everything (`or rollback`, a full disk, an interrupt).
          if (!goOn || connection.autocommit()) throw decodeError({ ...failure, detail: { index: done - 1 } })
          failures.push({ index: done - 1, failure })
        }
      }
    }
    connection.exec(alone ? 'commit' : 'release coffer_batch')
    return { outcomes: joined(parts), failures }
  } catch (error) {
    if (!connection.autocommit()) connection.exec(alone ? 'rollback' : 'rollback to coffer_batch; release coffer_batch')
    throw error
  }
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts
  if (first !== undefined && parts.length === 1) return first
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
