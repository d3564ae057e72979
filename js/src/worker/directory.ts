// The seam between the worker and a place where files can be: what the engine calls (synchronous), and what opens it (not).
//
// I1  A file is open at most once. Whoever opened it closes it, and removes it only after that.
// I2  A failed opening holds nothing.

import type { SyncFile } from '../../wasm/coffer_web.js'
import { CofferError } from '../error.js'

export type { SyncFile }

/** The places that can be asked for by name. */
export type Place = 'opfs' | 'indexeddb' | 'memory'

/** An open file and how to be done with it. */
export interface OpenFile extends SyncFile {
  close(): void
}

/** The files of one database in one place. */
export interface Directory {
  readonly place: Place
  /** Bytes that are worth reading at once: more than 0 where a call costs more than moving them does. */
  readonly clusterBytes: number
  /** The names of the engine's files that are there. */
  list(): Promise<string[]>
  /** Opens a file, making it if it is not there. */
  open(name: string): Promise<OpenFile>
  /** Removes a file that is closed. */
  remove(name: string): Promise<void>
  /** Waits until all that was flushed is as durable as the place can make it. Undefined if it is already. */
  settle(): Promise<void> | undefined
  /**
   * After a failure of `settle`: puts the files back to what is stored, and calls `learn`, in the same turn, with the names of those that may
   * have to be opened again. False if nothing was put back; rejects if nothing can be written any more.
   */
  restore?(learn: (names: readonly string[]) => void): Promise<boolean>
  /** A file that is in memory, with nothing to wait for. */
  file?(name: string): OpenFile | undefined
  /** An empty file that is stored bit by bit as somebody else makes it, so that commits do not wait for it. */
  aside?(name: string): Promise<OpenFile>
  /** Waits until all of such a file is stored. */
  whole?(name: string): Promise<void>
  /** Lets go of the place itself, when all files are closed. */
  close(): Promise<void>
}

/** Whether a name is one that the engine gives its files; others in the place are somebody else's and are left alone. */
export function isEngineFile(name: string): boolean {
  return name === 'manifest' || /^(?:log|seg)-\d{1,20}$/.test(name)
}

/** What a failure of the browser's is called, in any of them. */
export function errorName(error: unknown): string {
  return error instanceof Error || error instanceof DOMException ? error.name : ''
}

/** Whether a failure of the browser's is want of room. */
export function isFull(error: unknown): boolean {
  return errorName(error) === 'QuotaExceededError'
}

/** What to tell of it. */
export function noRoom(cause: unknown): CofferError {
  return new CofferError('quota', 'there is no room left for this site; free some and try again', { cause })
}

/** What to tell of a database that somebody else has. */
export function inUse(name: string, cause?: unknown): CofferError {
  return new CofferError('locked_elsewhere', `${name} is in use by another tab or worker; close the database there and try again`, { cause })
}
