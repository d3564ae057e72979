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
import { errorName, isEngineFile } from './directory.js'
import type { Directory, OpenFile } from './directory.js'
import { answer, changing, chunksOf, namesIn, opened, reading, removed } from './idb.js'
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
  /** Chunks that are there and do not count (I3). */
  readonly stale: Set<number>
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
    const count = Math.ceil((length ?? 0) / chunkBytes)
    const stale = new Set<number>()
    const live: [number, Uint8Array<ArrayBuffer>][] = []
    for (const [place, [, index]] of keys.entries()) {
      if (index < count) live.push([index, whole(parts[place] ?? new Uint8Array())])
      else stale.add(index)
    }
    file.restore(length ?? 0, live)
    this.#stored.set(file.name, { count, stale, gone: false })
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
    changes.cutFrom = Math.min(changes.cutFrom, Math.ceil(file.size() / chunkBytes))
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
      this.#failure = new CofferError('io', `IndexedDB failed (${String(cause)}); open the database again`, { cause })
      throw this.#failure
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
        if (errorName(error) !== 'QuotaExceededError' || !(await this.#deleteStale(Infinity))) throw error
        await this.#store(changes, gone)
      })
    } catch (cause) {
      const quota = errorName(cause) === 'QuotaExceededError'
      this.#lost = { changes, removed: gone }
      this.#fail(new CofferError(quota ? 'quota' : 'io', quota ? noRoom : `IndexedDB failed (${String(cause)}); open the database again`, { cause })) // I2
      this.check()
    }
    this.#tidy()
  }

  async #store(changes: Map<string, Changes>, gone: Set<string>): Promise<void> {
    const stored = new Map<string, Stored>()
    await changing(this.#db, 'strict', (files, chunks) => {
      for (const name of gone) {
        const { count, stale } = this.#storedOf(name)
        if (!this.#stored.has(name)) chunks.delete(chunksOf(name))
        if (count === 0 && stale.size === 0) files.delete(name)
        else files.put(0, name)
        stored.set(name, { count: 0, stale: withRange(stale, 0, count), gone: true })
      }
      for (const [name, { chunks: indexes, cutFrom }] of changes) {
        const file = this.#files.get(name)
        if (file === undefined) continue
        const before = stored.get(name) ?? this.#storedOf(name)
        const stale = withRange(before.stale, cutFrom, before.count)
        const count = putFile(files, chunks, file, indexes, stale)
        // I3
        for (const index of stale) {
          if (index >= count) continue
          chunks.delete([name, index])
          stale.delete(index)
        }
        stored.set(name, { count, stale, gone: false })
      }
    })
    for (const [name, state] of stored) this.#stored.set(name, state)
  }

  #storedOf(name: string): Stored {
    return this.#stored.get(name) ?? { count: 0, stale: new Set(), gone: false }
  }

  /** Does what waits, a part at a time, with commits in between (I4). */
  #tidy(): void {
    const waits = (): boolean => this.#failure === undefined && !this.#closed && ([...this.#asides.values()].some(isPending) || [...this.#stored.values()].some(({ stale }) => stale.size > 0))
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
    const indexes = first(pending, partChunks)
    for (const index of indexes) pending.delete(index)
    const { stale: before } = this.#storedOf(file.name)
    const stale = new Set(before)
    let count = 0
    try {
      await changing(this.#db, 'strict', (files, chunks) => void (count = putFile(files, chunks, file, indexes, stale)))
      this.#stored.set(file.name, { count, stale, gone: false })
    } catch (cause) {
      aside.failure = errorName(cause) === 'QuotaExceededError' ? new CofferError('quota', noRoom, { cause }) : new CofferError('io', `IndexedDB failed (${String(cause)})`, { cause })
    }
  }

  /** Deletes chunks that do not count, so many at the most. False if there are none. What is not deleted in the end is found at the next opening. */
  async #deleteStale(most: number): Promise<boolean> {
    const deleted = new Map<string, number[]>()
    let left = most
    for (const [name, { stale }] of this.#stored) {
      if (stale.size === 0 || left === 0) continue
      deleted.set(name, first(stale, left))
      left -= Math.min(left, stale.size)
    }
    if (deleted.size === 0) return false
    await changing(this.#db, 'relaxed', (files, chunks) => {
      for (const [name, indexes] of deleted) {
        for (const [from, before] of ranges(indexes)) chunks.delete(chunksOf(name, from, before))
        const { stale, gone } = this.#storedOf(name)
        if (gone && stale.size === indexes.length) files.delete(name)
      }
    })
    for (const [name, indexes] of deleted) for (const index of indexes) this.#stored.get(name)?.stale.delete(index)
    return true
  }
}

const noRoom = 'there is no room left for this site; free some, then try again'

const isPending = ({ chunks, failure }: Aside): boolean => chunks.size > 0 && failure === undefined

/** Puts chunks of a file, and how many count; takes from `stale` what it has put. */
function putFile(files: IDBObjectStore, chunks: IDBObjectStore, file: MemoryFile, indexes: Iterable<number>, stale: Set<number>): number {
  const length = file.size()
  files.put(length, file.name)
  for (const index of indexes) {
    const bytes = file.chunk(index)
    if (bytes === undefined) continue
    const end = length - index * chunkBytes
    chunks.put(end < chunkBytes ? bytes.slice(0, end) : bytes, [file.name, index])
    stale.delete(index)
  }
  return Math.ceil(length / chunkBytes)
}

function withRange(set: Set<number>, from: number, before: number): Set<number> {
  const more = new Set(set)
  for (let index = from; index < before; index += 1) more.add(index)
  return more
}

function first(set: Set<number>, most: number): number[] {
  const found: number[] = []
  for (const one of set) {
    if (found.length >= most) break
    found.push(one)
  }
  return found
}

/** Numbers as ranges of such as follow each other. */
function ranges(numbers: readonly number[]): [from: number, before: number][] {
  const found: [number, number][] = []
  for (const one of numbers) {
    const last = found.at(-1)
    if (last?.[1] === one) last[1] = one + 1
    else found.push([one, one + 1])
  }
  return found
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
  const db = await opened(name, false)
  if (db === undefined) return false
  const length = await reading(db, (files) => answer(files.get('manifest') as IDBRequest<number | undefined>))
  db.close()
  return (length ?? 0) > 0
}

/** The root of a database, read beside whoever has it open. */
export async function rootInIndexed(name: string): Promise<Blob | undefined> {
  const db = await opened(name, false)
  if (db === undefined) return undefined
  const [length, chunks] = await reading(db, (files, chunks) =>
    Promise.all([answer(files.get('manifest') as IDBRequest<number | undefined>), answer(chunks.getAll(chunksOf('manifest')) as IDBRequest<Uint8Array<ArrayBuffer>[]>)]),
  )
  db.close()
  return length === undefined || length === 0 ? undefined : new Blob(chunks.map((chunk) => whole(chunk))).slice(0, length)
}

/** Removes a database and all its files. */
export function removeFromIndexed(name: string): Promise<void> {
  return removed(name)
}

/** A stored chunk may be shorter than one in memory. */
function whole(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (bytes.length === chunkBytes) return bytes
  const chunk = new Uint8Array(chunkBytes)
  chunk.set(bytes)
  return chunk
}
