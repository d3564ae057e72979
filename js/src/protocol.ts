// What the page and the database worker say to each other. The only module that both sides import besides plain values.
//
// I1  Every Request has an id and gets exactly one Reply with that id, in whatever order they finish. A Part with that id may come before.
// I2  The first Request is `open`; it alone carries the compiled module. The worker answers nothing before it.
// I3  A Notice and an Event have no id: nobody waits for them.
// I4  Messages travel in arrays: what is asked in one turn of the page is one message, and so are the replies of one turn of the worker.
// I5  The worker heeds requests only after the page has said that it is `here`, in the present term of the leader: what was sent to
//     an earlier one is sent again by the page, and so is never done twice.

import type { About, Isolation, Leader, OpenOptions, PlainKey, RunResult, StatementInfo } from './types.js'
import type { Admin, AdminAnswer, Verb, VerbAnswer } from './verbs.js'

/** The wire form of an error; error.ts turns it into a CofferError. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly resultCode?: number
  readonly sql?: string
  readonly offset?: number
  readonly detail?: Readonly<Record<string, unknown>>
}

/** How to open a database: what of the options concerns the worker. */
export type Opening = { readonly name: string; readonly key?: PlainKey; readonly dictionary?: 'auto' | 'none' | Uint8Array } & Omit<OpenOptions, 'compression' | 'key' | 'signal' | 'wasm' | 'worker'>

/** The same way to open it, with another key or none. */
export function rekeyed<T extends { readonly key?: PlainKey }>(opening: T, key: PlainKey | undefined): T {
  const changed: T & { key?: PlainKey | undefined } = { ...opening }
  delete changed.key
  return key === undefined ? changed : { ...changed, key }
}

/** What is said when files are to be opened again with a key that was right before: it has been changed in another tab since. */
export function changedElsewhere(failure: Failure, name: string): Failure {
  if (failure.code !== 'wrong_key' && failure.code !== 'key_required') return failure
  return { ...failure, message: `the key of ${name} was changed in another tab; open it again with the new one` }
}

/** One statement with its parameters in wire form. */
export interface Bound {
  readonly sql: string
  readonly values: Uint8Array
}

/** One statement with the parameters of many runs in wire form, one set after another. */
export type Sets = Bound

/** What many runs did, in wire form and in their order, and why those failed that did. */
export interface Outcomes {
  readonly outcomes: Uint8Array
  readonly failures: readonly Failure[]
}

/** Where a statement runs, and what stops it. */
export interface Scope {
  /** The transaction it belongs to. */
  readonly transaction?: number | undefined
  /** Addresses of which one stops leading anywhere when the caller gives up: the worker can look while SQL keeps it busy. */
  readonly flags?: readonly string[]
}

/** What can be asked of the worker, without the id. */
export type Call =
  | ({ readonly kind: 'open'; readonly module: WebAssembly.Module; readonly probe?: string; readonly client: ClientId } & Opening)
  | ({ readonly kind: 'exec'; readonly sql: string } & Scope)
  | ({ readonly kind: 'run' } & Bound & Scope)
  /** `first`: the caller wants one row only. */
  | ({ readonly kind: 'query'; readonly first?: boolean } & Bound & Scope)
  | ({ readonly kind: 'prepare'; readonly sql: string } & Scope)
  | ({ readonly kind: 'batch'; readonly groups: readonly Sets[]; readonly goOn: boolean } & Scope)
  | ({ readonly kind: 'iterate'; readonly rows: number } & Bound & Scope)
  | { readonly kind: 'next'; readonly cursor: number; readonly rows: number }
  | ({ readonly kind: 'begin'; readonly isolation: Isolation; readonly readonly: boolean; readonly at?: number | undefined } & Scope)
  | ({ readonly kind: 'end'; readonly commit: boolean } & Scope)
  /** `shown`: the fingerprint of the rows that an earlier leader sent last. */
  | ({ readonly kind: 'watch'; readonly watch: number; readonly shown?: bigint | undefined } & Bound)
  /** What is rare, or takes long: verbs.ts. */
  | ({ readonly kind: 'verb'; readonly verb: Verb } & Scope)
  /** Instead of `open`, and like it the first: asked of a worker that is to do only this. */
  | { readonly kind: 'admin'; readonly module: WebAssembly.Module; readonly admin: Admin }
  | { readonly kind: 'close' }

/**
 * A call with its number. One that was sent to an earlier leader comes `again`: what it is known to have done is told, and otherwise it
 * runs now, or (`ask`) fails with `worker_lost`.
 */
