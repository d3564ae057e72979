// The engine in this worker: the module, instantiated once, and the database that it has open. Only the worker imports it.

import { about, initSync, onPanic } from '../wasm/coffer_web.js'
import type { Database } from '../wasm/coffer_web.js'
import { CofferError } from './error.js'
import type { Answer, Call } from './protocol.js'
import type { About, RunResult } from './types.js'
import { Keeper } from './worker/keeper.js'

/** A loaded engine with at most one open database. */
export class Host {
  #keeper: Keeper | undefined

  /** Instantiates the module. `panicked` is told a panic's message just before the trap. */
  constructor(module: WebAssembly.Module, panicked: (message: string) => void) {
    initSync({ module })
    onPanic(panicked)
  }

  /** Does what was asked. What SQL changed is as durable as the database was opened for when this resolves. */
  async answer(call: Call): Promise<Answer> {
    switch (call.kind) {
      case 'open':
        // Nobody waits for upkeep; what fails in it is told by the next call that needs the same.
        this.#keeper ??= await Keeper.open(call, () => undefined)
        return about() as About
      case 'exec':
        await this.#write((database) => database.exec(call.sql))
        return undefined
      case 'run': {
        const { changes, lastInsertRowid } = await this.#write((database) => database.run(call.sql, call.values) as { changes: bigint; lastInsertRowid: bigint })
        return { changes: Number(changes), lastInsertRowid: exact(lastInsertRowid) } satisfies RunResult
      }
      case 'query':
        return this.#write((database) => database.query(call.sql, call.values))
      case 'close':
        await this.#keeper?.close()
        this.#keeper = undefined
        return undefined
      default:
        return call satisfies never
    }
  }

  async #write<T>(verb: (database: Database) => T): Promise<T> {
    if (this.#keeper === undefined) throw new CofferError('closed', 'the database is closed')
    const result = verb(this.#keeper.database)
    await this.#keeper.settle()
    return result
  }
}

/** A number where it is exact, else the bigint. */
function exact(value: bigint): number | bigint {
  const rounded = Number(value)
  return Number.isSafeInteger(rounded) ? rounded : value
}
