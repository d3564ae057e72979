// The work that is done when nobody asks for anything: folding logs, merging segments, learning a dictionary. In the checkpoint worker where
// there is one and the job is worth the way, else here, a share at a time.
//
// I1  One job at a time. A verb that cannot go on beside one that is away waits for it (`away`).
// I2  A job that comes to nothing is given back to the engine and its half-made file is removed, before anything else is tried.
// I3  After `end` nothing of it goes on, and no file is open but those of the database.
// I4  What nobody asked for (a dictionary) is one job at a time like everything else, after what is due; the engine knows where it was.

import type { Database, Job } from '../../wasm/coffer_web.js'
import { CofferError } from '../error.js'
import type { OpenFile } from './directory.js'
import { HelperGone } from './helper.js'
import type { Helper } from './helper.js'
import { Turns } from './turns.js'

/** A share of upkeep that is done here: a few milliseconds. */
const shareBytes = 512 * 1024

/** A job of fewer pages is done here: the way is longer than the work. */
const pagesMin = 256

/** No job is so large. */
const pagesMax = 0xffff_ffff

/** What it needs of the database's files. */
export interface UpkeepFiles {
  /** The database whose folder of OPFS the files are in; undefined if they are elsewhere. */
  readonly folder: string | undefined
  /** Makes a call of the engine, preparing what it lacks, until it lacks nothing. */
  repeat<T>(call: () => T): Promise<T>
  /** Has files ready that the engine may create next. */
  prepareNext(names: readonly string[]): Promise<void>
  read(name: string, at: number, length: number): Uint8Array
  /** Something may have been done. */
  turned(): void
  /** Lets another make a file; gives where to put its bytes if they come back. */
  lend(name: string): Promise<OpenFile | undefined>
  /** Opens a lent file, now that it is made. */
  takeBack(name: string): Promise<void>
  /** Removes what there is of a lent file. */
  discard(name: string): Promise<void>
}

/** As the engine's `takeJob` knows them. */
type Kind = 'due' | 'fold' | 'sealed' | 'stale' | 'all' | 'spare'

export class Upkeep {
  readonly #database: Database
  readonly #files: UpkeepFiles
  readonly #helper: Helper | undefined
  readonly #report: (error: unknown) => void
  readonly #turns = new Turns()
  #round: ReturnType<typeof setTimeout> | undefined
  readonly #times: Partial<Record<Kind, ReturnType<typeof setTimeout> | undefined>> = {}
  #next: Kind = 'due'
  #last: Promise<unknown> = Promise.resolve()
  #away: Promise<void> | undefined
  #ended = false

  /** `report` hears of failures. */
  constructor(database: Database, files: UpkeepFiles, helper: Helper | undefined, report: (error: unknown) => void) {
    this.#database = database
    this.#files = files
    this.#helper = helper
    this.#report = report
  }

  /** Settles when no job is away; undefined if none is (I1). Never rejects. */
  get away(): Promise<void> | undefined {
    return this.#away
  }

  /** To be called when calls have been answered: does a share of what is due when there is time. */
  idle(): void {
    if (this.#ended) return
    this.#round ??= setTimeout(() => void this.#inTurn(() => this.#keepUp()), 0)
  }

  /** Folds all that was committed before. */
  checkpoint(): Promise<void> {
    return this.#inTurn(() => this.#fold())
  }

  /** Folds, and merges everything into one segment under the newest codec, key and dictionary. */
  compact(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#fold()
      while (await this.#one('stale'));
      await this.#one('all')
    })
  }

