// Calls over a worker: a promise per id.
//
// I1  A call settles exactly once: by its reply, or by the end of the channel.
// I2  After the channel has ended nothing is sent, and every later call rejects with the reason it ended for.
// I3  What is asked in one turn of the page leaves in one message, in the order of asking.

import { CofferError, decodeError } from './error.js'
import type { Answer, Answers, Call, FromWorker, News, Notice, Request, ToWorker } from './protocol.js'

interface Waiting {
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: CofferError) => void
  readonly part: ((rows: Uint8Array) => void) | undefined
}

/** What else a call may need. */
export interface CallOptions {
  /** Gives the call up. The promise then rejects with the signal's reason, unless the work had been done already. */
  readonly signal?: AbortSignal | undefined
  /** Takes the rows that come before the reply. */
  readonly part?: (rows: Uint8Array) => void
}

/** A call on its way, without what the channel adds. */
export type CallOf<K extends keyof Answers> = Extract<Call, { kind: K }>

/** The page's end of the conversation with a database worker. Owns the worker. */
export class Channel {
  readonly #worker: Worker
  readonly #waiting = new Map<number, Waiting>()
  readonly #news: (news: News) => void
  #outgoing: (Request | Notice)[] = []
  #last = 0
  #ended: CofferError | undefined

  /** `news` hears what nobody asked for, the loss of the worker included. */
  constructor(worker: Worker, news: (news: News) => void = () => undefined) {
    this.#worker = worker
    this.#news = news
    worker.onmessage = (message: MessageEvent<FromWorker>): void => this.#receive(message.data)
    worker.onmessageerror = (): void => this.#lose('a reply of the database worker could not be read')
    // Without a message the script itself could not be had: a wrong address, or a Content-Security-Policy without worker-src.
    worker.onerror = (event): void => this.#lose(event.message || 'the database worker could not be loaded')
  }

  /** Why the channel ended, if it has. */
  get ended(): CofferError | undefined {
    return this.#ended
  }

  /** Asks the worker. */
  call<K extends keyof Answers>(call: CallOf<K>, { signal, part }: CallOptions = {}): Promise<Answers[K]> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended)
      if (signal?.aborted === true) return reject(reason(signal))
      const id = ++this.#last
      const settled = signal === undefined ? undefined : this.#cancellable(id, signal)
      const flag = settled?.flag
      this.#waiting.set(id, {
        resolve: (answer) => {
          settled?.done()
          // The worker answers a call of kind K with Answers[K] (host.ts is typed so); the map cannot say that per id.
          resolve(answer as Answers[K])
        },
        reject: (error) => {
          settled?.done()
          const given = signal?.aborted === true && error.code === 'aborted'
          reject(given ? reason(signal) : error)
        },
        part,
      })
      // Those that the call has already are of its transaction.
      const flags = flag === undefined ? {} : { flags: [...('flags' in call ? (call.flags ?? []) : []), flag] }
      this.#send({ ...call, ...flags, id })
    })
  }

  /** Tells the worker something that it does not answer. */
  tell(notice: Notice): void {
    if (this.#ended === undefined) this.#send(notice)
  }

  /** Stops the worker; what still waits rejects with `reason`. Only the first reason counts. */
  end(reason: CofferError): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#worker.terminate()
    for (const { reject } of this.#waiting.values()) reject(reason)
    this.#waiting.clear()
  }

  #lose(message: string): void {
    if (this.#ended !== undefined) return
    this.end(new CofferError('worker_lost', message))
    this.#news({ event: 'lost', message })
  }

  #send(message: Request | Notice): void {
    if (this.#outgoing.push(message) === 1) queueMicrotask(() => this.#flush())
  }

  #flush(): void {
    const messages = this.#outgoing
    this.#outgoing = []
    if (this.#ended === undefined) this.#worker.postMessage(messages satisfies ToWorker)
  }

  #cancellable(id: number, signal: AbortSignal): { flag: string; done: () => void } {
    const { flag, drop } = raised()
    const abort = (): void => {
      drop()
      this.tell({ notice: 'cancel', target: id })
    }
    signal.addEventListener('abort', abort, { once: true })
    const done = (): void => {
      drop()
      signal.removeEventListener('abort', abort)
    }
    return { flag, done }
  }

  #receive(messages: FromWorker): void {
    for (const message of messages) {
      if ('event' in message) {
        if (message.event === 'lost') this.#lose(message.message)
        else this.#news(message)
        continue
      }
      const waiting = this.#waiting.get(message.id)
      if (waiting === undefined) continue
      if ('part' in message) {
        waiting.part?.(message.part)
        continue
      }
      this.#waiting.delete(message.id)
      if (message.ok) waiting.resolve(message.answer)
      else waiting.reject(decodeError(message.failure))
    }
  }
}

/** What a promise rejects with whose signal ended it. */
function reason(signal: AbortSignal): Error {
  const given: unknown = signal.reason
  return given instanceof Error ? given : new DOMException('the call was given up', 'AbortError')
}

/** An address that the worker can ask after, until it is dropped. */
export function raised(): { flag: string; drop: () => void } {
  const flag = URL.createObjectURL(new Blob())
  return { flag, drop: () => URL.revokeObjectURL(flag) }
}
