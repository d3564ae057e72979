// Live queries, as the page keeps them.
//
// I1  After its end a live query's listener is not called, whatever is on its way.
// I2  The worker is told that rows were used only after the listener is done with them, so it never sends faster than they are used.

import type { Channel } from './channel.js'
import { checkStatement, mustBe } from './check.js'
import { CofferError, decodeError } from './error.js'
import type { News } from './protocol.js'
import type { CofferFailure, LiveOptions, SqlParameters } from './types.js'
import { decodeRows, encodeParameters } from './wire.js'

interface Watching {
  /** Tells the worker of it, the first time or again. */
  readonly register: () => void
  readonly rows: (bytes: Uint8Array) => void
  readonly failed: (error: CofferFailure) => void
  /** Fingerprint of the rows that the listener was given last. */
  shown: bigint | undefined
  state: 'asked' | 'idle' | 'busy' | 'moved'
}

/** The live queries of one database. */
export class Live {
  readonly #channel: Channel
  readonly #report: (error: CofferFailure) => void
  readonly #watching = new Map<number, Watching>()
  #last = 0

  /** `report` hears of failures for which a query has no listener. */
  constructor(channel: Channel, report: (error: CofferFailure) => void) {
    this.#channel = channel
    this.#report = report
  }

  start<T extends object>(sql: string, parameters: SqlParameters, listener: (rows: T[]) => void | Promise<void>, options: LiveOptions): () => void {
    const { onError = this.#report, signal, bigint } = options
    checkStatement(sql, parameters, options)
    mustBe('function', { listener, onError })
    const watch = ++this.#last
    const values = encodeParameters(parameters)
    const stop = (): void => {
      signal?.removeEventListener('abort', stop)
      if (this.#watching.delete(watch)) this.#channel.tell({ notice: 'unwatch', watch })
    }
    if (signal?.aborted === true) return stop
    signal?.addEventListener('abort', stop, { once: true })
    const deliver = async (bytes: Uint8Array): Promise<void> => {
      const rows: T[] = []
      decodeRows(bytes, rows, bigint)
      watching.state = 'busy'
      try {
        await listener(rows)
      } catch (error) {
        // A bug of the listener's, shown as one of any event listener's would be.
        reportError(error)
      }
      if (!this.#watching.has(watch)) return
      // I2: a new leader hears of the query only now.
      if ((watching.state as Watching['state']) === 'moved') watching.register()
      else {
        watching.state = 'idle'
        this.#channel.tell({ notice: 'seen', watch })
      }
    }
    const register = (): void => {
      watching.state = 'asked'
      this.#channel.call({ kind: 'watch', watch, sql, values, shown: watching.shown }).then(
        () => {
          if (watching.state === 'asked') watching.state = 'idle'
          // It was ended while it was on its way.
          if (!this.#watching.has(watch)) this.#channel.tell({ notice: 'unwatch', watch })
        },
        (error: unknown) => {
          if (this.#watching.delete(watch)) onError(error instanceof CofferError ? error : new CofferError('closed', String(error)))
        },
      )
    }
    const watching: Watching = { register, rows: (bytes) => void deliver(bytes), failed: onError, shown: undefined, state: 'asked' }
    this.#watching.set(watch, watching)
    register()
    return stop
  }

  /** A new leader knows nothing of them. */
  rejoin(): void {
    for (const watching of this.#watching.values()) {
      if (watching.state === 'busy') watching.state = 'moved'
      // One that was asked for and not answered is asked for again by the channel.
      else if (watching.state === 'idle') watching.register()
    }
  }

  take(news: News & { event: 'rows' | 'failed' }): void {
    const watching = this.#watching.get(news.watch)
    if (watching === undefined) return
    watching.shown = news.event === 'rows' ? news.print : undefined
    if (news.event === 'rows') watching.rows(news.rows)
    else watching.failed(decodeError(news.failure))
  }
}
