// The wasm boundary: the one module that touches the generated glue. Only the worker imports it.

import { Database, about, initSync, onPanic } from '../wasm/coffer_web.js'
import { CofferError } from './error.js'
import type { Answer, Call } from './protocol.js'
import type { About, RunResult } from './types.js'

/** A loaded engine with at most one open database. */
export class Host {
  #database: Database | undefined

  /** Instantiates the module. `panicked` is told a panic's message just before the trap. */
  constructor(module: WebAssembly.Module, panicked: (message: string) => void) {
    initSync({ module })
    onPanic(panicked)
  }

  /** Does what was asked. Synchronous so far: SQLite runs to completion. */
  answer(call: Call): Answer {
    switch (call.kind) {
      case 'open':
        this.#database ??= Database.openInMemory()
        return about() as About
      case 'exec':
        this.#open().exec(call.sql)
        return undefined
      case 'run': {
        const { changes, lastInsertRowid } = this.#open().run(call.sql, call.values) as { changes: bigint; lastInsertRowid: bigint }
        return { changes: Number(changes), lastInsertRowid: exact(lastInsertRowid) } satisfies RunResult
      }
      case 'query':
        return this.#open().query(call.sql, call.values)
      case 'close':
        this.#database?.free()
        this.#database = undefined
        return undefined
      default:
        return call satisfies never
    }
  }

  #open(): Database {
    if (this.#database === undefined) throw new CofferError('closed', 'the database is closed')
    return this.#database
  }
}

/** A number where it is exact, else the bigint. */
function exact(value: bigint): number | bigint {
  const rounded = Number(value)
  return Number.isSafeInteger(rounded) ? rounded : value
}
