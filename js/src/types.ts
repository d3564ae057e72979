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

/** An open database. Every promise rejects with a `CofferError`, or with the signal's reason where a signal ended it. */
export interface Database {
  /** The name it was opened by. */
  readonly name: string
  /** What is running. */
  readonly about: About
  /** Runs a script of any number of statements; rows they return are dropped. */
  exec(sql: string): Promise<void>
  /** Runs one statement and says what it changed. */
  run(sql: string, parameters?: SqlParameters): Promise<RunResult>
  /** Runs one statement and returns all its rows. */
  query<T extends object = Row>(sql: string, parameters?: SqlParameters): Promise<T[]>
  /** Runs one statement and returns its first row, if there is one. */
  get<T extends object = Row>(sql: string, parameters?: SqlParameters): Promise<T | undefined>
  /** A query as a tagged template: each `${value}` is bound as a parameter, never spliced into the text. */
  sql<T extends object = Row>(parts: TemplateStringsArray, ...values: readonly SqlInput[]): Promise<T[]>
  /** Waits for what was asked before, then ends the worker. Closing twice is allowed. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}
