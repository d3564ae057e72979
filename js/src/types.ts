// The whole public surface of the package in one file. Types only; the classes that implement them are beside it.

/** What a column may hold on the way out. Integers that a number would round are bigints. */
export type SqlValue = null | number | bigint | string | Uint8Array

/** What may be bound to a parameter. Booleans are stored as 1 and 0, dates as ISO 8601 text in UTC. */
export type SqlInput = SqlValue | boolean | Date | undefined

/** Values by position (`?`) or by name (`:name`, given without the colon). */
export type SqlParameters = readonly SqlInput[] | Readonly<Record<string, SqlInput>>

/** A row: column name to value. The caller knows its own query, so it may say more exactly what is in it. */
export type Row = Record<string, SqlValue>

/** What a statement did. */
export interface RunResult {
  /** Rows inserted, updated or deleted. */
  readonly changes: number
  /** The rowid of the last inserted row; a bigint beyond 2^53. */
  readonly lastInsertRowid: number | bigint
}

/** Where the bytes of a database are kept. `auto` is OPFS where it works, else IndexedDB; `memory` is never chosen unasked. */
export type Backend = 'auto' | 'opfs' | 'indexeddb' | 'memory'

/** A key: words that a person remembers, 32 bytes that are one already, or what the caller's own unwrapping gave, with its wrapped form. */
export type Key =
  | { readonly kind: 'passphrase'; readonly words: string }
  | { readonly kind: 'raw'; readonly bytes: Uint8Array }
  | { readonly kind: 'external'; readonly bytes: Uint8Array; readonly wrapped: Uint8Array }

/** How to open a database. */
export interface OpenOptions {
  /** Where its bytes are kept. Default: `auto`. */
  readonly backend?: Backend
  /** Whether it may be made: if it is missing (default), never, or it must be new. */
  readonly create?: 'if_missing' | 'never' | 'new'
  /** Refuses to write. */
  readonly readonly?: boolean
  /** What it is encrypted with; absent, a new database is not encrypted. */
  readonly key?: Key
  /** How a new database's passphrase is stretched. Default: Argon2id. */
  readonly kdf?: 'argon2id' | 'pbkdf2'
  /** A new database's cipher. Default: AES-256-GCM. */
  readonly cipher?: 'aes-256-gcm' | 'chacha20-poly1305'
  /** A new database's codec for what is folded, with its level if any: `zstd:3` (default), `lz4`, `none`. */
  readonly codec?: string
  /** A new database's page size in bytes: a power of two from 512 to 65536. Default: 8192. */
  readonly pageSize?: number
  /** SQLite's page cache in bytes. Default: 16 MiB. */
  readonly cacheBytes?: number
  /** Whether a commit is flushed before its promise resolves (default), or within a tenth of a second. */
  readonly durability?: 'strict' | 'relaxed'
  /** How many milliseconds a statement waits for another transaction to end before it fails with `busy`. Default: 5000. */
  readonly busyTimeout?: number
  /** Gives up opening. */
  readonly signal?: AbortSignal
  /** Where the wasm comes from, if not from beside the package: an address, its bytes, or a compiled module. */
  readonly wasm?: URL | WebAssembly.Module | BufferSource
  /** Makes the database worker, if not from beside the package. It must run the package's `worker.js`. */
  readonly worker?: () => Worker
}

/** What is running. */
export interface About {
  /** Version of this package's engine. */
  readonly coffer: string
  /** Version of SQLite. */
  readonly sqlite: string
}

/** What went wrong, as a name a program can act on. */
export type ErrorCode =
  | 'constraint'
  | 'busy'
  | 'conflict'
  | 'corrupt'
  | 'quota'
  | 'aborted'
  | 'limit'
  | 'denied'
  | 'readonly'
  | 'unsupported'
  | 'unsupported_format'
  | 'not_found'
  | 'exists'
  | 'locked_elsewhere'
  | 'foreign'
  | 'key_required'
  | 'wrong_key'
  | 'no_such_commit'
  | 'io'
  | 'poisoned'
  | 'closed'
  | 'sqlite'
  | 'worker_lost'

