// Carries out the verbs of verbs.ts on the open database.
//
// V3  A chore is freed when it is dropped, when its owner is gone, and when the database is closed.

import type { Chore, Database } from '../../wasm/coffer_web.js'
import { Files, inspect } from '../../wasm/coffer_web.js'
import { CofferError, encodeError } from '../error.js'
import type { ChoreCall, ChoreState, Root, Secret, Verb, VerbAnswer } from '../verbs.js'
import { BlobFile } from './blob.js'
import { attempts, fresh, handed, using } from './secrets.js'

/** What the verbs need of whoever keeps the database open. */
export interface VerbHost {
  /** Runs something that may need files, until it has them; what it committed is durable then. */
  run<T>(verb: (database: Database) => T): Promise<T>
  readonly database: Database
  /** Folds, or merges everything, with commits going on: in the checkpoint worker, where there is one. */
  fold(): Promise<void>
  merge(): Promise<void>
  /** What is known of the database without its key. */
  root(): Root
}

/** A step holds everybody else up for some milliseconds. */
const stepBytes = 512 * 1024

/** How long a step waits for what is done elsewhere, before it says that it could do nothing: who gave the chore up is not to wait longer. */
const waitMs = 100

interface Begun {
  /** Absent while what can be done beside commits is done elsewhere: `beside` settles then. */
  chore: Chore | undefined
  readonly beside: Promise<void> | undefined
  readonly owner: unknown
  /** The contents become others. */
  readonly replaces: boolean
}

/** As the engine says it: the call is to be made again when what it lacks is there. */
const notReady: Error = Object.assign(new Error('the module is being loaded'), { code: 'not_ready' })

/** The module of a SQL function. */
interface Module {
  readonly loaded: Promise<void>
  given?: SqlFunction
  failure?: unknown
}

type SqlFunction = (...values: unknown[]) => unknown

/** The state of a chore whose work is done elsewhere so far. */
const idle: ChoreState = { done: 0, total: 0, finished: false, waiting: true, records: 0, damage: [], pagesLost: [] }

/** The verbs of an open database. */
export class Verbs {
  readonly #host: VerbHost
  readonly #modules = new Map<string, Module>()
  readonly #chores = new Map<number, Begun>()
  #last = 0

  constructor(host: VerbHost) {
    this.#host = host
  }

