// The engine in the thread of its caller: for an app's own worker, and in a window where IndexedDB or memory will do.
//
// Y1  The database is this thread's alone, under the same lock as everywhere: who opens it meanwhile elsewhere is told so.
// Y2  In OPFS a commit is on the disk when its call returns. In IndexedDB it is written behind, and `flush` says when it is there.

import { checkOpening, mustBe } from './check.js'
import { CofferError, decodeError, encodeError } from './error.js'
import { compressionOf } from './form.js'
import { start } from './host.js'
import { plainOf, plainOfNew } from './keys.js'
import type { Opening } from './protocol.js'
import { decodeRuns, one } from './rows.js'
import { statement } from './sql.js'
import { Prepared } from './statement.js'
import type {
  BatchOptions, BatchOutcome, BatchStatement, FunctionOptions, MemoryStats, PlainKey, Row, RunResult, SqlFunction, SqlInput, SqlParameters, StatementInfo, StorageInfo,
  SyncDatabase, SyncOpenOptions, SyncQueries, SyncQueryOptions, SyncStatement,
} from './types.js'
import type { Root } from './verbs.js'
import { compiled } from './wasm.js'
import { decodeRows, encodeGroups, encodeParameters } from './wire.js'
import type { Connection, Cursor } from '../wasm/coffer_web.js'
import { administer } from './worker/admin.js'
import { Keeper } from './worker/keeper.js'
import { batch } from './worker/batch.js'
import { perform, run } from './worker/statements.js'

export { CofferError } from './error.js'
export { passphrase, rawKey, webCryptoKey, wrappedBy } from './keys.js'
export type * from './types.js'

const everything = 0xffff_ffff
const partBytes = 256 * 1024

/** Opens the database in this thread. Opening files takes waiting; everything after it does not. */
export function openSync(name: string, options: SyncOpenOptions = {}): Promise<SyncDatabase> {
  checkOpening(name, options)
  return opened(name, options)
}

async function opened(name: string, options: SyncOpenOptions): Promise<SyncDatabase> {
  const { wasm, key, compression, ...rest } = options
  if (typeof WebAssembly === 'undefined' || typeof navigator === 'undefined') throw new CofferError('unsupported', 'a database opens in a browser: there is no storage here')
  const module = await compiled(wasm)
  let database: ThreadDatabase | undefined
  start(module, (message) => database?.lose(message))
  const found = key && await plain(name, { ...options, key })
  const opening: Opening = {
    ...rest,
    name,
    ...compressionOf(compression),
    ...(found && { key: found.key }),
  }
  let keeper: Keeper | undefined
  try {
    // Not the function itself, which a browser lets nobody call as a method.
    keeper = await Keeper.open(opening, (error) => reportError(error))
    await keeper.run(() => undefined)
    database = new ThreadDatabase(name, keeper)
    return database
  } catch (error) {
    await keeper?.close().catch(() => undefined)
    const failure = told(error)
    // Another has made it meanwhile, with a key that was made there.
    if (found?.made && failure.code === 'wrong_key') return opened(name, options)
    throw failure
  }
}

/** A key as bytes, and whether it was made just now, for a database that was not there. */
async function plain(name: string, { key, backend }: SyncOpenOptions & Required<Pick<SyncOpenOptions, 'key'>>): Promise<{ key: PlainKey; made?: boolean }> {
  if (key.kind !== 'wrapped') return { key }
  if (backend === 'memory') return { key: await plainOfNew(key) }
  try {
    return { key: await plainOf(key, ((await administer({ do: 'inspect', name, backend })) as Root).slots) }
  } catch (error) {
    const failure = told(error)
    if (failure.code !== 'not_found') throw failure
    return { key: await plainOfNew(key), made: true }
  }
}

/** What was thrown, as the class that is promised. */
function told(error: unknown): CofferError {
  if (error instanceof CofferError) return error
  // The browser's, not the engine's, which lives on.
  if (error instanceof DOMException) return new CofferError('io', `the browser could not do it: ${String(error)}; try again`, { cause: error })
  const failure = encodeError(error)
  return decodeError(failure.code === 'not_ready' ? { code: 'busy', message: 'the database needs another file, which takes waiting; await flush() and try again' } : failure)
}

class ThreadQueries implements SyncQueries {
  protected readonly keeper: Keeper
  protected readonly connection: Connection
  #over: CofferError | undefined

  constructor(keeper: Keeper, connection: Connection) {
    this.keeper = keeper
    this.connection = connection
  }

  /** From now on everything throws `reason`. */
  finish(reason: CofferError): void {
    this.#over ??= reason
  }

  exec(sql: string): void {
    mustBe('string', { sql })
    this.on((connection) => connection.exec(sql))
  }

  run(sql: string, parameters?: SqlParameters): RunResult {
    mustBe('string', { sql })
    const values = encodeParameters(parameters)
    return this.on((connection) => run(connection, { sql, values }))
  }

  query<T extends object = Row>(sql: string, parameters?: SqlParameters, options?: SyncQueryOptions): T[] {
    return this.#rows<T>(sql, encodeParameters(parameters), options)
  }

  get<T extends object = Row>(sql: string, parameters?: SqlParameters, options?: SyncQueryOptions): T | undefined {
    mustBe('string', { sql })
    const values = encodeParameters(parameters)
    const rows: T[] = []
    decodeRows(this.on((connection) => connection.first(sql, values)), rows, options?.bigint)
    return rows[0]
  }

  sql<T extends object = Row>(parts: TemplateStringsArray, ...values: readonly SqlInput[]): T[] {
    return this.query<T>(statement(parts), values)
  }