/** What every statement may be told. */
export interface StatementOptions {
  /**
   * Gives the statement up. The promise then rejects with the signal's reason, unless the statement had been done already: what rejects
   * has changed nothing.
   */
  readonly signal?: AbortSignal
}

/** How rows are to come. */
export interface QueryOptions extends StatementOptions {
  /** Every integer as a bigint, instead of only those that a number would round. Default: false. */
  readonly bigint?: boolean
}

/** How rows are to be streamed. */
export interface IterateOptions extends QueryOptions {
  /** How many rows the worker hands over at a time; it stays one such batch ahead, and no further. Default: 256. */
  readonly batch?: number
}

/** One statement of a batch. */
export interface BatchStatement {
  readonly sql: string
  readonly params?: SqlParameters
}

/** How a batch takes failure. */
export interface BatchOptions<OnError extends 'abort' | 'continue' = 'abort' | 'continue'> extends StatementOptions {
  /**
   * `abort` (default): the first failure undoes the batch and rejects, with its `index` in the error's `detail`. `continue`: what fails is
   * left out and reported in its place.
   */
  readonly onError?: OnError
}

/** What a statement of a batch did. */
export type BatchItem = RunResult

/** What became of a statement of a batch that goes on after failures. */
export type BatchOutcome = (BatchItem & { readonly error?: undefined }) | { readonly error: CofferFailure }

/** A `CofferError`, as far as its fields go. */
export interface CofferFailure extends Error {
  readonly code: ErrorCode
  /** SQLite's extended result code, where SQLite complained. */
  readonly resultCode: number | undefined
  /** The statement that failed. */
  readonly sql: string | undefined
  /** Byte offset in `sql` of what SQLite could not take. */
  readonly offset: number | undefined
  /** More about it, where there is more. */
  readonly detail: Readonly<Record<string, unknown>> | undefined
}

/**
 * What a transaction sees of others. `serializable` (default) and `snapshot`: one state of the database, plus its own changes.
 * `read committed`: each statement of a read-only transaction sees the newest commit.
 */
export type Isolation = 'serializable' | 'snapshot' | 'read committed'

/** How to run a transaction. */
export interface TransactionOptions {
  readonly isolation?: Isolation
  /** Only reads: waits for nobody and holds nobody up. Default: false. */
  readonly readonly?: boolean
  /** Rolls the transaction back; its promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** How often the work is run again when another transaction was first (`conflict`). Default: 3. */
  readonly retries?: number
}

/** What is known of a statement without running it. */
export interface StatementInfo {
  /** Names of the columns it returns. */
  readonly columns: readonly string[]
  /** How many parameters it takes. */
  readonly parameters: number
  /** Whether it changes nothing. */
  readonly readonly: boolean
}

/** A statement that was compiled once and is kept ready. */
export interface Statement<T extends object = Row> extends StatementInfo {
  readonly sql: string
  /** All rows. */
  all(parameters?: SqlParameters, options?: QueryOptions): Promise<T[]>
  /** The first row, if there is one. */
  get(parameters?: SqlParameters, options?: QueryOptions): Promise<T | undefined>
  /** Runs it and says what it changed. */
  run(parameters?: SqlParameters, options?: StatementOptions): Promise<RunResult>
  /** Its rows as they are asked for. */
  iterate(parameters?: SqlParameters, options?: IterateOptions): AsyncIterableIterator<T>
  /** Ends the use of the statement: later calls reject with `closed`. */
  finalize(): void
  [Symbol.dispose](): void
}

