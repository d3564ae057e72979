// Opening a database: worker, module, first request. Where worker and module come from is the entry's affair.

import { Channel } from './channel.js'
import { checkOpening, must } from './check.js'
import { heed } from './chores.js'
import { WorkerDatabase } from './database.js'
import { CofferError, codeOf, decodeError } from './error.js'
import { compressionOf } from './form.js'
import type { FromWorker, Opening, ToWorker } from './protocol.js'
import { plainOf, plainOfNew } from './keys.js'
import type { Database, OpenOptions, PartsOptions, PlainKey } from './types.js'
import type { Admin, AdminAnswer, Root } from './verbs.js'
import { watchPage } from './visits.js'
import { compiledFrom, unusable } from './wasm.js'

/** Where an entry of the package finds what it needs. */
export interface Source {
  readonly module: (wasm: OpenOptions['wasm']) => Promise<WebAssembly.Module>
  readonly worker: (make: OpenOptions['worker']) => Worker
}

/** Opens the database of that name in a worker of its own. */
export function openFrom(browser: Source, name: string, options: OpenOptions): Promise<Database> {
  checkOpening(name, options)
  return opened(browser, name, options)
}

async function opened(browser: Source, name: string, options: OpenOptions): Promise<Database> {
  const { backend, signal } = options
  const source = await sourceHere(browser, backend)
  heed(signal)
  let database: WorkerDatabase | undefined
  const channel = new Channel(() => started(source, options), (news) => database?.heed(news))
  const giveUp = (): void => channel.end(new CofferError('aborted', 'opening was given up'))
  signal?.addEventListener('abort', giveUp, { once: true })
  let made: boolean | undefined
  try {
    const module = await source.module(options.wasm)
    let key = options.key
    if (key?.kind === 'wrapped') {
      // It is unwrapped from what the database has stored, or made anew for a new one.
      let root
      try {
        if (backend !== 'memory') root = (await administer(source, { do: 'inspect', name, backend }, options)) as Root
      } catch (error) {
        if (codeOf(error) !== 'not_found') throw error
      }
      made = !root
      key = await (root ? plainOf(key, root.slots) : plainOfNew(key))
    }
    const { coffer, sqlite } = await channel.open({ ...opening(name, options, key), kind: 'open', module })
    database = new WorkerDatabase(name, { coffer, sqlite }, channel, options)
    watchPage(channel)
    return database
  } catch (error) {
    channel.end(new CofferError('closed', 'the database did not open'))
    heed(signal)
    // Another tab has made it meanwhile, with a key that was made there.
    if (made && codeOf(error) === 'wrong_key') return await opened(browser, name, options)
    throw error
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
}

function started(source: Source, { worker }: PartsOptions): Worker {
  try {
    const made = source.worker(worker)
    must(typeof (made as Partial<Worker> | undefined)?.postMessage === 'function', 'worker() gives a Worker')
    return made
  } catch (cause) {
    throw new CofferError('worker_lost', `the database worker could not be started: ${String(cause)}`, { cause })
  }
}

/** What concerns the page only, or goes to the worker in another form; a signal or a function could not be posted to it either. */
const pageOnly: readonly string[] = ['signal', 'wasm', 'worker', 'key', 'compression'] satisfies (keyof OpenOptions)[]

function opening(name: string, options: OpenOptions, key: PlainKey | undefined): Opening {
  const { compression } = options
  return {
    ...Object.fromEntries(Object.entries(options).filter(([option]) => !pageOnly.includes(option))),
    ...compressionOf(compression),
    ...(key !== undefined && { key }),
    name,
  }
}

/** Has a worker of its own do something for which no database is open. */
export async function administer(browser: Source, admin: Admin, options: PartsOptions): Promise<AdminAnswer> {
  const { signal, wasm } = options
  // What is in a file is read in memory.
  const source = await sourceHere(browser, admin.do === 'inspectFile' ? 'memory' : undefined)
  const worker = started(source, options)
  let giveUp: (() => void) | undefined
  try {
    const module = await source.module(wasm)
    return await new Promise<AdminAnswer>((resolve, reject) => {
      const lose = (message: string): void => reject(new CofferError('worker_lost', message))
      heed(signal)
      giveUp = (): void => lose('it was given up')
      signal?.addEventListener('abort', giveUp, { once: true })
      worker.onerror = (event): void => {
        event.preventDefault() // The caller is told.
        lose(event.message || 'the database worker could not be loaded')
      }
      worker.onmessage = ({ data: [reply] }: MessageEvent<FromWorker>): void => {
        if (reply === undefined) return
        if ('message' in reply) lose(reply.message)
        else if ('answer' in reply) resolve(reply.answer as AdminAnswer)
        else if ('failure' in reply) reject(decodeError(reply.failure))
      }
      worker.postMessage([{ kind: 'admin', id: 0, module, admin }] satisfies ToWorker)
    })
  } catch (error) {
    heed(signal)
    throw error
  } finally {
    if (giveUp !== undefined) signal?.removeEventListener('abort', giveUp)
    worker.terminate()
  }
}

/** On a server there is memory only. */
async function sourceHere(browser: Source, backend: OpenOptions['backend']): Promise<Source> {
  if (typeof Worker !== 'undefined' && typeof WebAssembly !== 'undefined') return browser
  const source = backend === 'memory' ? (await import('./server.js')).serverSource({ compiledFrom, unusable }) : undefined
  if (source !== undefined) return source
  throw new CofferError('unsupported', "there is no browser here: open it in the component that runs in one, or in Node 20.16 and later with backend: 'memory'")
}
