// An open database, as the page sees it.

import type { Channel } from './channel.js'
import { checkLong, mayBe, mayBeOneOf, must, mustBe, mustBeKey } from './check.js'
import { ask, carry } from './chores.js'
import { CofferError, decodeError } from './error.js'
import { define } from './functions.js'
import { plainOfNew, secretOf } from './keys.js'
import { backupPart, kit, loaded } from './kit.js'
import { Live } from './live.js'
import type { News } from './protocol.js'
import { WorkerQueries } from './queries.js'
import { one } from './rows.js'
import { WorkerKeys } from './slots.js'
import { transact } from './transaction.js'
import type {
  About, BackupOptions, BackupResult, BackupSource, BackupTarget, Backups, BackupsOptions, CipherName, Database, DatabaseEvents, FunctionOptions, Key, Leader,
  LiveOptions, LongOptions, MemoryStats, OpenOptions, RestoreOptions, Row, SqlFunction, SqlParameters, StorageInfo, Transaction, TransactionOptions, Verified, View,
} from './types.js'
import type { ChoreCall } from './verbs.js'
import { CommitView } from './view.js'

type Listeners = { readonly [E in keyof DatabaseEvents]: Set<(detail: DatabaseEvents[E]) => void> }

export class WorkerDatabase extends WorkerQueries implements Database {
  readonly name: string
  readonly about: About
  readonly keys: WorkerKeys
  readonly #channel: Channel
  readonly #live: Live
  readonly #listeners: Listeners = { commit: new Set(), checkpoint: new Set(), error: new Set(), leader: new Set(), close: new Set() }
  readonly #options: Pick<OpenOptions, 'kdf'>
  #closing: Promise<void> | undefined

  constructor(name: string, about: About, channel: Channel, options: Pick<OpenOptions, 'kdf' | 'key'> = {}) {
    super(channel, {})
    this.name = name
    this.about = about
    this.#channel = channel
    this.#options = options
    this.keys = new WorkerKeys(channel, this, options)
    this.#live = new Live(channel, (error) => this.#emit('error', error))
  }

  get leader(): Leader {
    return this.#channel.leader
  }

