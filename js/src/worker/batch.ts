// Many statements in one transaction. They come in groups, each of one statement with many sets of parameters, which the engine runs in one
// call: looking a statement up and crossing into wasm for each row would cost several times what SQLite does with it.
//
// I1  Every run has one outcome, in the order of asking, whether it failed or not.

import type { Connection } from '../../wasm/coffer_web.js'
import { asError, encodeError } from '../error.js'
import type { Answers, Failure, Sets } from '../protocol.js'
import { outcomeBytes } from './client.js'

/** Whether a failure is none of a statement's: it ends the worker, or the statement is to be repeated. */
export function isOver({ code }: Failure): boolean {
  return code === 'worker_lost' || code === 'not_ready'
}

/** All of it in one transaction, or in a savepoint of the one that is open. */
export function batch(connection: Connection, groups: readonly Sets[], goOn: boolean): Answers['batch'] {
  const alone = connection.autocommit()
  connection.exec(alone ? 'begin immediate' : 'savepoint coffer_batch')
  // What an earlier attempt left, which had to wait for a file.
  connection.outcomes()
  const failures: Failure[] = []
  try {
    for (const { sql, values } of groups) {
      for (let at = 0; at < values.length; at = connection.setsAt()) {
        try {
          connection.runMany(sql, values, at, Infinity)
        } catch (error) {
          const failure = encodeError(error)
          if (isOver(failure)) throw error
          // A statement that fails undoes itself alone, unless it undid everything (`or rollback`, a full disk, an interrupt).
          if (!goOn || connection.autocommit()) throw asError({ ...failure, detail: { index: connection.outcomes().length / outcomeBytes - 1 } })
          failures.push(failure)
        }
      }
    }
    connection.exec(alone ? 'commit' : 'release coffer_batch')
    return { outcomes: connection.outcomes(), failures }
  } catch (error) {
    if (!connection.autocommit()) connection.exec(alone ? 'rollback' : 'rollback to coffer_batch; release coffer_batch')
    throw error
  }
}
