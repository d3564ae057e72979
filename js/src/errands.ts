// What the database worker and the checkpoint worker say to each other, over a port that the page gave to both.
//
// I1  One errand at a time: after `job` the next comes when the answer has (`done`, `failed`, `stopped`).
// I2  Nothing is said to the helper before it has said `here`: Firefox loses some messages to an end that is still on its way.
// I3  The bytes of a job hold keys. They are transferred, so that the sender keeps none, and the receiver wipes them.

import type { Failure } from './protocol.js'

/** The first and only message of the page to a worker that is to be the checkpoint worker. */
export interface Employment {
  readonly serve: MessagePort
}

/** What the page answers to the news `helper`: the other end, or nothing if there is no second worker to be had. */
export interface Offer {
  readonly helper: MessagePort | undefined
}

export type ToHelper =
  /** `owner`: the Web Lock that the database worker holds, by which the helper learns that it is gone, however it went. */
  | { readonly kind: 'begin'; readonly module: WebAssembly.Module; readonly owner: string }
  /** `folder`: the database whose folder of OPFS the new file goes to; undefined if its bytes are to come back, or there is none to be made. */
  | { readonly kind: 'job'; readonly job: Uint8Array; readonly target: string; readonly folder: string | undefined }
  | { readonly kind: 'fetched'; readonly fetch: number; readonly bytes: Uint8Array }
  | { readonly kind: 'stop' }
  | { readonly kind: 'end' }

export type FromHelper =
  /** Its end of the channel is open: said until `begin` comes. `life`: the Web Lock that it holds from before it says so until it is gone. */
  | { readonly kind: 'here'; readonly life: string }
  | { readonly kind: 'ready' }
  /** Bytes of a source, by its place in the job. */
  | { readonly kind: 'fetch'; readonly fetch: number; readonly source: number; readonly at: number; readonly length: number }
  | { readonly kind: 'write'; readonly bytes: Uint8Array; readonly at: number }
  /** `heapBytes`: what the helper's wasm has grown to. */
  | { readonly kind: 'done'; readonly done: Uint8Array; readonly heapBytes: number }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'stopped' }
