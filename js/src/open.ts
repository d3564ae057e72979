// The entry that finds worker and wasm beside the package.

import { openFrom } from './opening.js'
import type { Source } from './opening.js'
import { destroyFrom, inspectFrom, listFrom, restoreFrom } from './toplevel.js'
import type { BackupSource, Database, Inspected, OpenOptions, PartsOptions, RestoreIntoOptions } from './types.js'
import { compiled, started } from './wasm.js'

const source: Source = { module: compiled, worker: started }

/**
 * Opens the database of that name in a worker of its own.
 *
 * On a server it opens in memory only (`backend: 'memory'`, in Node), and rejects with `unsupported` otherwise. Rejects with `worker_lost`
 * where the worker or the engine cannot be loaded.
 */
export function open(name: string, options: OpenOptions = {}): Promise<Database> {
  return openFrom(source, name, options)
}

/** The names of all databases that this origin stores. */
export function list(options: PartsOptions = {}): Promise<string[]> {
  return listFrom(source, options)
}

/** Removes a database for ever, with all its files. One that is not there is no error; one that is open rejects with `locked_elsewhere`. */
export function destroy(name: string, options: PartsOptions = {}): Promise<void> {
  return destroyFrom(source, name, options)
}

/** Makes a database of a backup: a full one, or one with the increments that continue it, in their order. Gives the commit. */
export function restore(name: string, backup: BackupSource | readonly BackupSource[], options: RestoreIntoOptions = {}): Promise<number> {
  return restoreFrom(source, name, backup, options)
}

/** What can be told without a key of a database, by its name, or of a backup. */
export function inspect(what: string | Blob, options: PartsOptions = {}): Promise<Inspected> {
  return inspectFrom(source, what, options)
}
