// Keeps one database open: its lock, its files, the engine on them, and the work that is done when nobody asks for anything.
//
// The engine cannot wait, and opening a file takes waiting. So the keeper opens what there is before the engine starts, keeps the files
// ready that the engine may create next, and closes and removes what the engine let go of. A call of the engine that fails with
// `not_ready` has done nothing: `prepare` opens what it lacked, and the call is made again.
//
// I1  After a failed opening nothing is held: no handle, no lock, no half-made file.
// I2  Nothing that was committed is acknowledged before `settle` has resolved. One flush does for all commits since the last.
// I3  Opening and removing of files happen one after another, in `#files`, while calls of the engine go on.

import { Database, Files, inspect } from '../../wasm/coffer_web.js'
import { CofferError, encodeError } from '../error.js'
import type { Opening } from '../protocol.js'
import type { Root, Secret } from '../verbs.js'
import type { Directory, OpenFile } from './directory.js'
import { HelperGone } from './helper.js'
import type { Helper } from './helper.js'
import { takeLock } from './lock.js'
import { findPlace, listPlaces, removeFromPlaces } from './places.js'
import { attempts, fresh, using } from './secrets.js'
import { Upkeep } from './upkeep.js'
import type { UpkeepFiles } from './upkeep.js'

/** How long opening waits for another user of the database to go. */
const waitMs = 3500

/** With relaxed durability, what was committed is durable after this at most. */
const relaxedMs = 100

/** An open database and its files. */
export class Keeper {
  readonly database: Database
  readonly directory: Directory
  readonly #durability: 'strict' | 'relaxed'
  readonly #files: OpenFiles
  readonly #free: () => void
  readonly #report: (error: unknown) => void
  /** Undefined where nothing may be written. */
  readonly #upkeep: Upkeep | undefined
  #flushing: ReturnType<typeof setTimeout> | undefined
  #takingBack: Promise<void> | undefined
  #closed = false
  #listener: (() => void) | undefined

  private constructor(opening: Opening, database: Database, files: OpenFiles, free: () => void, report: (error: unknown) => void, helper: Helper | undefined) {
    this.database = database
    this.directory = files.directory
    this.#durability = opening.durability ?? 'strict'
    this.#files = files
    this.#free = free
    this.#report = report
    this.#upkeep = opening.readonly === true ? undefined : new Upkeep(database, upkeepFiles(opening.name, files, this), helper, report)
  }

  /**
   * Opens a database. `report` hears of failures of what is done in the background; `lock`, if the caller has it, frees the lock; `helper` takes
   * upkeep over, if there is one.
   */
  static async open(opening: Opening, report: (error: unknown) => void, lock?: () => void, helper?: Helper): Promise<Keeper> {
    const backend = opening.backend ?? 'auto'
    const free = lock ?? (backend === 'memory' ? (): void => undefined : await takeLock(opening.name, waitMs))
    let undo = (): Promise<void> => Promise.resolve().then(free)
    try {
      const mayMake = opening.create !== 'never' && opening.readonly !== true
      const directory = await findPlace(opening.name, backend, mayMake)
      if (directory === undefined) throw notFound(opening.name)
      const files = new OpenFiles(directory)
      undo = (): Promise<void> => files.close().finally(free)
      await files.openAll()
      const database = await opened(opening, files)
      const keeper = new Keeper(opening, database, files, free, report, helper)
      undo = (): Promise<void> => keeper.close()
      // A script whose first commit had to wait for a file would be begun again in the middle.
      if (opening.readonly !== true) await files.prepareNext(database.nextFiles())
      // What was made is there for everybody: a tab that comes now looks for its key.
      await directory.settle()
      keeper.idle()
      return keeper
    } catch (error) {
      // I1. What went wrong first is what is told.
      await undo().catch(() => undefined)
      throw error
    }
  }

  /** The bytes of the root. */
  manifest(): Uint8Array {
    return this.#files.whole('manifest')
  }

  /** Gets what a call lacked that failed with `not_ready`: files, or the end of a job that is away. */
  async prepare(): Promise<void> {
    await this.#upkeep?.away
    await this.#files.openWanted()
  }

  /** Makes a call of the engine, preparing what it lacks, until it lacks nothing. */
  repeat<T>(call: () => T): Promise<T> {
    return repeated(call, () => this.prepare())
  }

