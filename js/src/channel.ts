// Calls over a worker: a promise per id.
//
// I1  A call settles exactly once: by its reply, or by the end of the channel.
// I2  After the channel has ended nothing is sent, and every later call rejects with the reason it ended for.

import { CofferError, decodeError } from './error.js'
import type { Answer, Answers, Call, FromWorker, Request } from './protocol.js'

interface Waiting {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: CofferError) => void
}

/** The page's end of the conversation with a database worker. Owns the worker. */
export class Channel {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  #last = 0
  #ended: CofferError | undefined

  constructor(worker: Worker) {
    this.#worker = worker
    worker.onmessage = (message: MessageEvent<FromWorker>): void => this.#receive(message.data)
    worker.onmessageerror = (): void => this.end(new CofferError('worker_lost', 'a reply of the database worker could not be read'))
    // Without a message the script itself could not be had: a wrong address, or a Content-Security-Policy without worker-src.
    worker.onerror = (event): void => this.end(new CofferError('worker_lost', event.message || 'the database worker could not be loaded'))
  }

  /** Asks the worker; `transfer` names buffers to hand over instead of copying. */
  call<K extends keyof Answers>(call: Extract<Call, { kind: K }>, transfer: Transferable[] = []): Promise<Answers[K]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended)
      const id = ++this.#last
      // The worker answers a call of kind K with Answers[K] (host.ts is typed so); the map cannot say that per id.
      this.#waiting.set(id, { resolve: resolve as (answer: Answer) => void, reject })
      this.#worker.postMessage({ ...call, id } satisfies Request, transfer)
    })
  }

  /** Stops the worker; what still waits rejects with `reason`. Only the first reason counts. */
  end(reason: CofferError): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#worker.terminate()
    for (const { reject } of this.#waiting.values()) reject(reason)
    this.#waiting.clear()
  }

  #receive(message: FromWorker): void {
    if ('event' in message) return this.end(new CofferError('worker_lost', message.message))
    const waiting = this.#waiting.get(message.id)
    if (waiting === undefined) return
    this.#waiting.delete(message.id)
    if (message.ok) waiting.resolve(message.answer)
    else waiting.reject(decodeError(message.failure))
  }
}
