// Files in IndexedDB, for where OPFS is not to be had: private windows, older browsers, some webviews.
//
// IndexedDB cannot be waited for inside a call of the engine. So the (compressed) files are held in memory, and what changed is written
// behind: all of it in one transaction, in the order in which it was written, one transaction at a time. What is stored is therefore always
// a state that the files were in between two calls, and a commit is in when the transaction that holds it is complete.
//
// Two things would make a commit wait for much that is none of its own, and are done between commits, a part at a time: writing what a
// checkpoint worker has made (`aside`), and deleting the chunks of what was cut off or removed.
//
// I1  `settle` resolves only when all that was written before it is complete with durability `strict`.
// I2  After a failed transaction memory is ahead of what is stored, and nothing more is written until `restore` has put back what is; if it
//     failed for another reason than want of space, nothing is until the database is opened again.
// I3  The length that is stored with a file says which of its chunks count. One that grows again shows none of what was cut off.
// I4  A commit waits for one part at the most.

import { CofferError } from '../error.js'
import { isEngineFile, isFull, noRoom } from './directory.js'
import type { Directory, OpenFile } from './directory.js'
import { answer, changing, chunksOf, namesIn, opened, reading } from './idb.js'
import { MemoryFile, chunkBytes } from './memory.js'
import type { Watcher } from './memory.js'

/** A quarter of a MB, or 16 records: some milliseconds. */
const partChunks = 16

/** What a file has to have written. */
interface Changes {
  readonly chunks: Set<number>
  /** Chunks from here on were cut off at some time since the last write. */
  cutFrom: number
}

/** What is stored of a file, whatever memory has. */
interface Stored {
  /** How many chunks its length covers. */
  readonly count: number
  /** Chunks from there up to here may be stored, and do not count (I3). */
  readonly reach: number
  /** Removed: its record goes with the last of its chunks. */
  readonly gone: boolean
}

/** A file that somebody else makes, and that nothing refers to yet. */
interface Aside {
  readonly file: MemoryFile
  readonly chunks: Set<number>
  failure: CofferError | undefined
}