  /** Makes what was committed so far as durable as the database was opened for. Undefined if it is already. */
  settle(durability: 'strict' | 'relaxed' = this.#durability): Promise<void> | undefined {
    this.idle()
    if (durability === 'strict') return this.flush()
    this.#flushing ??= setTimeout(() => {
      try {
        this.flush()?.catch(this.#report)
      } catch (error) {
        this.#report(error)
      }
    }, relaxedMs)
    return undefined
  }

  /** Makes what was committed so far durable. Undefined if it is already. */
  flush(): Promise<void> | undefined {
    clearTimeout(this.#flushing)
    this.#flushing = undefined
    this.database.flush()
    return this.directory.settle()?.catch(async (error: unknown) => {
      await this.#takeBack(error)
      throw error
    })
  }

  /** What could not be stored is taken back, so that the next commit finds the database as those before it left it. */
  #takeBack(failure: unknown): Promise<void> {
    this.#takingBack ??= (async () => {
      try {
        await this.directory.restore?.((names) => {
          this.#files.putBack(names)
          this.database.reload()
        })
      } catch (error) {
        // Whoever waits for it is told of the failure itself.
        if (error !== failure) this.#report(error)
      } finally {
        this.#takingBack = undefined
      }
    })()
    return this.#takingBack
  }

  /** What is known of the database without its key. */
  root(): Root {
    return inspect(this.#files.engine, undefined) as Root
  }

  /** Runs one of the database's own verbs that may need files, until it has them. */
  async run<T>(verb: (database: Database) => T): Promise<T> {
    await this.#files.prepareNext(this.database.nextFiles())
    const result = await this.repeat(() => verb(this.database))
    await this.flush()
    this.idle()
    return result
  }

  /** Folds what was committed before, with commits going on; all that a chore would be about, or nearly. */
  async fold(): Promise<void> {
    await this.#upkeep?.checkpoint()
  }

  /** Merges everything live into one segment, with commits going on. */
  async merge(): Promise<void> {
    await this.#upkeep?.compact()
  }

  /** To be called when calls have been answered: does a share of the upkeep when there is time. */
  idle(): void {
    if (!this.#closed) this.#upkeep?.idle()
  }

  /** `listener` hears when upkeep has done something. */
  onUpkeep(listener: () => void): void {
    this.#listener = listener
  }

  /** Upkeep has done something. */
  turned(): void {
    if (!this.#closed) this.#listener?.()
  }

  /** Ends the use of the database, with everything durable. Whatever fails, the files and the lock are free afterwards. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#flushing)
    try {
      await this.#upkeep?.end()
      this.database.close()
      await this.directory.settle()
    } finally {
      await this.#files.close().finally(this.#free)
    }
  }
}

/** Names of all databases of the origin. */
export function list(): Promise<string[]> {
  return listPlaces()
}

/** Removes a database that nobody has open. */
export async function destroy(name: string): Promise<void> {
  const free = await takeLock(name, waitMs)
  try {
    await removeFromPlaces(name)
  } finally {
    free()
  }
}

function notFound(name: string): CofferError {
  return new CofferError('not_found', `there is no database ${name}; open it without create: 'never' and readonly to make it`)
}

/** Opens the engine. */
function opened(opening: Opening, files: OpenFiles): Promise<Database> {
  return withKey(opening, () => inspect(files.engine, undefined) as Root, (secret) => repeated(() => engine(opening, files, secret), () => files.openWanted()))
}

/** A key as the engine takes it. */
type Usable = Pick<Secret, 'kind' | 'more'> & { readonly bytes: Uint8Array }

/**
 * Does something with the key of an opening, with whatever of it WebCrypto can prepare for the slots of a root. The engine wipes its copy of
 * the bytes; what is behind them is the caller's.
 */
export async function withKey<T>({ key, kdf }: Opening, root: () => Root, use: (secret?: Usable) => T | Promise<T>): Promise<T> {
  if (key === undefined) return use()
  if (key.kind !== 'passphrase') return use({ ...key, ...('wrapped' in key && { more: key.wrapped }) })
  const words: Secret = { kind: key.kind, bytes: new TextEncoder().encode(key.words) }
  const prepared = await candidates(words, kdf, root)
  return using([words, ...prepared], async () => {
    for (let index = 0; ; index += 1) {
      try {
        return await use(prepared[index])
      } catch (error) {
        if (index >= prepared.length - 1 || encodeError(error).code !== 'wrong_key') throw error
      }
    }
  })
}

async function candidates(words: Secret, kdf: string | undefined, root: () => Root): Promise<Secret[]> {
  let slots
  try {
    slots = root().slots
  } catch {
    // There is none yet, or what is there is the engine's to complain about.
    return [await fresh(words, kdf)]
  }
  return attempts(words, slots)
}

function engine(opening: Opening, files: OpenFiles, secret?: Usable): Database {
  const options = {
    backend: files.directory.place,
    clusterBytes: files.directory.clusterBytes,
    keyKind: secret?.kind ?? '',
    ...Object.fromEntries((['create', 'readonly', 'kdf', 'cipher', 'codec', 'pageSize', 'cacheBytes', 'dictionary'] as const).flatMap((field) => (opening[field] === undefined ? [] : [[field, opening[field]]]))),
  }
  return Database.open(opening.name, files.engine, options, secret?.bytes, secret?.more)
}

/** The open files of a directory, on both sides of the engine's boundary. */
class OpenFiles {
  readonly directory: Directory
  readonly engine = new Files()
  readonly #open = new Map<string, OpenFile>()
  #last: Promise<unknown> = Promise.resolve()

  constructor(directory: Directory) {
    this.directory = directory
  }

  /** Every file there is, and those that a new database begins with. */
  async openAll(): Promise<void> {
    const there = await this.directory.list()
    const first = there.length === 0 ? ['manifest', 'log-0', 'seg-1'] : []
    await this.#inTurn(() => this.#openThese([...there, ...first]))
  }

  /** All bytes of an open file. */
  whole(name: string): Uint8Array {
    const file = this.#open.get(name)
    const bytes = new Uint8Array(file?.size() ?? 0)
    file?.read(bytes, 0)
    return bytes
  }

  openWanted(): Promise<void> {
    return this.#inTurn(() => this.#openThese(this.engine.wanted()))
  }

  /** Has the next files ready, and removes what is ready and will not be used. */
  prepareNext(next: readonly string[]): Promise<void> {
    const missing = next.some((name) => !this.#open.has(name))
    const surplus = this.engine.ready().filter((name) => name.startsWith('seg-') && !next.includes(name))
    if (!missing && surplus.length === 0) return Promise.resolve()
    return this.#inTurn(async () => {
      await this.#removeThese(surplus)
      await this.#openThese(next)
    })
  }

  read(name: string, at: number, length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    const read = this.#open.get(name)?.read(bytes, at)
    if (read !== length) throw new CofferError('io', `${name} is shorter than it was: ${read ?? 'none'} of ${length} bytes at ${at}`)
    return bytes
  }

  /** Lets another make a file. In OPFS it opens the file itself; elsewhere its bytes go to what this gives. */
  async lend(name: string): Promise<OpenFile | undefined> {
    let file: OpenFile | undefined
    await this.#inTurn(async () => {
      // A leftover that the engine knows is emptied when the job is given up, and lent the next time.
      if (this.#open.has(name) && !this.engine.release(name)) throw new HelperGone(`${name} is in use`)
      this.#open.get(name)?.close()
      this.#open.delete(name)
      if (this.directory.place === 'opfs') return
      file = (await this.directory.aside?.(name)) ?? (await this.directory.open(name))
      if (file.size() > 0) file.truncate(0)
    })
    return file
  }

  /** Removes what there is of a lent file. */
  discard(name: string): Promise<void> {
    return this.#inTurn(async () => {
      // Open again, it is the engine's, and removed like any other that is not used.
      if (!this.#open.has(name)) await this.directory.remove(name)
    })
  }

  /** Tells the engine of files that have been put back to what they were; those that it let go of are there again. */
  putBack(names: readonly string[]): void {
    this.engine.measure()
    for (const name of names) {
      const file = this.#open.has(name) ? undefined : this.directory.file?.(name)
      if (file === undefined) continue
      this.#open.set(name, file)
      this.engine.put(name, file)
    }
  }

  openThese(names: readonly string[]): Promise<void> {
    return this.#inTurn(() => this.#openThese(names))
  }

  async close(): Promise<void> {
    await this.#inTurn(async () => {
      try {
        await this.#removeThese(this.engine.ready())
      } finally {
        for (const file of this.#open.values()) file.close()
        this.#open.clear()
        await this.directory.close()
      }
    })
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => undefined)
    return done
  }

  async #openThese(names: readonly string[]): Promise<void> {
    const opened = await Promise.allSettled(
      names.filter((name) => !this.#open.has(name)).map(async (name) => {
        const file = await this.directory.open(name)
        this.#open.set(name, file)
        this.engine.put(name, file)
      }),
    )
    const failed = opened.find((result) => result.status === 'rejected')
    if (failed !== undefined) throw failed.reason
  }

  async #removeThese(names: readonly string[]): Promise<void> {
    for (const name of names) {
      if (!this.engine.release(name)) continue
      this.#open.get(name)?.close()
      this.#open.delete(name)
      await this.directory.remove(name)
    }
  }
}

function upkeepFiles(name: string, files: OpenFiles, keeper: Keeper): UpkeepFiles {
  return {
    folder: files.directory.place === 'opfs' ? name : undefined,
    repeat: (call) => keeper.repeat(call),
    prepareNext: (names) => files.prepareNext(names),
    read: (file, at, length) => files.read(file, at, length),
    turned: () => keeper.turned(),
    lend: (file) => files.lend(file),
    takeBack: async (file) => {
      await files.directory.whole?.(file)
      await files.openThese([file])
    },
    discard: (file) => files.discard(file),
  }
}

/** A verb may need several files, one after another. */
const attemptsMax = 16

async function repeated<T>(call: () => T, prepare: () => Promise<void>): Promise<T> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return call()
    } catch (error) {
      if (!isNotReady(error) || attempt === attemptsMax) throw error
      await prepare()
    }
  }
}

function isNotReady(error: unknown): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === 'not_ready'
}
