// An open database, as the page sees it.

import type { Channel } from './channel.js'
import { ask, carry } from './chores.js'
import { CofferError, decodeError } from './error.js'
import { define } from './functions.js'
import { plainOfNew, secretOf } from './keys.js'
import { backupPart, kit } from './kit.js'
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

  async flush(): Promise<void> {
    await ask(this.#channel, { do: 'flush' })
  }

  async function(name: string, source: SqlFunction | URL, options?: FunctionOptions): Promise<void> {
    return define(this.#channel, name, source, options)
  }

  async backup(target: BackupTarget, options?: BackupOptions): Promise<BackupResult> {
    return (await backupPart()).backUp(kit, this.#channel, this.name, target, options)
  }

  async restore(backup: BackupSource | readonly BackupSource[], options: RestoreOptions = {}): Promise<number> {
    return (await backupPart()).bringBack(kit, this.#channel, backup, options.key ?? this.keys.own, options)
  }

  backups(options: BackupsOptions): Backups {
    if (!(options.every > 0)) throw new TypeError('every is a number of milliseconds above zero')
    const begun = import('./backups.js').then(({ startBackups }) => startBackups(this, options))
    begun.catch(reportError)
    return { now: async () => (await begun).now(), stop: async () => (await begun).stop() }
  }

  async import(file: BackupSource, options: LongOptions = {}): Promise<number> {
    const { blobOf, replace } = await backupPart()
    return replace(kit, this.#channel, { name: 'import', file: await blobOf(kit, file, options.signal) }, options)
  }

  async export(options?: LongOptions): Promise<Blob> {
    return (await backupPart()).exported(kit, this.#channel, this.name, options)
  }

  async checkpoint(mode: 'passive' | 'full' | 'truncate' = 'passive', options?: LongOptions): Promise<void> {
    await carry(this.#channel, { name: 'checkpoint', mode }, options)
  }

  async compact({ budgetBytes, ...options }: LongOptions & { readonly budgetBytes?: number } = {}): Promise<void> {
    await carry(this.#channel, { name: 'compact', budgetBytes }, options)
  }

  async verify(options?: LongOptions): Promise<Verified> {
    const { records, damage, pagesLost } = await carry(this.#channel, { name: 'verify' }, options)
    return { ok: damage.length === 0, records, damage, pagesLost }
  }

  async encrypt(key: Key, { cipher = 'aes-256-gcm', ...options }: LongOptions & { readonly cipher?: CipherName } = {}): Promise<void> {
    const plain = await plainOfNew(key)
    await carry(this.#channel, { name: 'encrypt', secret: secretOf(plain), cipher, kdf: this.#options.kdf }, options)
    this.keys.own = key
    this.#channel.rekey(plain)
  }

  async decrypt(options?: LongOptions): Promise<void> {
    await carry(this.#channel, { name: 'decrypt' }, options)
    this.keys.own = undefined
    this.#channel.rekey(undefined)
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
    return navigator.storage.persist()
  }

  async estimate(): Promise<StorageEstimate> {
    return navigator.storage.estimate()
  }

  on<E extends keyof DatabaseEvents>(event: E, listener: (detail: DatabaseEvents[E]) => void): () => void {
    const listeners = this.#listeners[event]
    listeners.add(listener)
    return () => void listeners.delete(listener)
  }

  close(): Promise<void> {
    this.#closing ??= this.#channel.call({ kind: 'close' }).then(
      () => {
        this.#channel.end(new CofferError('closed', 'the database is closed'))
        this.#emit('close', undefined)
      },
      // A worker that is lost already is as closed as can be.
      () => undefined,
    )
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
      case 'at':
        // The channel keeps count of it.
        return
      case 'ended':
        this.#emit('error', decodeError(news.failure))
        return this.#emit('close', undefined)
      case 'lost':
        this.#emit('error', new CofferError('worker_lost', news.message))
        return this.#emit('close', undefined)
      case 'helper':
        // The channel's affair.
        return
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
