// The whole public surface of the package in one file. Types only; the classes that implement them are beside it.

// `using` works on what is here, also where the user's own settings do not know the symbols yet.
/// <reference lib="esnext.disposable" preserve="true" />

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

/** A key that is one by itself. What is written out in this form stays the caller's; `rawKey` makes one with bytes of its own. */
export type PlainKey =
  | { readonly kind: 'passphrase'; readonly words: string }
  | { readonly kind: 'raw'; readonly bytes: Uint8Array }
  | { readonly kind: 'external'; readonly bytes: Uint8Array; readonly wrapped: Uint8Array }

/** A key that the caller wraps and unwraps. The database has random bytes of its own as its key, and stores what `wrap` makes of them. */
export interface Wrapping {
  readonly kind: 'wrapped'
  /** Gives the form to store, of 512 bytes at most. Opening rejects with `denied` if it throws. */
  wrap(key: Uint8Array): Uint8Array | Promise<Uint8Array>
  /** Gives the key again; throws if this was wrapped by somebody else. */
  unwrap(wrapped: Uint8Array): Uint8Array | Promise<Uint8Array>
}

/** A key. Make one with `passphrase`, `rawKey`, `webCryptoKey` or `wrappedBy`. */
export type Key = PlainKey | Wrapping

/** How a passphrase is stretched: Argon2id, hard on memory, or PBKDF2, which the browser does itself. */
export type Kdf = 'argon2id' | 'pbkdf2'

/** How a database is encrypted. */
export type CipherName = 'aes-256-gcm' | 'chacha20-poly1305'

/** How what is folded is compressed. */
export interface Compression {
  readonly codec: 'none' | 'rle' | 'lz4' | 'zstd' | 'gzip'
  /** Of the codecs that have levels. */
  readonly level?: number
  /**
   * A zstd dictionary for a new database, or where one comes from. `auto` (default): a database of 4 MB or more that is written to and has none
   * learns one in the background, if that saves more than it takes, and what was stored before (up to 64 MB) is stored anew with it.
   * `none`: nothing of that happens while this opening has the files. Of several tabs the one that leads decides. What there is, is used.
   */
  readonly dictionary?: 'auto' | 'none' | Uint8Array
}

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
  /** How the passphrase of a new database, or of a slot that is added, is stretched. Default: Argon2id. */
  readonly kdf?: Kdf
  /** A new database's cipher. Default: AES-256-GCM. */
  readonly cipher?: CipherName
  /** A new database's codec for what is folded, with its level if any: `zstd:3` (default), `lz4`, `none`. */
  readonly codec?: string
  /** The same with its parts named, and a dictionary. Goes before `codec`. */
  readonly compression?: Compression
  /** A new database's page size in bytes: a power of two from 512 to 65536. Default: 8192. */
  readonly pageSize?: number
  /** What decoded pages may take in memory, in bytes. Default: 32 MiB, of which SQLite's own cache is an eighth. */
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

/** Where a call of the package itself finds its parts, and what ends it. */
export type PartsOptions = Pick<OpenOptions, 'signal' | 'wasm' | 'worker'>

/** A slot that a key opens. */
export interface KeySlot {
  readonly slot: number
  readonly kind: 'raw' | 'argon2id' | 'pbkdf2' | 'external'
}

/** What can be told of a database or a backup without its key. */
export interface Inspected {
  readonly formatVersion: number
  readonly pageSize: number
  readonly encrypted: boolean
  readonly cipher: CipherName | 'none'
  /** The keys that open it; `wrapped` is what the user of an external key stored. */
  readonly slots: readonly (KeySlot & { readonly wrapped?: Uint8Array })[]
  /** Where it is; `file` for a backup. */
  readonly backend: 'opfs' | 'indexeddb' | 'file'
}

/** How far something long is: bytes done, of about so many. */
export interface Progress {
  readonly done: number
  readonly total: number
}

/** What everything long may be told. */
export interface LongOptions {
  /** Gives it up. The promise then rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Hears how far it is. */
  readonly onProgress?: (progress: Progress) => void
}

/** Coffer's own form, which is encrypted as the database is; a plain SQLite database; SQL that makes it again; a JSON object for each row. */
export type BackupFormat = 'coffer' | 'sqlite' | 'sql' | 'jsonl'

