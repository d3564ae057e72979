// The entry that carries worker and engine in itself: for bundlers that leave assets behind. A page's Content-Security-Policy needs
// `worker-src blob:` for it. scripts/package.mjs puts the built files where it imports `payload.js`.

import { openFrom } from './opening.js'
import { wasmBase64, workerSource } from './payload.js'
import type { Database, OpenOptions } from './types.js'
import { compiledFrom, unusable } from './wasm.js'

export { CofferError } from './error.js'
export type * from './types.js'

let shared: Promise<WebAssembly.Module> | undefined

/** As `open` of the main entry; nothing is fetched. */
export function open(name: string, options: OpenOptions = {}): Promise<Database> {
  return openFrom({ module: compiled, worker: started }, name, options)
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