  transaction<R>(work: (transaction: Transaction) => R | Promise<R>, options?: TransactionOptions): Promise<R> {
    return transact(this.#channel, work, options)
  }

  live<T extends object = Row>(sql: string, parameters: SqlParameters, listener: (rows: T[]) => void | Promise<void>, options: LiveOptions = {}): () => void {
    return this.#live.start(sql, parameters, listener, options)
  }

  flush(): Promise<void> {
    return ask(this.#channel, { do: 'flush' }) as Promise<undefined>
  }

  function(name: string, source: SqlFunction | URL, options?: FunctionOptions): Promise<void> {
    return define(this.#channel, name, source, options)
  }

  backup(target: BackupTarget, options?: BackupOptions): Promise<BackupResult> {
    checkLong(options)
    return backupPart().then(({ backUp }) => backUp(kit, this.#channel, this.name, target, options))
  }

  restore(backup: BackupSource | readonly BackupSource[], options: RestoreOptions = {}): Promise<number> {
    const { key = this.keys.own } = options
    checkLong(options)
    if (key !== undefined) mustBeKey(key)
    return backupPart().then(({ bringBack }) => bringBack(kit, this.#channel, backup, key, options))
  }

  backups(options: BackupsOptions): Backups {
    must(typeof options.every === 'number' && options.every > 0, 'every is a number of milliseconds above zero')
    must(Object(options.target) === options.target, 'target is a folder')
    mayBe('function', { onSuccess: options.onSuccess, onError: options.onError })
    const begun = loaded(import('./backups.js')).then(({ startBackups }) => startBackups(this, options))
    begun.catch(reportError)
    return { now: async () => (await begun).now(), stop: async () => (await begun).stop() }
  }

  import(file: BackupSource, options: LongOptions = {}): Promise<number> {
    checkLong(options)
    return backupPart().then(({ takeIn }) => takeIn(kit, this.#channel, file, options))
  }

  export(options?: LongOptions): Promise<Blob> {
    checkLong(options)
    return backupPart().then(({ exported }) => exported(kit, this.#channel, this.name, options))
  }

  checkpoint(mode: 'passive' | 'full' | 'truncate' = 'passive', options?: LongOptions): Promise<void> {
    mayBeOneOf(['passive', 'full', 'truncate'], mode, 'mode')
    return this.#carry({ name: 'checkpoint', mode }, options)
  }

  compact({ budgetBytes, ...options }: LongOptions & { readonly budgetBytes?: number } = {}): Promise<void> {
    mayBe('number', { budgetBytes })
    return this.#carry({ name: 'compact', budgetBytes }, options)
  }

  verify(options?: LongOptions): Promise<Verified> {
    return carry(this.#channel, { name: 'verify' }, options).then(({ records, damage, pagesLost }) => ({ ok: damage.length === 0, records, damage, pagesLost }))
  }

  encrypt(key: Key, { cipher = 'aes-256-gcm', ...options }: LongOptions & { readonly cipher?: CipherName } = {}): Promise<void> {
    mustBeKey(key)
    mustBe('string', { cipher })
    checkLong(options)
    return this.#encrypt(key, cipher, options)
  }

  async #encrypt(key: Key, cipher: CipherName, options: LongOptions): Promise<void> {
    const plain = await plainOfNew(key)
    await carry(this.#channel, { name: 'encrypt', secret: secretOf(plain), cipher, kdf: this.#options.kdf }, options)
    this.keys.own = key
    this.#channel.rekey(plain)
  }

  decrypt(options?: LongOptions): Promise<void> {
    return this.#carry({ name: 'decrypt' }, options).then(() => {
      this.keys.own = undefined
      this.#channel.rekey(undefined)
    })
  }

  #carry(call: ChoreCall, options: LongOptions | undefined): Promise<void> {
    return carry(this.#channel, call, options) as Promise<unknown> as Promise<undefined>
  }

  async storageInfo(): Promise<StorageInfo> {
    return one(await this.get<StorageInfo>('select * from storage_info'))
  }

  async memoryStats(): Promise<MemoryStats> {
    return one(await this.get<MemoryStats>('select * from memory_stats'))
  }

  async snapshot(): Promise<View> {
    return this.at((await ask(this.#channel, { do: 'keep' })) as number)
  }

  at(commit: number): View {
    return new CommitView(this.#channel, commit)
  }

  async persist(): Promise<boolean> {
    return room().persist()
  }

  async estimate(): Promise<StorageEstimate> {
    return room().estimate()
  }

  on<E extends keyof DatabaseEvents>(event: E, listener: (detail: DatabaseEvents[E]) => void): () => void {
    must(Object.hasOwn(this.#listeners, event) && typeof listener === 'function', 'on() takes the name of an event, and a function')
    const listeners = this.#listeners[event]
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  close(): Promise<void> {
    const isOpen = (): boolean => this.#channel.ended === undefined
    this.#closing ??= this.#channel.call({ kind: 'close' }).catch((error: unknown) => {
      // A worker that is lost already is as closed as can be.
      if (isOpen()) throw error
    }).finally(() => {
      if (!isOpen()) return
      this.#channel.end(new CofferError('closed', 'the database is closed'))
      this.#emit('close', undefined)
    })
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Hears what the worker tells unasked. */
  heed(news: News): void {
    switch (news.event) {
      case 'rows':
      case 'failed':
        return this.#live.take(news)
      case 'commit':
        return this.#emit('commit', { tables: news.tables })
      case 'checkpoint':
        return this.#emit('checkpoint', { commit: news.commit })
      case 'error':
        return this.#emit('error', decodeError(news.failure))
      case 'joined':
        this.#live.rejoin()
        return this.#emit('leader', { leader: news.leader })
      case 'ended':
        this.#emit('error', decodeError(news.failure))
        return this.#emit('close', undefined)
      default:
        return news satisfies never
    }
  }

  #emit<E extends keyof DatabaseEvents>(event: E, detail: DatabaseEvents[E]): void {
    for (const listener of this.#listeners[event]) {
      try {
        listener(detail)
      } catch (error) {
        // One listener's bug must not keep the news from the others.
        reportError(error)
      }
    }
  }
}

/** The site's storage. Insecure pages and servers have none. */
function room(): StorageManager {
  const { storage } = navigator as Partial<Pick<Navigator, 'storage'>>
  if (storage === undefined) throw new CofferError('unsupported', 'there is no storage here; a page needs https')
  return storage
}
