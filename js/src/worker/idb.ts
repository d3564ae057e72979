// IndexedDB in promises: one of its databases for each of ours, with the lengths of the files in one store and their chunks in the other.
//
// I1  Whoever has read through `reading` leaves no transaction behind. WebKit never ends one that changes and waits for one that reads, when
//     its worker is killed before it has noticed that the reading is over, and nobody can read that database any more.

import { CofferError } from '../error.js'
import { errorName } from './directory.js'

/** So that removing one of our databases is one call. */
const prefix = 'coffer/'
const version = 1

/** The names of our databases. */
export async function namesIn(factory: IDBFactory): Promise<string[]> {
  return (await factory.databases()).flatMap(({ name }) => (name?.startsWith(prefix) === true ? [name.slice(prefix.length)] : []))
}

/** Opens one; undefined if it is not there and is not to be made. */
export function opened(name: string, create: boolean): Promise<IDBDatabase | undefined> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(prefix + name, version)
    let missing = false
    request.onupgradeneeded = (): void => {
      if (create) {
        request.result.createObjectStore('files')
        request.result.createObjectStore('chunks')
      } else {
        missing = true
        request.transaction?.abort()
      }
    }
    request.onsuccess = (): void => resolve(request.result)
    request.onerror = (): void => {
      if (missing) resolve(undefined)
      else if (errorName(request.error) === 'VersionError') reject(new CofferError('unsupported_format', 'the database was written by a newer version of Coffer', { cause: request.error }))
      else reject(request.error ?? new Error('IndexedDB did not open'))
    }
  })
}

/** How long removing one may take. */
const removingMs = 10_000

/** Removes one, and all its files. WebKit may keep what a worker had open that was ended at its work, and then waits for it, and says nothing. */
export function removed(name: string): Promise<unknown> {
  const stuck = new CofferError('locked_elsewhere', `${name} is in use by another tab or worker that does not answer; close or reload it`)
  return Promise.race([answer(indexedDB.deleteDatabase(prefix + name)), new Promise((_, reject) => setTimeout(reject, removingMs, stuck))])
}

/** Reads, and leaves nothing behind (I1). */
export async function reading<T>(db: IDBDatabase, read: (files: IDBObjectStore, chunks: IDBObjectStore) => Promise<T>): Promise<T> {
  const transaction = db.transaction(['files', 'chunks'])
  const [result] = await Promise.all([read(transaction.objectStore('files'), transaction.objectStore('chunks')), completed(transaction)])
  return result
}

/** Changes something, all of it or nothing. */
export async function changing(db: IDBDatabase, durability: 'strict' | 'relaxed', change: (files: IDBObjectStore, chunks: IDBObjectStore) => void): Promise<void> {
  const transaction = db.transaction(['files', 'chunks'], 'readwrite', { durability })
  const complete = completed(transaction)
  try {
    change(transaction.objectStore('files'), transaction.objectStore('chunks'))
  } catch (error) {
    transaction.abort()
    await complete.catch(() => undefined)
    throw error
  }
  await complete
}

/** The chunks of a file, from an index on and before another. */
export function chunksOf(name: string, from = 0, before?: number): IDBKeyRange {
  // Arrays sort behind all numbers.
  return IDBKeyRange.bound([name, from], [name, before ?? []], false, true)
}

export function answer<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = (): void => resolve(request.result)
    request.onerror = (): void => reject(request.error ?? new Error('IndexedDB failed'))
  })
}

function completed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = (): void => resolve()
    transaction.onabort = (): void => reject(transaction.error ?? new Error('the transaction was aborted'))
  })
}
