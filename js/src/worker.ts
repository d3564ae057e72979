// The database worker: opens the database, then hands what the page sends to its session. Built into one self-contained file (no imports,
// no import.meta), so it runs as a module or a classic worker, from an address or a Blob. It never looks for the wasm: the first request
// brings it.

import { encodeError } from './error.js'
import { openDatabase, start } from './host.js'
import type { FromWorker, Request, ToWorker } from './protocol.js'
import { probe } from './worker/cancel.js'
import { Session } from './worker/session.js'

const scope = self as unknown as DedicatedWorkerGlobalScope

let session: Session | undefined
/** What came while the database was being opened. */
let early: ToWorker[] = []

function send(messages: FromWorker, transfer: Transferable[] = []): void {
  scope.postMessage(messages, transfer)
}

async function open(request: Request & { kind: 'open' }): Promise<void> {
  try {
    const about = start(request.module, (message) => send([{ event: 'lost', message }]))
    probe(request.probe)
    const report = (error: unknown): void => send([{ event: 'error', failure: encodeError(error) }])
    session = new Session(await openDatabase(request, report), request.busyTimeout ?? 5000, send)
    send([{ id: request.id, ok: true, answer: about }])
    for (const messages of early) session.take(messages)
    early = []
  } catch (error) {
    const failure = encodeError(error)
    send([failure.code === 'worker_lost' ? { event: 'lost', message: failure.message } : { id: request.id, ok: false, failure }])
  }
}

scope.onmessage = ({ data }: MessageEvent<ToWorker>): void => {
  const [first] = data
  if (session !== undefined) session.take(data)
  else if (first !== undefined && 'kind' in first && first.kind === 'open') void open(first)
  else early.push(data)
}