  /** Carries out a verb for `owner`, who is whatever the caller tells clients apart by. `replaced` hears that it has replaced the contents. */
  async answer(verb: Verb, owner: unknown, replaced: () => void): Promise<VerbAnswer> {
    switch (verb.do) {
      case 'begin': {
        const id = ++this.#last
        const beside = this.#beside(verb.chore)?.then(async () => {
          // It may have been given up.
          const chore = this.#chores.has(id) ? await this.#begin(verb.chore) : undefined
          const begun = this.#chores.get(id)
          if (begun === undefined) chore?.free()
          else begun.chore = chore
        })
        beside?.catch(() => undefined)
        const chore = beside === undefined ? await this.#begin(verb.chore) : undefined
        this.#chores.set(id, { chore, beside, owner, replaces: verb.chore.name === 'import' || verb.chore.name === 'restore' })
        return id
      }
      case 'step':
        return this.#step(verb.chore, replaced)
      case 'drop':
        this.#drop(verb.chore)
        return undefined
      case 'flush':
        return this.#host.run(() => undefined)
      case 'addKey':
        return using([verb.secret], async () => {
          const secret = await fresh(verb.secret, verb.kdf)
          return this.#host.run((database) => database.addKey(handed(secret)))
        })
      case 'removeKey':
        await this.#host.run((database) => database.removeKey(verb.slot))
        return undefined
      case 'changeKey':
        return using([verb.old, verb.next], async () => {
          const next = await fresh(verb.next, verb.kdf)
          return this.#first(verb.old, (database, old) => database.changeKey(handed(old), handed(next)))
        })
      case 'slots':
        return verb.file === undefined ? this.#host.root() : rootOf(handedFiles([verb.file]), nameOf(0))
      case 'keep':
        return this.#host.run((database) => database.keepCommit())
      case 'release':
        await this.#host.run((database) => database.releaseCommit(verb.commit))
        return undefined
      case 'function':
        throw new CofferError('unsupported', 'a function is defined, not answered')
      default:
        return verb satisfies never
    }
  }

  /**
   * Gives SQL a function. Fails with `not_ready` until its module is loaded, which `ready` waits for: whoever comes after this finds the
   * function there.
   */
  define(verb: Verb & { do: 'function' }): void {
    const module = this.#modules.get(verb.module)
    if (module === undefined) {
      const loading: Module = { loaded: imported(verb.module).then((given) => void (loading.given = given), (error: unknown) => void (loading.failure = error)) }
      this.#modules.set(verb.module, loading)
    }
    if (module?.given === undefined && module?.failure === undefined) throw notReady
    this.#modules.delete(verb.module)
    if (module.given === undefined) throw module.failure
    this.#host.database.function(verb.name, module.given, verb.deterministic)
  }

  /** Waits for the modules that are being loaded. */
  async ready(): Promise<void> {
    await Promise.all([...this.#modules.values()].map(({ loaded }) => loaded))
  }

  /** Lets go of what a client that is gone has begun. */
  leave(owner: unknown): void {
    for (const [id, begun] of this.#chores) if (begun.owner === owner) this.#drop(id)
  }

  /** Lets go of everything. */
  end(): void {
    for (const id of [...this.#chores.keys()]) this.#drop(id)
  }

  /** What of a chore is done with commits going on; left for the chore is what was committed meanwhile. */
  #beside(call: ChoreCall): Promise<void> | undefined {
    if (call.name === 'checkpoint') return this.#host.fold()
    return call.name === 'compact' && call.budgetBytes === undefined ? this.#host.merge() : undefined
  }

  #begin(call: ChoreCall): Promise<Chore> {
    const run = <T>(verb: (database: Database) => T): Promise<T> => this.#host.run(verb)
    switch (call.name) {
      case 'checkpoint':
        return run((database) => database.checkpointChore(call.mode))
      case 'compact':
        return run((database) => database.compactChore(call.budgetBytes))
      case 'verify':
        return run((database) => database.verifyChore())
      case 'backup':
        return run((database) => database.backupChore(call.since))
      case 'export':
        return run((database) => database.exportChore())
      case 'import': {
        const files = handedFiles([call.file])
        return run((database) => database.importChore(files, nameOf(0)))
      }
      case 'restore': {
        const { secret } = call
        const files = handedFiles(call.files)
        const names = call.files.map((_, index) => nameOf(index))
        return using([secret], () =>
          secret === undefined
            ? run((database) => database.restoreChore(files, names, undefined))
            : this.#first(secret, (database, one) => database.restoreChore(files, names, handed(one)), rootOf(files, names[0])),
        )
      }
      case 'rotate':
        return using(call.secrets, async () => {
          const { slots } = this.#host.root()
          const all = (await Promise.all(call.secrets.map((secret) => attempts(secret, slots)))).flat()
          return run((database) => database.rotateChore(all.map(handed)))
        })
      case 'encrypt':
        return using([call.secret], async () => {
          const secret = await fresh(call.secret, call.kdf)
          return run((database) => database.encryptChore(handed(secret), call.cipher))
        })
      case 'decrypt':
        return run((database) => database.decryptChore())
      default:
        return call satisfies never
    }
  }

  /** Tries what a key may be until one fits. */
  async #first<T>(secret: Secret, use: (database: Database, secret: Secret) => T, root: Root = this.#host.root()): Promise<T> {
    const all = await attempts(secret, root.slots)
    for (const [index, one] of all.entries()) {
      try {
        return await this.#host.run((database) => use(database, one))
      } catch (error) {
        if (index === all.length - 1 || !isWrongKey(error)) throw error
      }
    }
    throw new CofferError('wrong_key', 'the key does not open it')
  }

  async #step(id: number, replaced: () => void): Promise<ChoreState> {
    const begun = this.#chores.get(id)
    if (begun === undefined) throw new CofferError('aborted', 'this is not under way any more; begin it again')
    if (begun.chore === undefined) await Promise.race([begun.beside, new Promise((resolve) => setTimeout(resolve, waitMs))])
    const { chore, replaces } = begun
    if (chore === undefined) return idle
    const { state, output } = await this.#host.run(() => {
      // It may have been dropped while a file was waited for.
      if (!this.#chores.has(id)) throw new CofferError('aborted', 'this was given up')
      return { state: chore.step(stepBytes) as ChoreState, output: chore.output() as Uint8Array<ArrayBuffer> }
    })
    if (state.finished && replaces) replaced()
    return output.length === 0 ? state : { ...state, output }
  }

  #drop(id: number): void {
    this.#chores.get(id)?.chore?.free()
    this.#chores.delete(id)
  }
}

/** A function out of a module's default export. */
async function imported(module: string): Promise<SqlFunction> {
  let found: unknown
  try {
    found = (await import(/* webpackIgnore: true */ /* turbopackIgnore: true */ /* @vite-ignore */ module) as { default?: unknown }).default
  } catch (cause) {
    const why = `the function's module cannot be loaded (${String(cause)}); the worker's script-src must have blob:, or its origin`
    throw new CofferError('denied', why, { cause })
  }
  if (typeof found !== 'function') throw new CofferError('unsupported', 'the default export must be a function')
  return found as SqlFunction
}

function nameOf(index: number): string {
  return `handed-${index}`
}

function handedFiles(blobs: readonly Blob[]): Files {
  const files = new Files()
  for (const [index, blob] of blobs.entries()) files.put(nameOf(index), new BlobFile(blob))
  return files
}

function rootOf(files: Files, name: string | undefined): Root {
  return inspect(files, name) as Root
}

function isWrongKey(error: unknown): boolean {
  return encodeError(error).code === 'wrong_key'
}