export type Single = Call & { readonly id: number; readonly again?: 'run' | 'ask' }

export type Request = Single | Runs

/** Several calls of `run` that were made one after another: `count` of them, numbered from `id` on, neighbours with the same statement together. */
export interface Runs {
  readonly kind: 'runs'
  readonly id: number
  readonly count: number
  readonly groups: readonly Sets[]
  /** They come again one by one. */
  readonly again?: undefined
}

/** The answers to several of them, from `id` on. */
export type Ran = Outcomes & { readonly id: number }

/** Who asks: 64 random bits, which the page draws and keeps. With a request's number they name the request in the commit that it makes. */
export type ClientId = readonly [high: number, low: number]

/** What a page learns when its worker has joined: who leads, by what name, the how manieth that is to this worker, and the newest commit that the leader found. */
export interface Joined {
  readonly leader: Leader
  readonly name: string
  readonly term: number
  readonly found: bigint
}

/** What each kind of call answers. Rows are in wire form (wire.ts), and their buffer is transferred. */
export interface Answers {
  readonly open: About & Joined
  readonly exec: undefined
  readonly run: RunResult
  readonly query: Uint8Array
  readonly prepare: StatementInfo
  readonly batch: Outcomes
  readonly iterate: { readonly cursor: number; readonly rows: Uint8Array }
  readonly next: Uint8Array
  readonly begin: undefined
  readonly end: undefined
  readonly watch: undefined
  readonly verb: VerbAnswer
  readonly admin: AdminAnswer
  readonly close: undefined
}

export type Answer = Answers[keyof Answers]

/** What the worker is told and does not answer. */
export type Notice =
  /** The caller of a request no longer wants it. */
  | { readonly notice: 'cancel'; readonly target: number }
  /** A cursor's rows are no longer wanted. */
  | { readonly notice: 'release'; readonly cursor: number }
  /** A live query's last rows have been used: the next may come. */
  | { readonly notice: 'seen'; readonly watch: number }
  | { readonly notice: 'unwatch'; readonly watch: number }
  /** The database has another key, or none: for the day when the worker opens it again. Comes alone. */
  | { readonly notice: 'key'; readonly key?: PlainKey | undefined }
  /** The page knows of this term, and what follows is meant for it. */
  | { readonly notice: 'here'; readonly term: number }

export type ToWorker = readonly (Request | Notice)[]

export type Reply =
  | { readonly id: number; readonly ok: true; readonly answer: Answer }
  /** `count`: those that follow fail as well. */
  | { readonly id: number; readonly ok: false; readonly failure: Failure; readonly count?: number | undefined }
  | Ran
  /** It came again and had been done: this is the last commit that it made. */
  | { readonly id: number; readonly committed: bigint }

/** The answer to a request of another tab's, told before its commit is durable: if the leader dies now, nobody else knows it. */
export interface Outcome {
  readonly id: number
  readonly outcome: Ran | { readonly answer: Answer }
  readonly commit: bigint
}

/** Rows of an answer that is still being made; the reply brings the last. */
export interface Part {
  readonly id: number
  readonly part: Uint8Array
}

/** News from the worker. */
export type News =
  /** Tables changed in a commit. */
  | { readonly event: 'commit'; readonly tables: readonly string[] }
  /** What was committed up to this commit was folded. */
  | { readonly event: 'checkpoint'; readonly commit: number }
  /** The rows of a live query, now, and their fingerprint. */
  | { readonly event: 'rows'; readonly watch: number; readonly rows: Uint8Array; readonly print: bigint }
  /** A live query could not be run again. */
  | { readonly event: 'failed'; readonly watch: number; readonly failure: Failure }
  /** Something failed that nobody waits for. */
  | { readonly event: 'error'; readonly failure: Failure }
  /** The worker leads, or has a leader; requests of before are to be sent again. */
  | ({ readonly event: 'joined' } & Joined)
  /** The database cannot be had any more. */
  | { readonly event: 'ended'; readonly failure: Failure }

/** What concerns the channel only. */
export type Word =
  /** The engine panicked, or could not be trusted any more, and will answer nothing. */
  | { readonly event: 'lost'; readonly message: string }
  /** What was answered so far is true as of this commit. */
  | { readonly event: 'at'; readonly commit: bigint }
  /** A second worker would be of use: the page makes one, and gives each an end of a channel (errands.ts). */
  | { readonly event: 'helper' }

export type FromWorker = readonly (Reply | Part | Outcome | News | Word)[]
