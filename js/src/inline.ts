// The entry that carries worker and engine in itself: for bundlers that leave assets behind. A page's Content-Security-Policy needs
// `worker-src blob:` for it. scripts/package.mjs puts the built files where it imports `payload.js`.

import { openFrom } from './opening.js'
import { wasmBase64, workerSource } from './payload.js'
import { destroyFrom, inspectFrom, listFrom, restoreFrom } from './toplevel.js'
import type { BackupSource, Database, Inspected, OpenOptions, PartsOptions, RestoreIntoOptions } from './types.js'
import { compiledFrom, unusable } from './wasm.js'

export { CofferError } from './error.js'
export { passphrase, rawKey, webCryptoKey, wrappedBy } from './keys.js'
export type * from './types.js'

let shared: Promise<WebAssembly.Module> | undefined

/** As `open` of the main entry; nothing is fetched. */
export function open(name: string, options: OpenOptions = {}): Promise<Database> {
  return openFrom({ module: compiled, worker: started }, name, options)
}

/** As `list` of the main entry. */
export function list(options: PartsOptions = {}): Promise<string[]> {
  return listFrom({ module: compiled, worker: started }, options)
}

/** As `destroy` of the main entry. */
export function destroy(name: string, options: PartsOptions = {}): Promise<void> {
  return destroyFrom({ module: compiled, worker: started }, name, options)
}

/** As `restore` of the main entry. */
export function restore(name: string, backup: BackupSource | readonly BackupSource[], options: RestoreIntoOptions = {}): Promise<number> {
  return restoreFrom({ module: compiled, worker: started }, name, backup, options)
}

/** As `inspect` of the main entry. */
export function inspect(what: string | Blob, options: PartsOptions = {}): Promise<Inspected> {
  return inspectFrom({ module: compiled, worker: started }, what, options)
}

function compiled(source: OpenOptions['wasm']): Promise<WebAssembly.Module> {
  if (source !== undefined) return compiledFrom(source)
  shared ??= WebAssembly.compile(Uint8Array.from(atob(wasmBase64), (letter) => letter.charCodeAt(0))).catch((cause: unknown) => unusable('the package', cause))
  return shared
}

function started(make: OpenOptions['worker']): Worker {
  if (make !== undefined) return make()
  const address = URL.createObjectURL(new Blob([workerSource], { type: 'text/javascript' }))
  const worker = new Worker(address, { name: 'coffer' })
  // The browser has taken the script by then: creating a worker reads its address.
  queueMicrotask(() => URL.revokeObjectURL(address))
  return worker
}