/** What takes a backup. A function is given the name that the file should have. */
export type BackupTarget =
  | WritableStream<Uint8Array<ArrayBuffer>>
  | FileSystemFileHandle
  | 'download'
  | ((file: string) => BackupTarget | Promise<BackupTarget>)

/** How to write a backup. */
export interface BackupOptions extends LongOptions {
  /** Only what came after this commit, which an earlier backup holds. For the format `coffer`. */
  readonly since?: number
  /** Default: `coffer`. */
  readonly format?: BackupFormat
  /** Packs the whole once more. Of use for `sql`, `jsonl` and `sqlite`. */
  readonly compress?: 'gzip'
}

/** What a backup holds. */
export interface BackupResult {
  /** The commit in it: what the next may begin `since`. */
  readonly commit: number
  readonly bytes: number
  /** The name that the file should have. */
  readonly file: string
}

/** Something that holds a backup, packed or not. */
export type BackupSource = Blob | ReadableStream<Uint8Array>

/** How to bring back a backup. */
export interface RestoreOptions extends LongOptions {
  /** Opens the backup, if it is encrypted. */
  readonly key?: Key
}

/** How to make a database of a backup. */
export interface RestoreIntoOptions extends RestoreOptions, Omit<OpenOptions, 'create' | 'key' | 'pageSize' | 'readonly' | 'signal'> {
  /** Replaces the contents of a database that is there. Default: false, which rejects with `exists`. */
  readonly overwrite?: boolean
}

/** Where backups are kept. */
export interface BackupFolder {
  /** Somewhere to write a file of this name. */
  create(name: string): BackupTarget | Promise<BackupTarget>
  /** The names that are there. */
  list(): Promise<readonly string[]>
  remove(name: string): Promise<void>
}

/** What tells the time, and when it is over: for tests. */
export interface Clock {
  now(): number
  /** Runs `work` so many milliseconds later; returns what prevents it. */
  after(ms: number, work: () => void): () => void
}

/** How to take backups again and again. */
export interface BackupsOptions extends Pick<BackupOptions, 'compress' | 'format'> {
  /** Milliseconds from the end of one to the next. */
  readonly every: number
  /** Takes the first at once instead of after `every`. */
  readonly immediately?: boolean
  /** How many files at most, and of what age in milliseconds at most, are kept besides the newest. Default: all. */
  readonly keep?: { readonly files?: number; readonly age?: number }
  /** Takes none if nothing was committed since the last. Default: true. */
  readonly skipUnchanged?: boolean
  /** Where they go. */
  readonly target: FileSystemDirectoryHandle | BackupFolder
  readonly onSuccess?: (result: BackupResult) => void
  readonly onError?: (error: unknown) => void
  /** After a failure: `first` milliseconds (default: 10 s, or `every`), each time `factor` (2) as long, at `most` `every`. */
  readonly backoff?: { readonly first?: number; readonly factor?: number; readonly most?: number }
  readonly clock?: Clock
}

/** Backups that are being taken. */
export interface Backups {
  /** Takes one now, unless nothing changed. Resolves when it is done; failures go to `onError`. */
  now(): Promise<void>
  /** Takes no more; one that is being taken is given up. */
  stop(): Promise<void>
}

/** What verifying found. */
export interface Verified {
  readonly ok: boolean
  /** Records that were opened. */
  readonly records: number
  /** What is damaged. */
  readonly damage: readonly string[]
  /** Pages of the newest state that cannot be read because of it. */
  readonly pagesLost: readonly number[]
}

/** What a database takes on disk, as `select * from storage_info` has it. */
export interface StorageInfo {
  /** Pages of the newest state. */
  readonly page_count: number
  /** Those that hold something. */
  readonly used_pages: number
  /** Those on SQLite's free list. */
  readonly free_pages: number
  /** The store's page size. */
  readonly page_size: number
  /** Bytes of all segments, and of logs up to their ends. */
  readonly stored_bytes: number
  /** Bytes of all pages, uncompressed. */
  readonly logical_bytes: number
  /** Logical over stored. */
  readonly compression_ratio: number
  /** Bytes in logs that are not folded. */
  readonly wal_size: number
  /** Page frames in them. */
  readonly wal_frames: number
  /** Sealed segments. */
  readonly segments: number
  /** Bytes in segments that the newest state does not use. */
  readonly dead_bytes: number
  /** Everything written over everything committed. */
  readonly write_amplification: number
  /** The newest commit that is in segments. */
  readonly last_checkpoint: number
  /** The newest commit. */
  readonly last_commit_id: number
  /** The codec of segments. */
  readonly codec: string
  /** The cipher. */
  readonly cipher: string
  /** The key's age. */
  readonly key_epoch: number
  /** Bytes of the dictionary for new segments. */
  readonly dictionary_bytes: number
  /** Where the files are: `opfs`, `indexeddb` or `memory`. */
  readonly backend: string
}

