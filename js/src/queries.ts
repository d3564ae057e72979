// What a database and a transaction have in common: each method is one call to the worker.

import type { Channel } from './channel.js'
import { checkIteration, mayBeOneOf } from './check.js'
import type { CofferError } from './error.js'
import type { Scope } from './protocol.js'
import { collect, decodeRuns, stream } from './rows.js'
import { statement } from './sql.js'
import { WorkerStatement } from './statement.js'
import type {
  BatchOptions, BatchOutcome, BatchStatement, IterateOptions, Queries, QueryOptions, Row, RunResult, SqlInput, SqlParameters, Statement, StatementOptions,
} from './types.js'
import { encodeGroups, encodeParameters } from './wire.js'

const rowsPerBatch = 256

/** What of a channel a statement needs. */
type Line = Pick<Channel, 'call' | 'joins' | 'tell'>

export class WorkerQueries implements Queries {
  #line: Line
  readonly #scope: Scope

  constructor(channel: Channel, scope: Scope) {
    this.#line = channel
    this.#scope = scope
  }

  /** From now on everything rejects with `reason`. */
  protected finish(reason: CofferError): void {
    this.#line = { call: () => Promise.reject(reason), joins: 0, tell: () => undefined }
  }

  exec(sql: string, { signal }: StatementOptions = {}): Promise<void> {
    return this.#line.call({ kind: 'exec', sql, ...this.#scope }, { signal })
  }

  run(sql: string, parameters?: SqlParameters, { signal }: StatementOptions = {}): Promise<RunResult> {
    return this.#line.call({ kind: 'run', sql, values: encodeParameters(parameters), ...this.#scope }, { signal })
  }

  query<T extends object = Row>(sql: string, parameters?: SqlParameters, options?: QueryOptions): Promise<T[]> {
    return collect<T>(this.#line, { kind: 'query', sql, values: encodeParameters(parameters), ...this.#scope }, options)
  }

  get<T extends object = Row>(sql: string, parameters?: SqlParameters, options?: QueryOptions): Promise<T | undefined> {
    return collect<T>(this.#line, { kind: 'query', first: true, sql, values: encodeParameters(parameters), ...this.#scope }, options).then(([row]) => row)
  }

  sql<T extends object = Row>(parts: TemplateStringsArray, ...values: readonly SqlInput[]): Promise<T[]> {
    return this.query<T>(statement(parts), values)
  }

  iterate<T extends object = Row>(sql: string, parameters?: SqlParameters, options: IterateOptions = {}): AsyncIterableIterator<T> {
    const { batch = rowsPerBatch } = options
    checkIteration(sql, options)
    return stream<T>(this.#line, { kind: 'iterate', sql, values: encodeParameters(parameters), rows: batch, ...this.#scope }, options)
  }

  prepare<T extends object = Row>(sql: string): Promise<Statement<T>> {
    return this.#line.call({ kind: 'prepare', sql, ...this.#scope }).then((info) => new WorkerStatement<T>(this, sql, info))
  }

  batch(statements: readonly BatchStatement[], options?: BatchOptions<'abort'>): Promise<RunResult[]>
  batch(statements: readonly BatchStatement[], options: BatchOptions<'continue'>): Promise<BatchOutcome[]>
  batch(statements: readonly BatchStatement[], { onError, signal }: BatchOptions = {}): Promise<RunResult[] | BatchOutcome[]> {
    mayBeOneOf(['abort', 'continue'], onError, 'onError')
    return this.#line.call({ kind: 'batch', groups: encodeGroups(statements), goOn: onError === 'continue', ...this.#scope }, { signal }).then(decodeRuns)
  }
}
