// Opening a database: worker, module, first request. Where worker and module come from is the entry's affair.

import { Channel } from './channel.js'
import { WorkerDatabase } from './database.js'
import { CofferError } from './error.js'
import type { Opening } from './protocol.js'
import type { Database, OpenOptions } from './types.js'
import { watchPage } from './visits.js'

/** Where an entry of the package finds what it needs. */
export interface Source {
  readonly module: (wasm: OpenOptions['wasm']) => Promise<WebAssembly.Module>
  readonly worker: (make: OpenOptions['worker']) => Worker
}

/** Opens the database of that name in a worker of its own. */
export async function openFrom(source: Source, name: string, options: OpenOptions): Promise<Database> {
  const { signal } = options
  signal?.throwIfAborted()
  if (typeof Worker === 'undefined' || typeof WebAssembly === 'undefined') {
    throw new CofferError('unsupported', 'a database opens in a browser: there are no workers here')
  }
  let database: WorkerDatabase | undefined
  const channel = new Channel(() => started(source, options), (news) => database?.heed(news))
  const giveUp = (): void => channel.end(new CofferError('aborted', 'opening was given up'))
  signal?.addEventListener('abort', giveUp, { once: true })
  try {
    const module = await source.module(options.wasm)
    const { coffer, sqlite } = await channel.open({ ...opening(name, options), kind: 'open', module })
    database = new WorkerDatabase(name, { coffer, sqlite }, channel)
    watchPage(channel)
    return database
  } catch (error) {
    channel.end(new CofferError('closed', 'the database did not open'))
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
}

function started(source: Source, { worker }: OpenOptions): Worker {
  try {
    return source.worker(worker)
  } catch (cause) {
    throw new CofferError('worker_lost', `the database worker could not be started: ${String(cause)}`, { cause })
  }
}

/** What concerns the page only; a signal or a function could not be posted to the worker either. */
const pageOnly: readonly string[] = ['signal', 'wasm', 'worker'] satisfies (keyof OpenOptions)[]

function opening(name: string, options: OpenOptions): Opening {
  return { ...Object.fromEntries(Object.entries(options).filter(([option]) => !pageOnly.includes(option))), name }
}
