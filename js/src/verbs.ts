// The rare and the long verbs of a database, as page and worker say them: one kind of call for all of them (protocol.ts), so that whoever
// carries calls to another worker carries these as well.
//
// V1  A long verb is a chore: it is begun, and then stepped by who asked for it. Between two steps anybody's calls are answered. What it
//     makes comes with the answer of a step, so nobody is sent more than was asked for.
// V2  Whoever begins a chore drops it, finished or not.

/** A key on its way to the worker, which wipes the bytes. The page makes them anew each time. */
export interface Secret {
  readonly kind: 'passphrase' | 'raw' | 'external' | 'stretched'
  readonly bytes: Uint8Array<ArrayBuffer>
  /** The wrapped form of an external key, or the parameters of a stretched one's slot. */
  readonly more?: Uint8Array
}

/** A long verb. */
export type ChoreCall =
  | { readonly name: 'checkpoint'; readonly mode: 'passive' | 'full' | 'truncate' }
  | { readonly name: 'compact'; readonly budgetBytes?: number | undefined }
  | { readonly name: 'verify' }
  | { readonly name: 'backup'; readonly since?: number | undefined }
  | { readonly name: 'export' }
  /** The caller holds a write transaction, in which nothing is done. */
  | { readonly name: 'import'; readonly file: Blob }
  /** Likewise. */
  | { readonly name: 'restore'; readonly files: readonly Blob[]; readonly secret?: Secret | undefined }
  | { readonly name: 'rotate'; readonly secrets: readonly Secret[] }
  | { readonly name: 'encrypt'; readonly secret: Secret; readonly cipher: string; readonly kdf?: string | undefined }
  | { readonly name: 'decrypt' }

/** A verb of an open database. */
export type Verb =
  | { readonly do: 'begin'; readonly chore: ChoreCall }
  | { readonly do: 'step'; readonly chore: number }
  | { readonly do: 'drop'; readonly chore: number }
  | { readonly do: 'flush' }
  | { readonly do: 'addKey'; readonly secret: Secret; readonly kdf?: string | undefined }
  | { readonly do: 'removeKey'; readonly slot: number }
  | { readonly do: 'changeKey'; readonly old: Secret; readonly next: Secret; readonly kdf?: string | undefined }
  /** What is known of a backup without its key; without a file, of the database. */
  | { readonly do: 'slots'; readonly file?: Blob }
  | { readonly do: 'keep' }
  | { readonly do: 'release'; readonly commit: number }
  | { readonly do: 'function'; readonly name: string; readonly module: string; readonly deterministic: boolean }

/** How far a chore is, and what it came to. */
export interface ChoreState {
  /** Bytes done and bytes in all, about. */
  readonly done: number
  readonly total: number
  readonly finished: boolean
  /** It could do nothing now. */
  readonly waiting: boolean
  /** The commit that was saved, or made. */
  readonly commit?: number
  readonly records: number
  readonly damage: readonly string[]
  readonly pagesLost: readonly number[]
  /** What it made in this step. */
  readonly output?: Uint8Array<ArrayBuffer>
}

/** What a verb answers: a chore's or slot's number, a commit, a state, what is known, or nothing. */
export type VerbAnswer = number | ChoreState | Root | undefined

/** What can be asked of a worker that has no database open. */
export type Admin =
  | { readonly do: 'list' }
  | { readonly do: 'destroy'; readonly name: string }
  | { readonly do: 'inspect'; readonly name: string; readonly backend?: string | undefined }
  | { readonly do: 'inspectFile'; readonly file: Blob }

/** What is known of a database or backup without its key; types.ts has what of it the caller sees. */
export interface Root {
  readonly formatVersion: number
  readonly pageSize: number
  readonly cipher: string
  readonly slots: readonly { readonly slot: number; readonly kind: string; readonly parameters: Uint8Array }[]
  readonly backend: string
}

export type AdminAnswer = readonly string[] | Root | undefined
