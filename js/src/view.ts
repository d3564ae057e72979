// A kept commit, looked at.
//
// W1  Each query is a read-only transaction of its own, so a view holds nothing while it is not asked, and survives a hand-over.

import type { Channel } from './channel.js'
import { checkIteration, checkStatement, mustCount } from './check.js'
import { ask } from './chores.js'
import { statement } from './sql.js'
import { transact } from './transaction.js'
import type { IterateOptions, QueryOptions, Row, SqlInput, SqlParameters, Transaction, View } from './types.js'

export class CommitView implements View {
  readonly commit: number
  readonly #channel: Channel

  constructor(channel: Channel, commit: number) {
    mustCount({ commit })
    this.#channel = channel
    this.commit = commit
  }

  query<T extends object = Row>(sql: string, parameters?: SqlParameters, options?: QueryOptions): Promise<T[]> {
    checkStatement(sql, parameters, options)
    return this.#within((transaction) => transaction.query<T>(sql, parameters, options))
  }

  get<T extends object = Row>(sql: string, parameters?: SqlParameters, options?: QueryOptions): Promise<T | undefined> {
    checkStatement(sql, parameters, options)
    return this.#within((transaction) => transaction.get<T>(sql, parameters, options))
  }

  sql<T extends object = Row>(parts: TemplateStringsArray, ...values: readonly SqlInput[]): Promise<T[]> {
    return this.query<T>(statement(parts), values)
  }

  iterate<T extends object = Row>(sql: string, parameters?: SqlParameters, options: IterateOptions = {}): AsyncIterableIterator<T> {
    checkStatement(sql, parameters, options)
    checkIteration(sql, options)
    return this.#stream(sql, parameters, options)
  }

  async release(): Promise<void> {
    await ask(this.#channel, { do: 'release', commit: this.commit })
  }

  async *#stream<T extends object>(sql: string, parameters: SqlParameters | undefined, options: IterateOptions): AsyncGenerator<T, void, undefined> {
    // The transaction lasts as long as the loop, whichever way that ends.
    let begun: (rows: AsyncIterableIterator<T>) => void
    let end: () => void = () => undefined
    const rows = new Promise<AsyncIterableIterator<T>>((resolve) => (begun = resolve))
    const over = new Promise<void>((resolve) => (end = resolve))
    const whole = this.#within((transaction) => {
      begun(transaction.iterate<T>(sql, parameters, options))
      return over
    })
    whole.catch(() => undefined)
    try {
      const first = await Promise.race([rows, whole])
      if (first !== undefined) yield* first
    } finally {
      end()
      await whole
    }
  }

  #within<R>(work: (transaction: Transaction) => R | Promise<R>): Promise<R> {
    return transact(this.#channel, work, { readonly: true, at: this.commit })
  }
}
