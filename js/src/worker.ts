// The database worker: reads requests, lets the host do them, replies. Built into one self-contained file (no imports, no import.meta), so
// it runs as a module or a classic worker, from an address or a Blob. It never looks for the wasm: the first request brings it.

import { encodeError } from './error.js'
import { Host } from './host.js'
import type { FromWorker, Reply, Request } from './protocol.js'

const scope = self as unknown as DedicatedWorkerGlobalScope

let host: Host | undefined

function reply(message: FromWorker, transfer: Transferable[] = []): void {
  scope.postMessage(message, transfer)
}

async function answer(request: Request): Promise<void> {
  try {
    if (request.kind === 'open') host ??= new Host(request.module, (message) => reply({ event: 'lost', message }))
    if (host === undefined) throw new Error('the first request must open a database')
    const answer = await host.answer(request)
    const transfer = answer instanceof Uint8Array ? [answer.buffer] : []
    reply({ id: request.id, ok: true, answer } satisfies Reply, transfer)
  } catch (error) {
    const failure = encodeError(error)
    // Whatever was not thrown on purpose (a trap, an exhausted stack) leaves the instance in no state to be called again.
    if (failure.code === 'worker_lost') reply({ event: 'lost', message: failure.message })
    else reply({ id: request.id, ok: false, failure } satisfies Reply)
  }
}

scope.onmessage = (message: MessageEvent<Request>): void => void answer(message.data)
