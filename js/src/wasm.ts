// Where the wasm and the worker come from: beside this module, unless the caller says otherwise.
// Both addresses are literal `new URL('./...', import.meta.url)` expressions, the only form that bundlers recognise.

import { CofferError } from './error.js'
import type { OpenOptions } from './types.js'

let shared: Promise<WebAssembly.Module> | undefined

/** The compiled module; the default one is fetched and compiled once per page. */
export function compiled(source: OpenOptions['wasm']): Promise<WebAssembly.Module> {
  if (source !== undefined) return compiledFrom(source)
  shared ??= fetched(new URL('./store.wasm', import.meta.url)).catch((error: unknown) => {
    // A failed download must not stay the answer for ever.
    shared = undefined
    throw error
  })
  return shared
}

/** The module that a caller gave in one form or another. */
export function compiledFrom(source: URL | WebAssembly.Module | BufferSource): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return Promise.resolve(source)
  if (source instanceof URL) return fetched(source)
  return WebAssembly.compile(source).catch((cause: unknown) => unusable('the bytes that were given', cause))
}

async function fetched(address: URL): Promise<WebAssembly.Module> {
  try {
    const response = await fetch(address)
    if (!response.ok) throw new Error(`HTTP status ${response.status}`)
    // Compiling while it downloads needs the right MIME type, which many servers do not send.
    const streams = response.headers.get('content-type')?.startsWith('application/wasm') === true
    return streams ? await WebAssembly.compileStreaming(response) : await WebAssembly.compile(await response.arrayBuffer())
  } catch (cause) {
    return unusable(address.href, cause)
  }
}

/** Ends an attempt to get the engine. */
export function unusable(source: string, cause: unknown): never {
  throw new CofferError('worker_lost', `the engine could not be loaded from ${source}: ${String(cause)}`, { cause })
}

/** Starts the database worker. */
export function started(make: OpenOptions['worker']): Worker {
  if (make !== undefined) return make()
  return new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'coffer' })
}