/** What a database takes in memory, as `select * from memory_stats` has it. */
export interface MemoryStats {
  /** Decoded pages, with their bookkeeping. */
  readonly page_cache_used: number
  /** The bound. */
  readonly page_cache_max: number
  /** The decoded pages alone. */
  readonly decoded_cache_used: number
  /** Temporary tables and sorters that are in memory. */
  readonly row_store_used: number
  /** The page table: where each page is. */
  readonly page_table_used: number
  /** Bytes in logs that are not folded. */
  readonly wal_size: number
  /** What SQLite holds in this process, its page caches included. */
  readonly sqlite_used: number
  /** The wasm heap, which holds everything and never shrinks. */
  readonly wasm_heap: number
  /** All of it: the heap. */
  readonly total_memory: number
}

/** The keys of an encrypted database. */
export interface Keys {
  /** The slots, each of which one key opens. */
  list(): Promise<KeySlot[]>
  /** Lets another key open the database. Gives its slot. */
  add(key: Key): Promise<number>
  /** Removes a slot; its key opens nothing any more. The last one stays. */
  remove(slot: number): Promise<void>
  /** Replaces one key by another. No page is rewritten. Gives the slot. */
  change(old: Key, next: Key): Promise<number>
  /** Encrypts everything anew under fresh keys. `keys` has one for every slot; default: the one that the database was opened with. */
  rotate(options?: LongOptions & { readonly keys?: readonly Key[] }): Promise<void>
}

/** A commit that is kept, to be read for as long as it is: the reading half of a database. */
export interface View extends Pick<Queries, 'get' | 'iterate' | 'query' | 'sql'> {
  readonly commit: number
  /** Lets go of the commit: compaction may drop what only it had. */
  release(): Promise<void>
}

/** What a SQL function takes and gives. */
export type SqlFunction = (...values: SqlValue[]) => SqlValue | boolean | undefined

/** How a SQL function behaves. */
export interface FunctionOptions {
  /** Gives the same for the same values, so that SQLite may call it less, and use it in an index. Default: false. */
  readonly deterministic?: boolean
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
  /** What was committed up to this commit was folded out of the logs, because it was asked for or due. */
  readonly checkpoint: { readonly commit: number }
  /** Something failed that nobody waits for: a live query, the worker. */
  readonly error: CofferFailure
  /** Another worker has the files now: settings of the connection and temporary tables are gone, and have to be made again. */
  readonly leader: { readonly leader: Leader }
  /** The database is closed, or its worker is lost for good. */
  readonly close: undefined
}