  *iterate<T extends object = Row>(sql: string, parameters?: SqlParameters, { bigint, batch: rows = 256 }: SyncQueryOptions & { readonly batch?: number } = {}): Generator<T, void, undefined> {
    const values = encodeParameters(parameters)
    // One state of the database, whatever the loop writes: outside of a transaction that takes a connection of its own.
    const alone = this.on((connection) => connection.autocommit())
    const reader = alone ? this.on(() => this.keeper.database.connectReader()) : undefined
    const connection = reader ?? this.connection
    let cursor: Cursor | undefined
    try {
      cursor = this.on(() => connection.open(sql, values))
      const next = (decoded: T[]): boolean => this.on(() => cursor !== undefined && decodeRows(cursor.next(rows, partBytes), decoded, bigint))
      for (let more = true; more; ) {
        const decoded: T[] = []
        more = next(decoded)
        yield* decoded
      }
    } finally {
      cursor?.free()
      reader?.free()
    }
  }

  prepare<T extends object = Row>(sql: string): SyncStatement<T> {
    return new ThreadStatement<T>(this, sql, this.on((connection) => perform(connection, { kind: 'prepare', sql }) as StatementInfo))
  }

  batch(statements: readonly BatchStatement[], options?: Pick<BatchOptions<'abort'>, 'onError'>): RunResult[]
  batch(statements: readonly BatchStatement[], options: Pick<BatchOptions<'continue'>, 'onError'>): BatchOutcome[]
  batch(statements: readonly BatchStatement[], { onError }: Pick<BatchOptions, 'onError'> = {}): RunResult[] | BatchOutcome[] {
    return decodeRuns(this.on((connection) => batch(connection, encodeGroups(statements), onError === 'continue')))
  }

  transaction<R>(work: (transaction: SyncQueries) => R, { readonly = false }: { readonly readonly?: boolean } = {}): R {
    const outer = this.on((connection) => connection.autocommit())
    const [begin, end, undo] = outer ? [readonly ? 'begin' : 'begin immediate', 'commit', 'rollback'] : ['savepoint coffer_sync', 'release coffer_sync', 'rollback to coffer_sync; release coffer_sync']
    this.exec(begin)
    const inner = new ThreadQueries(this.keeper, this.connection)
    try {
      const result = work(inner)
      if (result instanceof Promise) throw new TypeError('a transaction is over when its work returns, so it cannot wait for a promise')
      this.exec(end)
      return result
    } catch (error) {
      // An error may have undone the whole of it already.
      if (!this.connection.autocommit()) this.connection.exec(undo)
      throw error
    } finally {
      inner.finish(new CofferError('aborted', 'the transaction is over'))
    }
  }

  /** Runs something on the connection, and makes what it committed as durable as the database was opened for. */
  protected on<T>(work: (connection: Connection) => T): T {
    if (this.#over !== undefined) throw this.#over
    try {
      const before = this.connection.lastCommit()
      const result = work(this.connection)
      // Y2
      if (this.connection.lastCommit() !== before) this.keeper.settle()?.catch(reportError)
      return result
    } catch (error) {
      const failure = told(error)
      // What nobody threw on purpose leaves the engine in no state to be called again.
      if (failure.code === 'worker_lost') this.finish(failure)
      throw failure
    }
  }

  #rows<T extends object>(sql: string, values: Uint8Array, { bigint }: SyncQueryOptions = {}): T[] {
    mustBe('string', { sql })
    return this.on((connection) => {
      const cursor = connection.open(sql, values)
      const rows: T[] = []
      try {
        if (cursor !== undefined) while (decodeRows(cursor.next(everything, partBytes), rows, bigint));
        return rows
      } finally {
        cursor?.free()
      }
    })
  }
}

class ThreadDatabase extends ThreadQueries implements SyncDatabase {
  readonly name: string
  #closing: Promise<void> | undefined

  constructor(name: string, keeper: Keeper) {
    super(keeper, keeper.database.connect())
    this.name = name
  }

  /** The engine has failed, and must not be called any more. */
  lose(message: string): void {
    this.finish(new CofferError('worker_lost', message))
  }

  function(name: string, source: SqlFunction, { deterministic = false }: FunctionOptions = {}): void {
    this.on(() => this.keeper.database.function(name, source, deterministic))
  }

  storageInfo(): StorageInfo {
    return one(this.get<StorageInfo>('select * from storage_info'))
  }

  memoryStats(): MemoryStats {
    return one(this.get<MemoryStats>('select * from memory_stats'))
  }

  async flush(): Promise<void> {
    try {
      await this.keeper.run(() => undefined)
    } catch (error) {
      throw told(error)
    }
  }

  close(): Promise<void> {
    if (this.#closing === undefined) {
      if (!this.connection.autocommit()) this.connection.exec('rollback')
      this.finish(new CofferError('closed', 'the database is closed'))
      this.connection.free()
      this.#closing = this.keeper.close().catch((error: unknown) => {
        throw told(error)
      })
    }
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

class ThreadStatement<T extends object> extends Prepared<SyncQueries> implements SyncStatement<T> {
  all(parameters?: SqlParameters, options?: SyncQueryOptions): T[] {
    return this.on().query<T>(this.sql, parameters, options)
  }

  get(parameters?: SqlParameters, options?: SyncQueryOptions): T | undefined {
    return this.on().get<T>(this.sql, parameters, options)
  }

  run(parameters?: SqlParameters): RunResult {
    return this.on().run(this.sql, parameters)
  }

  iterate(parameters?: SqlParameters, options?: SyncQueryOptions): IterableIterator<T> {
    return this.on().iterate<T>(this.sql, parameters, options)
  }
}
