// Files in IndexedDB, for where OPFS is not to be had: private windows, older browsers, some webviews.
//
// IndexedDB cannot be waited for inside a call of the engine. So the (compressed) files are held in memory, and what changed is written
// behind: all of it in one transaction, in the order in which it was written, one transaction at a time. What is stored is therefore always
// a state that the files were in between two calls, and a commit is in when the transaction that holds it is complete.
//
// I1  `settle` resolves only when all that was written before it is complete with durability `strict`.
// I2  After a failed transaction memory is ahead of what is stored, and nothing more is written until `restore` has put back what is; if it
//     failed for another reason than want of space, nothing is until the database is opened again.

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

/** A file as it is stored. */
interface Stored {
  readonly length: number
  readonly chunks: (readonly [index: number, bytes: Uint8Array<ArrayBuffer>])[]
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
  /** What the failed transaction was to write. */
  #lost: { readonly changes: Map<string, Changes>; readonly removed: Set<string> } | undefined

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
    const stored = await this.#stored(this.#db.transaction(['files', 'chunks']), name)
    if (stored !== undefined) file.restore(stored.length, stored.chunks)
    this.#files.set(name, file)
    return file
  }

  async #stored(transaction: IDBTransaction, name: string): Promise<Stored | undefined> {
    const range = partsOf(name, 0)
    const chunks = transaction.objectStore('chunks')
    const file = answer(transaction.objectStore('files').get(name) as IDBRequest<number | undefined>)
    const [length, keys, parts] = await Promise.all([file, answer(chunks.getAllKeys(range)), answer(chunks.getAll(range) as IDBRequest<Uint8Array<ArrayBuffer>[]>)])
    if (length === undefined) return undefined
    const chunkOf = ([, index]: [string, number], place: number): readonly [number, Uint8Array<ArrayBuffer>] => [index, whole(parts[place] ?? new Uint8Array())]
    return { length, chunks: (keys as [string, number][]).map(chunkOf) }
  }

  file(name: string): OpenFile | undefined {
    return this.#files.get(name)
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
    const begin = (): Promise<void> => {
      this.#next = undefined
      return this.#write()
    }
    // After a failure too: it finds that nothing may be written.
    const next = (after ?? Promise.resolve()).then(begin, begin)
    this.#next = next
    const done = (): void => {
      if (this.#writing === next) this.#writing = undefined
    }
    this.#writing = next
    next.then(done, done)
    return next
  }

  /**
   * After a want of space: puts back in memory what is stored, as if what was written since had never been. Gives whether there was anything
   * to put back; rejects if the failure is for good. Nothing changes before all of it has been read, and nothing may be waited for between
   * that and the engine's learning of it: `learn` is called in the same turn.
   */
  async restore(learn: (names: readonly string[]) => void): Promise<boolean> {
    if (this.#lost === undefined) return false
    if (this.#failure?.code !== 'quota') throw this.#failure ?? new CofferError('io', 'the database cannot be restored; open it again')
    // Nothing is written meanwhile (I2), so what differs is known.
    const { changes, removed } = this.#lost
    const names = new Set([...changes.keys(), ...removed, ...this.#changes.keys(), ...this.#removed])
    const transaction = this.#db.transaction(['files', 'chunks'])
    const read = await Promise.all([...names].map((name) => this.#stored(transaction, name))).catch((cause: unknown) => {
      this.#failure = new CofferError('io', `IndexedDB failed (${String(cause)}); open the database again`, { cause })
      throw this.#failure
    })
    for (const [index, name] of [...names].entries()) {
      const stored = read[index]
      let file = this.#files.get(name)
      if (file === undefined && stored === undefined) continue
      if (file === undefined) this.#files.set(name, (file = new MemoryFile(name, this)))
      file.restore(stored?.length ?? 0, stored?.chunks ?? [])
    }
    this.#changes = new Map()
    this.#removed = new Set()
    this.#lost = undefined
    this.#failure = undefined
    learn([...names].filter((_, index) => read[index] !== undefined))
    return true
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
      this.#lost = { changes, removed }
      const message = quota ? 'there is no room left for this site; free some, then try again' : `IndexedDB failed (${String(cause)}); open the database again`
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
