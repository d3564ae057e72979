// What the page and the database worker say to each other. The only module that both sides import besides plain values.
//
// I1  Every Request has an id and gets exactly one Reply with that id, in whatever order they finish.
// I2  The first Request is `open`; it alone carries the compiled module. The worker answers nothing before it.
// I3  An Event has no id: it is news that nobody asked for.

import type { About, OpenOptions, RunResult } from './types.js'

/** The wire form of an error; error.ts turns it into a CofferError. */
export interface Failure {
  readonly code: string
  readonly message: string
  readonly resultCode?: number
  readonly sql?: string
  readonly offset?: number
}

/** How to open a database: what of the options concerns the worker. */
export type Opening = { readonly name: string } & Omit<OpenOptions, 'signal' | 'wasm' | 'worker'>

/** What can be asked of the worker, without the id. */
export type Call =
  | ({ readonly kind: 'open'; readonly module: WebAssembly.Module } & Opening)
  | { readonly kind: 'exec'; readonly sql: string }
  | { readonly kind: 'run'; readonly sql: string; readonly values: Uint8Array }
  | { readonly kind: 'query'; readonly sql: string; readonly values: Uint8Array }
  | { readonly kind: 'close' }

export type Request = Call & { readonly id: number }

/** What each kind of call answers. */
export interface Answers {
  readonly open: About
  readonly exec: undefined
  readonly run: RunResult
  /** Rows in wire form (wire.ts); their buffer is transferred. */
  readonly query: Uint8Array
  readonly close: undefined
}

export type Answer = Answers[keyof Answers]

export type Reply =
  | { readonly id: number; readonly ok: true; readonly answer: Answer }
  | { readonly id: number; readonly ok: false; readonly failure: Failure }

/** News from the worker: the engine panicked and will answer no more. */
export interface LostEvent {
  readonly event: 'lost'
  readonly message: string
}

export type FromWorker = Reply | LostEvent
