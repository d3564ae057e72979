// An open database, as the page sees it.

import type { Channel } from './channel.js'
import { CofferError, decodeError } from './error.js'
import { Live } from './live.js'
import type { News } from './protocol.js'
import { WorkerQueries } from './queries.js'
import { transact } from './transaction.js'
import type { About, Database, DatabaseEvents, Leader, LiveOptions, Row, SqlParameters, Transaction, TransactionOptions } from './types.js'

type Listeners = { readonly [E in keyof DatabaseEvents]: Set<(detail: DatabaseEvents[E]) => void> }

export class WorkerDatabase extends WorkerQueries implements Database {
  readonly name: string
  readonly about: About
  readonly #channel: Channel
  readonly #live: Live
  readonly #listeners: Listeners = { commit: new Set(), error: new Set(), leader: new Set(), close: new Set() }
  #closing: Promise<void> | undefined

  constructor(name: string, about: About, channel: Channel) {
    super(channel, {})
    this.name = name
    this.about = about
    this.#channel = channel
    this.#live = new Live(channel, (error) => this.#emit('error', error))
  }

  get leader(): Leader {
    return this.#channel.leader
  }

  transaction<R>(work: (transaction: Transaction) => R | Promise<R>, options?: TransactionOptions): Promise<R> {
    return transact(this.#channel, work, options)
  }

  live<T extends object = Row>(sql: string, parameters: SqlParameters, listener: (rows: T[]) => void | Promise<void>, options: LiveOptions = {}): () => void {
    return this.#live.start(sql, parameters, listener, options)
  }

  on<E extends keyof DatabaseEvents>(event: E, listener: (detail: DatabaseEvents[E]) => void): () => void {
    const listeners = this.#listeners[event]
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  close(): Promise<void> {
    this.#closing ??= this.#channel.call({ kind: 'close' }).then(
      () => {
        this.#channel.end(new CofferError('closed', 'the database is closed'))
        this.#emit('close', undefined)
      },
      // A worker that is lost already is as closed as can be.
      () => undefined,
    )
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Hears what the worker tells unasked. */
  heed(news: News): void {
    switch (news.event) {
      case 'rows':
      case 'failed':
        return this.#live.take(news)
      case 'commit':
        return this.#emit('commit', { tables: news.tables })
      case 'error':
        return this.#emit('error', decodeError(news.failure))
      case 'joined':
        this.#live.rejoin()
        return this.#emit('leader', { leader: news.leader })
      case 'at':
        // The channel keeps count of it.
        return
      case 'ended':
        this.#emit('error', decodeError(news.failure))
        return this.#emit('close', undefined)
      case 'lost':
        this.#emit('error', new CofferError('worker_lost', news.message))
        return this.#emit('close', undefined)
      default:
        return news satisfies never
    }
  }

  #emit<E extends keyof DatabaseEvents>(event: E, detail: DatabaseEvents[E]): void {
    for (const listener of this.#listeners[event]) {
      try {
        listener(detail)
      } catch (error) {
        // One listener's bug must not keep the news from the others.
        reportError(error)
      }
    }
  }
}
