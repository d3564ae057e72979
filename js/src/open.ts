// Opening a database: worker, module, first request.

import { Channel } from './channel.js'
import { WorkerDatabase } from './database.js'
import { CofferError } from './error.js'
import type { Opening } from './protocol.js'
import type { Database, OpenOptions } from './types.js'
import { compiled, started } from './wasm.js'

/**
 * Opens the database of that name in a worker of its own.
 *
 * Rejects with `unsupported` where there are no workers (on a server), with `worker_lost` where the worker or the engine cannot be loaded.
 */
export async function open(name: string, options: OpenOptions): Promise<Database> {
  const { signal } = options
  signal?.throwIfAborted()
  if (typeof Worker === 'undefined' || typeof WebAssembly === 'undefined') {
    throw new CofferError('unsupported', 'a database opens in a browser: there are no workers here')
  }
  const channel = new Channel(started(options.worker))
  const giveUp = (): void => channel.end(new CofferError('aborted', 'opening was given up'))
  signal?.addEventListener('abort', giveUp, { once: true })
  try {
    const module = await compiled(options.wasm)
    const about = await channel.call({ ...opening(name, options), kind: 'open', module })
    return new WorkerDatabase(name, about, channel)
  } catch (error) {
    channel.end(new CofferError('closed', 'the database did not open'))
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
}

/** Of the options, those that concern the worker; a signal or a function could not be posted to it. */
function opening(name: string, options: OpenOptions): Opening {
  const ours = new Set(['signal', 'wasm', 'worker'])
  return { ...Object.fromEntries(Object.entries(options).filter(([field]) => !ours.has(field))), name }
}
