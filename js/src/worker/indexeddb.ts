// Files in IndexedDB, for where OPFS is not to be had: private windows, older browsers, some webviews.
//
// IndexedDB cannot be waited for inside a call of the engine. So the (compressed) files are held in memory, and what changed is written
// behind: all of it in one transaction, in the order in which it was written, one transaction at a time. What is stored is therefore always
// a state that the files were in between two calls, and a commit is in when the transaction that holds it is complete.
//
// I1  `settle` resolves only when all that was written before it is complete with durability `strict`.
// I2  After a failed transaction nothing more is written, by us or by the engine: memory is ahead of what is stored, and only opening again
//     makes them one.

import { CofferError } from '../error.js'
import { errorName, isEngineFile } from './directory.js'
import type { Directory, OpenFile } from './directory.js'
import { MemoryFile, chunkBytes } from './memory.js'
import type { Watcher } from './memory.js'

/** One IndexedDB database for each of ours, so that removing one is one call. */
const prefix = 'coffer/'
const version = 1

/** What a file has to have written. */
interface Changes {
  readonly chunks: Set<number>
  /** Chunks from here on were cut off at some time since the last write. */
  cutFrom: number
}

/** An IndexedDB database as the files of one database. */
export class IndexedDirectory implements Directory, Watcher {
  readonly place = 'indexeddb'
  readonly clusterBytes = 0
  readonly #db: IDBDatabase
  readonly #files = new Map<string, MemoryFile>()
  #changes = new Map<string, Changes>()
  #removed = new Set<string>()
  #writing: Promise<void> | undefined
  #next: Promise<void> | undefined
  #failure: CofferError | undefined

  private constructor(db: IDBDatabase) {
    this.#db = db
    // The browser closes a database when the user clears the site's data, or its disk fails.
    db.onclose = (): void => this.#fail(new CofferError('io', 'the browser closed the database; its data may have been cleared'))
  }

  /** The files of a database; undefined if they are not there and are not to be made. */
  static async find(name: string, create: boolean): Promise<IndexedDirectory | undefined> {
    const db = await opened(prefix + name, create)
    return db === undefined ? undefined : new IndexedDirectory(db)
  }

  async list(): Promise<string[]> {
    const names = await answer(this.#db.transaction('files').objectStore('files').getAllKeys())
    return (names as string[]).filter(isEngineFile)
  }

  async open(name: string): Promise<OpenFile> {
    let file = this.#files.get(name)
    if (file !== undefined) return file
    file = new MemoryFile(name, this)
    const transaction = this.#db.transaction(['files', 'chunks'])
    const length = (await answer(transaction.objectStore('files').get(name))) as number | undefined
    if (length !== undefined) {
      const range = partsOf(name, 0)
      const chunks = transaction.objectStore('chunks')
      const [keys, parts] = await Promise.all([answer(chunks.getAllKeys(range)), answer(chunks.getAll(range))])
      file.restore(length, (keys as [string, number][]).map(([, index], place) => [index, whole(parts[place] as Uint8Array<ArrayBuffer>)]))
    }
    this.#files.set(name, file)
    return file
  }

  async remove(name: string): Promise<void> {
    this.#files.delete(name)
    this.#changes.delete(name)
    this.#removed.add(name)
    await this.settle()
  }

  changed(file: MemoryFile, first: number, last: number): void {
    const { chunks } = this.#changesOf(file.name)
    for (let index = first; index <= last; index += 1) chunks.add(index)
  }

  resized(file: MemoryFile): void {
    const changes = this.#changesOf(file.name)
    changes.cutFrom = Math.min(changes.cutFrom, Math.ceil(file.size() / chunkBytes))
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  settle(): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#changes.size === 0 && this.#removed.size === 0) return this.#next ?? this.#writing
    if (this.#next !== undefined) return this.#next
    const after = this.#writing
    const next = (after ?? Promise.resolve()).then(() => {
      this.#next = undefined
      return this.#write()
    })
    this.#next = next
    const done = (): void => {
      if (this.#writing === next) this.#writing = undefined
    }
    this.#writing = next
    next.then(done, done)
    return next
  }

  async close(): Promise<void> {
    this.#db.onclose = null
    this.#files.clear()
    this.#db.close()
    await Promise.resolve()
  }

  #changesOf(name: string): Changes {
    let changes = this.#changes.get(name)
    if (changes === undefined) this.#changes.set(name, (changes = { chunks: new Set(), cutFrom: Infinity }))
    return changes
  }

  #fail(failure: CofferError): void {
    this.#failure ??= failure
  }

  /** Everything that changed, in one transaction. */
  async #write(): Promise<void> {
    this.check()
    const changes = this.#changes
    const removed = this.#removed
    this.#changes = new Map()
    this.#removed = new Set()
    try {
      const transaction = this.#db.transaction(['files', 'chunks'], 'readwrite', { durability: 'strict' })
      const complete = completed(transaction)
      const files = transaction.objectStore('files')
      const chunks = transaction.objectStore('chunks')
      for (const name of removed) {
        files.delete(name)
        chunks.delete(partsOf(name, 0))
      }
      for (const [name, { chunks: indexes, cutFrom }] of changes) {
        const file = this.#files.get(name)
        if (file === undefined) continue
        const length = file.size()
        files.put(length, name)
        if (cutFrom !== Infinity) chunks.delete(partsOf(name, cutFrom))
        for (const index of indexes) {
          const bytes = file.chunk(index)
          if (bytes !== undefined) chunks.put(bytes.slice(0, length - index * chunkBytes), [name, index])
        }
      }
      await complete
    } catch (cause) {
      const quota = errorName(cause) === 'QuotaExceededError'
      const message = quota ? 'there is no room left for this site; free some, then open the database again' : `IndexedDB failed (${String(cause)}); open the database again`
      this.#fail(new CofferError(quota ? 'quota' : 'io', message, { cause })) // I2
      this.check()
    }
  }
}