/** What a database and a transaction have in common. */
export interface Queries {
  /** Runs a script of any number of statements; rows they return are dropped. */
  exec(sql: string, options?: StatementOptions): Promise<void>
  /** Runs one statement and says what it changed. */
  run(sql: string, parameters?: SqlParameters, options?: StatementOptions): Promise<RunResult>
  /** Runs one statement and returns all its rows. */
  query<T extends object = Row>(sql: string, parameters?: SqlParameters, options?: QueryOptions): Promise<T[]>
  /** Runs one statement and returns its first row, if there is one. */
  get<T extends object = Row>(sql: string, parameters?: SqlParameters, options?: QueryOptions): Promise<T | undefined>
  /** A query as a tagged template: each `${value}` is bound as a parameter, never spliced into the text. */
  sql<T extends object = Row>(parts: TemplateStringsArray, ...values: readonly SqlInput[]): Promise<T[]>
  /**
   * Rows as they are asked for, from one state of the database. The worker stays one batch ahead; leaving the loop ends the query. For
   * statements that read stored tables; temporary tables are seen only within a transaction.
   */
  iterate<T extends object = Row>(sql: string, parameters?: SqlParameters, options?: IterateOptions): AsyncIterableIterator<T>
  /** Compiles a statement, so that mistakes in it show before it runs. */
  prepare<T extends object = Row>(sql: string): Promise<Statement<T>>
  /** Runs statements one after another in one transaction and one message: the quickest way to write many rows. */
  batch(statements: readonly BatchStatement[], options?: BatchOptions<'abort'>): Promise<RunResult[]>
  batch(statements: readonly BatchStatement[], options: BatchOptions<'continue'>): Promise<BatchOutcome[]>
}

/** A transaction that is open. Its methods reject once it is over. */
export interface Transaction extends Queries {
  /** A transaction within this one: what throws in it undoes it alone. */
  transaction<R>(work: (transaction: Transaction) => R | Promise<R>): Promise<R>
}

/** What a live query may be told. */
export interface LiveOptions {
  /** Hears when the query cannot be run, as when a table was dropped; the query goes on. Default: the database's `error` event. */
  readonly onError?: (error: CofferFailure) => void
  /** Ends the query. */
  readonly signal?: AbortSignal
  /** Every integer as a bigint. Default: false. */
  readonly bigint?: boolean
}

/** Whose worker has the files: this page's, or another tab's to which this page's passes everything on. */
export type Leader = 'self' | 'other'

/** What happens to a database without being asked for, and what a listener is told. */
export interface DatabaseEvents {
  /** A commit changed these tables. */
  readonly commit: { readonly tables: readonly string[] }
  /** Something failed that nobody waits for: a live query, the worker. */
  readonly error: CofferFailure
  /** Another worker has the files now: settings of the connection and temporary tables are gone, and have to be made again. */
  readonly leader: { readonly leader: Leader }
  /** The database is closed, or its worker is lost for good. */
  readonly close: undefined
}

/** An open database. Every promise rejects with a `CofferError`, or with the signal's reason where a signal ended it. */
export interface Database extends Queries {
  /** The name it was opened by. */
  readonly name: string
  /** What is running. */
  readonly about: About
  /** Whose worker has the files at the moment. */
  readonly leader: Leader
  /**
   * Runs `work` in a transaction: commits when it returns, rolls back when it throws. Statements of `db` itself that write wait for it to
   * end, so within it use what it is given.
   */
  transaction<R>(work: (transaction: Transaction) => R | Promise<R>, options?: TransactionOptions): Promise<R>
  /**
   * Runs a query now and again whenever a table it reads has changed, and hands its rows over if they differ from the last. Several commits
   * at once make one call; the last state is never missed. Returns what ends it.
   */
  live<T extends object = Row>(sql: string, parameters: SqlParameters, listener: (rows: T[]) => void | Promise<void>, options?: LiveOptions): () => void
  /** Listens to an event. Returns what ends it. */
  on<E extends keyof DatabaseEvents>(event: E, listener: (detail: DatabaseEvents[E]) => void): () => void
  /** Waits for what was asked before, then ends the worker. Closing twice is allowed. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
