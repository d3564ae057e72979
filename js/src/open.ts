// The entry that finds worker and wasm beside the package.

import { openFrom } from './opening.js'
import type { Database, OpenOptions } from './types.js'
import { compiled, started } from './wasm.js'

/**
 * Opens the database of that name in a worker of its own.
 *
 * Rejects with `unsupported` where there are no workers (on a server), with `worker_lost` where the worker or the engine cannot be loaded.
 */
export function open(name: string, options: OpenOptions = {}): Promise<Database> {
  return openFrom({ module: compiled, worker: started }, name, options)
}