  /** Ends it (I3). */
  async end(): Promise<void> {
    this.#ended = true
    clearTimeout(this.#round)
    clearTimeout(this.#times.fold)
    clearTimeout(this.#times.spare)
    await this.#helper?.end()
    await this.#last
  }

  /** It may have been ended while something was waited for. */
  #isOver(): boolean {
    return this.#ended
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work)
    this.#last = done.catch(() => undefined).then(() => this.#files.turned()).catch(this.#report)
    return done
  }

  /** One job or share, then others' turn: another may be due at once. */
  async #keepUp(): Promise<void> {
    if (this.#ended) return
    try {
      const kind = this.#next
      this.#next = 'due'
      const more = await this.#share(kind)
      this.#round = undefined
      if (more) this.idle()
      else {
        this.#watchTime('fold')
        this.#watchTime('spare')
      }
    } catch (error) {
      // Tried again after the next commit: a full disk may have room by then.
      this.#round = undefined
      if (!this.#isOver()) this.#report(error instanceof DOMException ? new CofferError('io', `upkeep failed, and is tried again: ${String(error)}`, { cause: error }) : error)
    }
  }

  /** What little is in the log is folded too, when it has been there for long, and what nobody asked for is done (I4). */
  #watchTime(kind: Kind): void {
    if (this.#ended || this.#times[kind] !== undefined) return
    const after = this.#database.waits(kind)
    if (after === 0) return
    this.#times[kind] = setTimeout(() => {
      this.#times[kind] = undefined
      this.#next = kind
      this.idle()
    }, Math.min(after, 0x7fff_ffff))
  }

  /** A job of this kind elsewhere, or a share of one here. False if there is nothing to do. */
  async #share(kind: Kind): Promise<boolean> {
    const job = await this.#take(kind)
    if (job !== undefined) {
      await this.#runElsewhere(job, kind)
      return true
    }
    return !(await this.#files.repeat(() => this.#ended || this.#database.maintain(shareBytes)))
  }

  /** A whole job of this kind. False if there is none. */
  async #one(kind: Kind): Promise<boolean> {
    await this.#finish()
    while (!this.#ended) {
      const job = await this.#take(kind)
      if (job === undefined) {
        const begun = this.#database.isAtWork()
        await this.#finish()
        return begun
      }
      if (await this.#runElsewhere(job, kind)) return true
    }
    return false
  }

  /** Does what was begun here to its end. */
  async #finish(): Promise<void> {
    while (!this.#ended && this.#database.isAtWork()) {
      await this.#files.repeat(() => this.#database.maintain(shareBytes))
      await this.#turns.next()
    }
  }

  /** The log of now, and those that wait. */
  async #fold(): Promise<void> {
    let more = await this.#one('fold')
    while (more) more = await this.#one('sealed')
  }

  /** A job to be run elsewhere; one that is too small for that, or has nowhere to go, is begun here. */
  async #take(kind: Kind): Promise<Job | undefined> {
    await this.#files.prepareNext(this.#database.nextFiles())
    const usable = this.#helper?.usable === true
    // Not everybody says how much room there is.
    const storage = kind === 'spare' && usable ? (navigator.storage as Partial<StorageManager> | undefined) : undefined
    const { quota, usage } = (await storage?.estimate?.().catch(() => undefined)) ?? {}
    return this.#files.repeat(() => (this.#ended ? undefined : this.#database.takeJob(kind, usable ? pagesMin : pagesMax, Number(quota) - Number(usage))))
  }

  /** Has a job done by the helper. False if nothing came of it and it is to be tried again. */
  async #runElsewhere(job: Job, kind: Kind): Promise<boolean> {
    let free = (): void => undefined
    this.#away = new Promise((resolve) => (free = resolve))
    const { target, sources } = job
    // One that learns makes no file.
    const makes = target !== ''
    const bytes = job.intoBytes()
    try {
      const file = makes ? await this.#files.lend(target) : undefined
      const done = await this.#helper?.run(bytes, target, makes ? this.#files.folder : undefined, {
        read: (source, at, length) => this.#files.read(sources[source] ?? '', at, length),
        write: (bytes, at) => void file?.write(bytes, at),
      })
      if (done === undefined) throw new HelperGone()
      if (makes) await this.#files.takeBack(target)
      await this.#files.repeat(() => this.#database.installJob(done))
      return true
    } catch (error) {
      this.#database.abandonJob(target) // I2
      if (makes) await this.#files.discard(target)
      if (!(error instanceof HelperGone)) throw error
      // What nobody asked for is not tried again, so it is told.
      if (kind === 'spare' && error.cause !== undefined) this.#report(error.cause)
      return false
    } finally {
      // Where they were not handed over: they hold keys.
      if (bytes.length > 0) bytes.fill(0)
      this.#away = undefined
      free()
    }
  }
}
