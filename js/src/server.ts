// A database in memory where there is no browser: in Node, whose threads run the same worker file. Loaded only there.
//
// S1  No import of Node's: bundlers for browsers come by here and would look for it.
// S2  Its parts are beside this module, at addresses that no bundler takes for assets of a page.

import type { Source } from './opening.js'
import type { compiledFrom, unusable } from './wasm.js'

/** What is the page's: a class of errors must not be there twice. */
export interface Tools {
  readonly compiledFrom: typeof compiledFrom
  readonly unusable: typeof unusable
}

/** What is used of Node. */
interface Thread {
  on(event: string, heard: (what: unknown) => void): void
  postMessage(message: unknown, transfer?: Transferable[]): void
  terminate(): void
}
interface Node {
  getBuiltinModule(name: 'node:fs'): { readFileSync(file: URL): Uint8Array<ArrayBuffer>; readFileSync(file: URL, encoding: 'utf8'): string }
  getBuiltinModule(name: 'node:worker_threads'): { Worker: new (script: string, options: { eval: true; execArgv: string[] }) => Thread }
}

const node = (globalThis as { process?: Partial<Node> }).process as Node

const beside = (name: string): URL => new URL(import.meta.url.replace(/[^/]*$/, name))

/** Makes a thread of Node's look like a worker of a browser's, from the inside: without locks, which nobody else would look at, and with another
 * thread that reads Blobs while this one waits. */
const inside = `
const { MessageChannel: Channel, Worker, parentPort, receiveMessageOnPort } = process.getBuiltinModule('node:worker_threads')
let port
const read = \`const { workerData } = process.getBuiltinModule('node:worker_threads')
workerData.on('message', async ({ blob, done }) => {
  workerData.postMessage(await blob.arrayBuffer().catch(String))
  Atomics.store(done, 0, 1)
  Atomics.notify(done, 0)
})\`
globalThis.FileReaderSync = class {
  readAsArrayBuffer(blob) {
    if (port === undefined) {
      const { port1, port2 } = new Channel()
      new Worker(read, { eval: true, execArgv: [], workerData: port2, transferList: [port2] })
      port = port1
    }
    const done = new Int32Array(new SharedArrayBuffer(4))
    port.postMessage({ blob, done })
    Atomics.wait(done, 0, 0)
    const { message } = receiveMessageOnPort(port)
    if (typeof message === 'string') throw new DOMException(message, 'NotReadableError')
    return message
  }
}
globalThis.self = globalThis
Object.defineProperty(globalThis, 'navigator', { value: {} })
globalThis.postMessage = (message, transfer) => parentPort.postMessage(message, transfer)
parentPort.on('message', (data) => onmessage({ data }))
`

/** The same from the outside. */
function threadAsWorker(script: URL): Worker {
  const { Worker } = node.getBuiltinModule('node:worker_threads')
  const thread = new Worker(inside + node.getBuiltinModule('node:fs').readFileSync(script, 'utf8'), { eval: true, execArgv: [] })
  const worker = {
    onmessage: undefined as ((event: { data: unknown }) => void) | undefined,
    onerror: undefined as ((event: { message: string; preventDefault: () => void }) => void) | undefined,
    postMessage: (message: unknown, transfer?: Transferable[]): void => thread.postMessage(message, transfer),
    terminate: (): void => thread.terminate(),
  }
  thread.on('message', (data) => worker.onmessage?.({ data }))
  thread.on('error', (error) => worker.onerror?.({ message: String(error), preventDefault: () => undefined }))
  return worker as unknown as Worker
}

/** Where Node finds what it needs; nothing in another place, or in a Node before 20.16. */
export function serverSource({ compiledFrom, unusable }: Tools): Source | undefined {
  if (typeof (node as Partial<Node> | undefined)?.getBuiltinModule !== 'function') return undefined
  const fromDisk = async (file: URL): Promise<WebAssembly.Module> => {
    try {
      return await WebAssembly.compile(node.getBuiltinModule('node:fs').readFileSync(file))
    } catch (cause) {
      return unusable(file.href, cause)
    }
  }
  return {
    module: (wasm = beside('store.wasm')) => (wasm instanceof URL && wasm.protocol === 'file:' ? fromDisk(wasm) : compiledFrom(wasm)),
    worker: (make) => make?.() ?? threadAsWorker(beside('worker.js')),
  }
}
