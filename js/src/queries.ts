// What a database and a transaction have in common: each method is one call to the worker.

import type { Channel } from './channel.js'
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

export class WorkerQueries implements Queries {
  readonly #channel: Channel
  readonly #scope: Scope
  #over: CofferError | undefined

  constructor(channel: Channel, scope: Scope) {
    this.#channel = channel
    this.#scope = scope
  }

  /** From now on everything rejects with `reason`. */
  protected finish(reason: CofferError): void {
    this.#over ??= reason
  }

  /** Throws if this is over; gives what every call of it carries. */
  protected scope(): Scope {
    if (this.#over !== undefined) throw this.#over
    return this.#scope
  }

  async exec(sql: string, { signal }: StatementOptions = {}): Promise<void> {
    return this.#channel.call({ kind: 'exec', sql, ...this.scope() }, { signal })
  }

  async run(sql: string, parameters?: SqlParameters, { signal }: StatementOptions = {}): Promise<RunResult> {
    return this.#channel.call({ kind: 'run', sql, values: encodeParameters(parameters), ...this.scope() }, { signal })
  }

  async query<T extends object = Row>(sql: string, parameters?: SqlParameters, options: QueryOptions = {}): Promise<T[]> {
    return collect<T>(this.#channel, { kind: 'query', sql, values: encodeParameters(parameters), ...this.scope() }, options)
  }

  async get<T extends object = Row>(sql: string, parameters?: SqlParameters, options: QueryOptions = {}): Promise<T | undefined> {
    const rows = await collect<T>(this.#channel, { kind: 'query', first: true, sql, values: encodeParameters(parameters), ...this.scope() }, options)
    return rows[0]
  }

  sql<T extends object = Row>(parts: TemplateStringsArray, ...values: readonly SqlInput[]): Promise<T[]> {
    return this.query<T>(statement(parts), values)
  }

  iterate<T extends object = Row>(sql: string, parameters?: SqlParameters, options: IterateOptions = {}): AsyncIterableIterator<T> {
    const { batch = rowsPerBatch } = options
    if (!(Number.isSafeInteger(batch) && batch > 0)) throw new TypeError('batch must be a whole number above zero')
    return stream<T>(this.#channel, { kind: 'iterate', sql, values: encodeParameters(parameters), rows: batch, ...this.#scope }, options, this.#over)
  }

  async prepare<T extends object = Row>(sql: string): Promise<Statement<T>> {
    return new WorkerStatement<T>(this, sql, await this.#channel.call({ kind: 'prepare', sql, ...this.scope() }))
  }

  batch(statements: readonly BatchStatement[], options?: BatchOptions<'abort'>): Promise<RunResult[]>
  batch(statements: readonly BatchStatement[], options: BatchOptions<'continue'>): Promise<BatchOutcome[]>
  async batch(statements: readonly BatchStatement[], { onError, signal }: BatchOptions = {}): Promise<RunResult[] | BatchOutcome[]> {
    const call = { kind: 'batch', groups: encodeGroups(statements), goOn: onError === 'continue', ...this.scope() } as const
    return decodeRuns(await this.#channel.call(call, { signal }))
  }
}