/** Names of the databases that are in IndexedDB; none where the browser does not tell. */
export async function listIndexed(): Promise<string[]> {
  if (typeof indexedDB === 'undefined' || typeof indexedDB.databases !== 'function') return []
  const names = (await indexedDB.databases()).flatMap(({ name }) => (name?.startsWith(prefix) === true ? [name.slice(prefix.length)] : []))
  const there = await Promise.all(names.map(existsInIndexed))
  return names.filter((_, index) => there[index])
}

/** Whether there is a database of this name in IndexedDB. */
export async function existsInIndexed(name: string): Promise<boolean> {
  if (typeof indexedDB === 'undefined') return false
  const db = await opened(prefix + name, false)
  if (db === undefined) return false
  const length = (await answer(db.transaction('files').objectStore('files').get('manifest'))) as number | undefined
  db.close()
  return (length ?? 0) > 0
}

/** The root of a database, read beside whoever has it open. */
export async function rootInIndexed(name: string): Promise<Blob | undefined> {
  const db = await opened(prefix + name, false)
  if (db === undefined) return undefined
  const transaction = db.transaction(['files', 'chunks'])
  const [length, chunks] = await Promise.all([
    answer(transaction.objectStore('files').get('manifest')) as Promise<number | undefined>,
    answer(transaction.objectStore('chunks').getAll(partsOf('manifest', 0))) as Promise<Uint8Array<ArrayBuffer>[]>,
  ])
  db.close()
  return length === undefined || length === 0 ? undefined : new Blob(chunks.map((chunk) => whole(chunk))).slice(0, length)
}

/** Removes a database and all its files. */
export async function removeFromIndexed(name: string): Promise<void> {
  await answer(indexedDB.deleteDatabase(prefix + name))
}

/** The chunks of a file from an index on. */
function partsOf(name: string, index: number): IDBKeyRange {
  // Arrays sort behind all numbers.
  return IDBKeyRange.bound([name, index], [name, []])
}

/** A stored chunk may be shorter than one in memory. */
function whole(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length === chunkBytes) return bytes
  const chunk = new Uint8Array(chunkBytes)
  chunk.set(bytes)
  return chunk
}

function opened(name: string, create: boolean): Promise<IDBDatabase | undefined> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, version)
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
      else if (errorName(request.error) === 'VersionError') reject(new CofferError('unsupported_format', 'the database was written by a newer version of Coffer; use that version', { cause: request.error }))
      else reject(request.error ?? new Error('IndexedDB did not open'))
    }
  })
}

function answer<T>(request: IDBRequest<T>): Promise<T> {
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
