// A prepared statement. The worker keeps compiled statements by their text, so there is nothing to release there.

import { CofferError } from './error.js'
import type { IterateOptions, Queries, QueryOptions, RunResult, SqlParameters, Statement, StatementInfo, StatementOptions } from './types.js'

function finalized(): CofferError {
  return new CofferError('closed', 'the statement is finalized')
}

/** What statements have in common, whether they wait or not. */
export class Prepared<Q> implements StatementInfo {
  readonly sql: string
  readonly columns: readonly string[]
  readonly parameters: number
  readonly readonly: boolean
  #queries: Q | undefined

  constructor(queries: Q, sql: string, { columns, parameters, readonly }: StatementInfo) {
    this.#queries = queries
    this.sql = sql
    this.columns = columns
    this.parameters = parameters
    this.readonly = readonly
  }

  finalize(): void {
    this.#queries = undefined
  }

  [Symbol.dispose](): void {
    this.finalize()
  }

  /** Where it runs; throws when its use has ended. */
  protected on(): Q {
    if (this.#queries === undefined) throw finalized()
    return this.#queries
  }

  protected get isFinalized(): boolean {
    return this.#queries === undefined
  }
}

export class WorkerStatement<T extends object> extends Prepared<Queries> implements Statement<T> {
  all(parameters?: SqlParameters, options?: QueryOptions): Promise<T[]> {
    return this.#ask((queries) => queries.query<T>(this.sql, parameters, options))
  }

  get(parameters?: SqlParameters, options?: QueryOptions): Promise<T | undefined> {
    return this.#ask((queries) => queries.get<T>(this.sql, parameters, options))
  }

  run(parameters?: SqlParameters, options?: StatementOptions): Promise<RunResult> {
    return this.#ask((queries) => queries.run(this.sql, parameters, options))
  }

  iterate(parameters?: SqlParameters, options?: IterateOptions): AsyncIterableIterator<T> {
    return this.on().iterate<T>(this.sql, parameters, options)
  }

  /** What is asked of one that is finalized rejects; only a mistake in the call throws. */
  #ask<R>(work: (queries: Queries) => Promise<R>): Promise<R> {
    return this.isFinalized ? Promise.reject(finalized()) : work(this.on())
  }
}
