// The database worker: starts the engine, then plays its part among the workers of all tabs (worker/tab.ts). Built into one
// self-contained file (no imports, no import.meta), so it runs as a module or a classic worker, from an address or a Blob. It never looks
// for the wasm: the first request brings it. A second worker of the same file does the first one's upkeep (worker/checkpoint.ts).

import type { Employment, Offer } from './errands.js'
import { encodeError } from './error.js'
import { offered, start } from './host.js'
import type { FromWorker, Request, ToWorker } from './protocol.js'
import { administer } from './worker/admin.js'
import { probe } from './worker/cancel.js'
import { serve } from './worker/checkpoint.js'
import { Tab } from './worker/tab.js'

const scope = self as unknown as DedicatedWorkerGlobalScope

let tab: Tab | undefined

function send(messages: FromWorker, transfer: Transferable[] = []): void {
  scope.postMessage(messages, transfer)
}

/** What a panic said before the trap, which itself says nothing. */
let panic: string | undefined

/** The engine cannot be trusted any more. */
function lost(message: string): void {
  send([{ event: 'lost', message: panic ?? message }])
}

/** Something failed that nobody waits for. */
function report(error: unknown): void {
  const failure = encodeError(error)
  if (failure.code === 'worker_lost') lost(failure.message)
  else send([{ event: 'error', failure }])
}

async function open({ id, module, probe: flag, client, ...opening }: Request & { kind: 'open' }): Promise<void> {
  try {
    const told = (message: string): void => {
      panic = message
    }
    const about = start(module, told, () => send([{ event: 'helper' }]))
    probe(flag)
    tab = new Tab(opening, client, about.coffer, send, lost, report)
    const joined = await tab.enter()
    send([{ id, ok: true, answer: { ...about, ...joined } }])
  } catch (error) {
    const failure = encodeError(error)
    if (failure.code === 'worker_lost') lost(failure.message)
    else send([{ id, ok: false, failure }])
  }
}

async function serveAdmin({ id, module, admin }: Request & { kind: 'admin' }): Promise<void> {
  try {
    start(module, (message) => send([{ event: 'lost', message }]))
    send([{ id, ok: true, answer: await administer(admin) }])
  } catch (error) {
    const failure = encodeError(error)
    send([failure.code === 'worker_lost' ? { event: 'lost', message: failure.message } : { id, ok: false, failure }])
  }
}

scope.onmessage = ({ data }: MessageEvent<ToWorker | Employment | Offer>): void => {
  // The same file is the checkpoint worker, if the first that it hears is this.
  if ('serve' in data) return serve(data.serve)
  if ('helper' in data) return offered(data.helper)
  const [first] = data
  if (tab !== undefined) tab.take(data)
  else if (first !== undefined && 'kind' in first && first.kind === 'open') void open(first)
  else if (first !== undefined && 'kind' in first && first.kind === 'admin') void serveAdmin(first)
}