/**
 * An open database. Every promise rejects with a `CofferError`, or with the signal's reason where a signal ended it (an `AbortError`, unless the
 * signal has another error). A mistake in the calling code, such as a value of the wrong type, throws a `TypeError` at once, and nothing is asked.
 */
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
  /** Makes every commit so far durable, whatever the durability it was made with. */
  flush(): Promise<void>
  /**
   * Gives SQL a function, which runs in the worker: an address of a module that exports it as its default, or a function that uses nothing
   * from around it, since only its source text travels.
   */
  function(name: string, source: SqlFunction | URL, options?: FunctionOptions): Promise<void>
  /** Writes a backup, a share at a time: commits and queries go on, and none of them is in it. */
  backup(target: BackupTarget, options?: BackupOptions): Promise<BackupResult>
  /** Replaces the contents, in one commit, by a backup's: a full one, or one with the increments that continue it. Gives the commit. */
  restore(backup: BackupSource | readonly BackupSource[], options?: RestoreOptions): Promise<number>
  /** Takes backups again and again. */
  backups(options: BackupsOptions): Backups
  /** Replaces the contents, in one commit, by a plain SQLite database. Gives the commit. */
  import(file: BackupSource, options?: LongOptions): Promise<number>
  /** The contents as a plain SQLite database. */
  export(options?: LongOptions): Promise<Blob>
  /** Folds what is in logs; `truncate` gives back their space as well. Default: `passive`. */
  checkpoint(mode?: 'passive' | 'full' | 'truncate', options?: LongOptions): Promise<void>
  /** Gives back the space of what is not used any more; with `budgetBytes`, does only so much of what is due. */
  compact(options?: LongOptions & { readonly budgetBytes?: number }): Promise<void>
  /** Reads all that is stored and says what is damaged. */
  verify(options?: LongOptions): Promise<Verified>
  readonly keys: Keys
  /** Encrypts a database that is not. */
  encrypt(key: Key, options?: LongOptions & { readonly cipher?: CipherName }): Promise<void>
  /** Stores the database in the clear from now on. */
  decrypt(options?: LongOptions): Promise<void>
  storageInfo(): Promise<StorageInfo>
  memoryStats(): Promise<MemoryStats>
  /** Keeps the newest commit, until it is released, and gives a view of it. */
  snapshot(): Promise<View>
  /** A view of a kept commit. What it is asked rejects with `no_such_commit` if it is not kept. */
  at(commit: number): View
  /** Asks the browser not to clear this site's data when it needs room. False if it declines. */
  persist(): Promise<boolean>
  /** Bytes that this site uses, and may use. */
  estimate(): Promise<StorageEstimate>
  /** Listens to an event. Returns what ends it. */
  on<E extends keyof DatabaseEvents>(event: E, listener: (detail: DatabaseEvents[E]) => void): () => void
  /** Waits for what was asked before, then ends the worker. Closing twice is allowed. Rejects if something was not stored: it is closed all the same. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** How to open a database in this thread: as `open`, without what concerns another. */
export type SyncOpenOptions = Omit<OpenOptions, 'busyTimeout' | 'signal' | 'worker'>

/** How rows are to come, where nothing waits. */
export type SyncQueryOptions = Pick<QueryOptions, 'bigint'>

/** As `Statement`, without promises. */
export interface SyncStatement<T extends object = Row> extends StatementInfo {
  readonly sql: string
  all(parameters?: SqlParameters, options?: SyncQueryOptions): T[]
  get(parameters?: SqlParameters, options?: SyncQueryOptions): T | undefined
  run(parameters?: SqlParameters): RunResult
  iterate(parameters?: SqlParameters, options?: SyncQueryOptions): IterableIterator<T>
  finalize(): void
  [Symbol.dispose](): void
}

/** As `Queries`, without promises. Every method throws a `CofferError`. */
export interface SyncQueries {
  exec(sql: string): void
  run(sql: string, parameters?: SqlParameters): RunResult
  query<T extends object = Row>(sql: string, parameters?: SqlParameters, options?: SyncQueryOptions): T[]
  get<T extends object = Row>(sql: string, parameters?: SqlParameters, options?: SyncQueryOptions): T | undefined
  sql<T extends object = Row>(parts: TemplateStringsArray, ...values: readonly SqlInput[]): T[]
  iterate<T extends object = Row>(sql: string, parameters?: SqlParameters, options?: SyncQueryOptions & { readonly batch?: number }): IterableIterator<T>
  prepare<T extends object = Row>(sql: string): SyncStatement<T>
  batch(statements: readonly BatchStatement[], options?: Pick<BatchOptions<'abort'>, 'onError'>): RunResult[]
  batch(statements: readonly BatchStatement[], options: Pick<BatchOptions<'continue'>, 'onError'>): BatchOutcome[]
  /** Commits when `work` returns, and rolls back when it throws. Within a transaction, a savepoint. */
  transaction<R>(work: (transaction: SyncQueries) => R, options?: { readonly readonly?: boolean }): R
}

/**
 * A database in the thread of its caller. In OPFS a commit is on the disk when its call returns; in IndexedDB it is written behind, and
 * `flush` says when it is there.
 */
export interface SyncDatabase extends SyncQueries {
  readonly name: string
  /** Gives SQL a function, which may use what is around it. */
  function(name: string, source: SqlFunction, options?: FunctionOptions): void
  storageInfo(): StorageInfo
  memoryStats(): MemoryStats
  /** Makes every commit so far durable. */
  flush(): Promise<void>
  /** Ends the use of the database at once; the promise resolves when its files are free. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