/** An IndexedDB database as the files of one database. */
export class IndexedDirectory implements Directory, Watcher {
  readonly place = 'indexeddb'
  readonly clusterBytes = 0
  readonly #db: IDBDatabase
  readonly #files = new Map<string, MemoryFile>()
  readonly #stored = new Map<string, Stored>()
  readonly #asides = new Map<string, Aside>()
  #changes = new Map<string, Changes>()
  #removed = new Set<string>()
  /** All transactions that change something, one after another. */
  #last: Promise<unknown> = Promise.resolve()
  /** Those among them that hold what was committed: the last that was begun, and one that waits. */
  #writing: Promise<void> | undefined
  #next: Promise<void> | undefined
  #tidying: Promise<void> | undefined
  #wrote = false
  #closed = false
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
    const db = await opened(name, create)
    return db === undefined ? undefined : new IndexedDirectory(db)
  }

  async list(): Promise<string[]> {
    const names = await reading(this.#db, (files) => answer(files.getAllKeys()))
    return (names as string[]).filter(isEngineFile)
  }

  open(name: string): Promise<OpenFile> {
    return this.#open(name)
  }

  async #open(name: string): Promise<MemoryFile> {
    let file = this.#files.get(name)
    if (file !== undefined) return file
    file = new MemoryFile(name, this)
    await reading(this.#db, (files, chunks) => this.#read(files, chunks, file))
    this.#files.set(name, file)
    return file
  }

  /** A file that is stored bit by bit, between commits, as somebody else makes it. */
  async aside(name: string): Promise<OpenFile> {
    const file = await this.#open(name)
    if (file.size() > 0) {
      file.truncate(0)
      await this.settle()
    }
    this.#asides.set(name, { file, chunks: new Set(), failure: undefined })
    return file
  }

  /** Waits until all of a file that was made aside is stored; from then on it is one like any other. */
  async whole(name: string): Promise<void> {
    const aside = this.#asides.get(name)
    if (aside === undefined) return
    while (aside.chunks.size > 0 && aside.failure === undefined && this.#tidying !== undefined) await this.#tidying
    this.#asides.delete(name)
    const failure = aside.failure ?? this.#failure
    if (failure !== undefined) throw failure
  }

  /** Puts what is stored of a file into memory. */
  async #read(files: IDBObjectStore, chunks: IDBObjectStore, file: MemoryFile): Promise<boolean> {
    const range = chunksOf(file.name)
    const requests = [answer(files.get(file.name) as IDBRequest<number | undefined>), answer(chunks.getAllKeys(range) as IDBRequest<unknown> as IDBRequest<[string, number][]>), answer(chunks.getAll(range) as IDBRequest<Uint8Array<ArrayBuffer>[]>)] as const
    const [length, keys, parts] = await Promise.all(requests)
    const count = chunksIn(length ?? 0)
    file.restore(length ?? 0, keys.flatMap(([, index], place) => (index < count ? [[index, whole(parts[place] ?? new Uint8Array())] as const] : [])))
    this.#stored.set(file.name, { count, reach: Math.max(count, (keys.at(-1)?.[1] ?? -1) + 1), gone: false })
    return length !== undefined
  }

  file(name: string): OpenFile | undefined {
    return this.#files.get(name)
  }

  async remove(name: string): Promise<void> {
    this.#files.delete(name)
    this.#changes.delete(name)
    this.#asides.delete(name)
    this.#removed.add(name)
    await this.settle()
  }

  changed(file: MemoryFile, first: number, last: number): void {
    const aside = this.#asides.get(file.name)
    const { chunks } = aside ?? this.#changesOf(file.name)
    for (let index = first; index <= last; index += 1) chunks.add(index)
    if (aside !== undefined) this.#tidy()
  }

  resized(file: MemoryFile): void {
    if (this.#asides.has(file.name)) return
    const changes = this.#changesOf(file.name)
    changes.cutFrom = Math.min(changes.cutFrom, chunksIn(file.size()))
  }

  check(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  settle(): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    if (this.#changes.size === 0 && this.#removed.size === 0) return this.#next ?? this.#writing
    if (this.#next !== undefined) return this.#next
    const next = this.#inTurn(() => {
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

  /**
   * After a want of space: puts back in memory what is stored, as if what was written since had never been. Gives whether there was anything
   * to put back; rejects if the failure is for good. Nothing changes before all of it has been read, and nothing may be waited for between
   * that and the engine's learning of it: `learn` is called in the same turn.
   */
  async restore(learn: (names: readonly string[]) => void): Promise<boolean> {
    if (this.#lost === undefined) return false
    if (this.#failure?.code !== 'quota') throw this.#failure ?? new CofferError('io', 'the database cannot be restored; open it again')
    // Nothing is written meanwhile (I2), so what differs is known.
    const { changes, removed: gone } = this.#lost
    const names = [...new Set([...changes.keys(), ...gone, ...this.#changes.keys(), ...this.#removed])]
    const read = names.map((name) => new MemoryFile(name, this))
    const there = await reading(this.#db, (files, chunks) => Promise.all(read.map((file) => this.#read(files, chunks, file)))).catch((cause: unknown) => {
      throw (this.#failure = failed(cause))
    })
    for (const [index, file] of read.entries()) {
      const open = this.#files.get(file.name)
      if (open !== undefined) open.become(file)
      else if (there[index] === true) this.#files.set(file.name, file)
    }
    // What is made aside was made of a state that is no more.
    for (const aside of this.#asides.values()) aside.failure = this.#failure
    this.#changes = new Map()
    this.#removed = new Set()
    this.#lost = undefined
    this.#failure = undefined
    learn(names.filter((_, index) => there[index]))
    this.#tidy()
    return true
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#asides.clear()
    await this.#tidying
    // Nobody commits any more, so it need not be done in parts. One that only reads leaves it to others.
    if (this.#wrote && this.#failure === undefined) await this.#inTurn(() => this.#deleteStale(Infinity)).catch(() => undefined)
    this.#db.onclose = null
    this.#files.clear()
    this.#db.close()
  }

  #changesOf(name: string): Changes {
    let changes = this.#changes.get(name)
    if (changes === undefined) this.#changes.set(name, (changes = { chunks: new Set(), cutFrom: Infinity }))
    return changes
  }

  #fail(failure: CofferError): void {
    this.#failure ??= failure
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    // After a failure too: it finds that nothing may be written.
    const done = this.#last.then(work, work)
    this.#last = done
    return done
  }

  /** Everything that changed, in one transaction. */
  async #write(): Promise<void> {
    this.check()
    this.#wrote = true
    const changes = this.#changes
    const gone = this.#removed
    this.#changes = new Map()
    this.#removed = new Set()
    try {
      await this.#store(changes, gone).catch(async (error: unknown) => {
        // There is room again when what does not count is deleted.
        if (!isFull(error) || !(await this.#deleteStale(Infinity))) throw error
        await this.#store(changes, gone)
      })
    } catch (cause) {
      this.#lost = { changes, removed: gone }
      this.#fail(failed(cause)) // I2
      this.check()
    }
    this.#tidy()
  }

  async #store(changes: Map<string, Changes>, gone: Set<string>): Promise<void> {
    const stored = new Map<string, Stored>()
    await changing(this.#db, 'strict', (files, chunks) => {
      for (const name of gone) {
        const { count, reach } = this.#storedOf(name)
        if (!this.#stored.has(name)) chunks.delete(chunksOf(name))
        if (reach === 0) files.delete(name)
        else files.put(0, name)
        stored.set(name, { count: 0, reach: Math.max(count, reach), gone: true })
      }
      for (const [name, { chunks: indexes, cutFrom }] of changes) {
        const file = this.#files.get(name)
        if (file !== undefined) stored.set(name, putFile(files, chunks, file, indexes, stored.get(name) ?? this.#storedOf(name), cutFrom))
      }
    })
    for (const [name, state] of stored) this.#stored.set(name, state)
  }

  #storedOf(name: string): Stored {
    return this.#stored.get(name) ?? { count: 0, reach: 0, gone: false }
  }

  /** Does what waits, a part at a time, with commits in between (I4). */
  #tidy(): void {
    const waits = (): boolean => this.#failure === undefined && !this.#closed && ([...this.#asides.values()].some(isPending) || [...this.#stored.values()].some(isStale))
    if (this.#tidying !== undefined || !waits()) return
    this.#tidying = this.#inTurn(() => this.#part()).then(() => {
      this.#tidying = undefined
      this.#tidy()
    }, () => {
      // What could not be deleted is tried again after the next commit.
      this.#tidying = undefined
    })
  }

  async #part(): Promise<void> {
    if (this.#failure !== undefined) return
    const aside = [...this.#asides.values()].find(isPending)
    if (aside === undefined) await this.#deleteStale(partChunks)
    else await this.#storePart(aside)
  }

  async #storePart(aside: Aside): Promise<void> {
    const { file, chunks: pending } = aside
    const indexes = [...pending].slice(0, partChunks)
    for (const index of indexes) pending.delete(index)
    let stored = this.#storedOf(file.name)
    try {
      await changing(this.#db, 'strict', (files, chunks) => void (stored = putFile(files, chunks, file, indexes, stored)))
      this.#stored.set(file.name, stored)
    } catch (cause) {
      aside.failure = failed(cause)
    }
  }

  /** Deletes chunks that do not count, so many at the most. False if there are none. What is not deleted in the end is found at the next opening. */
  async #deleteStale(most: number): Promise<boolean> {
    const before = [...this.#stored].filter(([, stored]) => isStale(stored))
    if (before.length === 0) return false
    const after = new Map<string, Stored>()
    let left = most
    await changing(this.#db, 'relaxed', (files, chunks) => {
      for (const [name, { count, reach, gone }] of before) {
        const from = Math.max(count, reach - left)
        left -= reach - from
        chunks.delete(chunksOf(name, from, reach))
        if (gone && from === 0) files.delete(name)
        after.set(name, { count, reach: from, gone })
        if (left === 0) break
      }
    })
    for (const [name, state] of after) this.#stored.set(name, state)
    return true
  }
}

function failed(cause: unknown): CofferError {
  if (isFull(cause)) return noRoom(cause)
  return new CofferError('io', `IndexedDB failed (${String(cause)}); open the database again`, { cause })
}

const isPending = ({ chunks, failure }: Aside): boolean => chunks.size > 0 && failure === undefined

const isStale = ({ count, reach }: Stored): boolean => reach > count

const chunksIn = (length: number): number => Math.ceil(length / chunkBytes)

/** Stores chunks of a file, and how many count. Gives what is stored of it then. */
function putFile(files: IDBObjectStore, chunks: IDBObjectStore, file: MemoryFile, indexes: Iterable<number>, before: Stored, cutFrom = Infinity): Stored {
  const length = file.size()
  const count = chunksIn(length)
  const from = Math.min(cutFrom, before.count)
  files.put(length, file.name)
  // I3: what was there before this, and counts from now on if it is not written anew.
  if (from < Math.min(count, before.reach)) chunks.delete(chunksOf(file.name, from, count))
  for (const index of indexes) {
    const bytes = file.chunk(index)
    if (bytes === undefined) continue
    const end = length - index * chunkBytes
    chunks.put(end < chunkBytes ? bytes.slice(0, end) : bytes, [file.name, index])
  }
  return { count, reach: Math.max(count, before.reach), gone: false }
}

/** Names of the databases that are in IndexedDB; none where the browser does not tell. */
export async function listIndexed(): Promise<string[]> {
  if (typeof indexedDB === 'undefined' || typeof indexedDB.databases !== 'function') return []
  const names = await namesIn(indexedDB)
  const there = await Promise.all(names.map(existsInIndexed))
  return names.filter((_, index) => there[index])
}

/** Whether there is a database of this name in IndexedDB. */
export async function existsInIndexed(name: string): Promise<boolean> {
  if (typeof indexedDB === 'undefined') return false
  return ((await look(name, (files) => answer(files.get('manifest') as IDBRequest<number | undefined>))) ?? 0) > 0
}

/** The root of a database, read beside whoever has it open. */
export async function rootInIndexed(name: string): Promise<Blob | undefined> {
  const [length, chunks] = (await look(name, (files, chunks) =>
    Promise.all([answer(files.get('manifest') as IDBRequest<number | undefined>), answer(chunks.getAll(chunksOf('manifest')) as IDBRequest<Uint8Array<ArrayBuffer>[]>)]),
  )) ?? [0, []]
  return length === undefined || length === 0 ? undefined : new Blob(chunks.map((chunk) => whole(chunk))).slice(0, length)
}

/** Reads from a database if it is there, and lets go of it whatever happens: nobody could remove it otherwise. */
async function look<T>(name: string, read: (files: IDBObjectStore, chunks: IDBObjectStore) => Promise<T>): Promise<T | undefined> {
  const db = await opened(name, false)
  if (db === undefined) return undefined
  try {
    return await reading(db, read)
  } finally {
    db.close()
  }
}

/** A stored chunk may be shorter than one in memory. */
function whole(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length === chunkBytes) return bytes
  const chunk = new Uint8Array(chunkBytes)
  chunk.set(bytes)
  return chunk
}
