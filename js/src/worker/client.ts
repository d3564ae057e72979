// One of those that a session works for: this worker's own page, or another tab. What it has open, and what is to be sent to it.
//
// I1  What leaves for a client leaves in the order in which it was said, except that a reply which tells of a commit waits until that is
//     durable. For another tab everything waits: it may outlive this worker, and must not have seen what dies with it.

import type { Connection, Cursor } from '../../wasm/coffer_web.js'
import type { Bound, ClientId, Failure, FromWorker, Outcome, Reply } from '../protocol.js'

/** Who it is and what it wants. */
export interface Caller {
  readonly id: ClientId
  /** Whether it is another tab. */
  readonly remote: boolean
  readonly readonly: boolean
  readonly durability: 'strict' | 'relaxed'
  readonly busyMs: number
  readonly send: (messages: FromWorker, transfer: Transferable[]) => void
}

/** A transaction that is open: one of the API's, or one that was begun in SQL and so has no number. */
export interface Transaction {
  readonly client: Client
  readonly connection: Connection
  readonly writes: boolean
  readonly number: number | undefined
  /** The kept commit that it looks at. */
  readonly at?: number | undefined
}

/** A cursor that is open. */
export interface Open {
  readonly cursor: Cursor
  readonly connection: Connection
  readonly transaction: number | undefined
}

/** A live query. */
export interface Watch extends Bound {
  reads: ReadonlySet<string>
  shown: bigint | undefined
  dirty: boolean
  /** The page has not said yet that it has used what left last. */
  unseen: boolean
}

type Message = FromWorker[number]

/** What says of one run what it did. */
export const outcomeBytes = 16

export class Client {
  readonly caller: Caller
  readonly transactions: Map<number, Transaction> = new Map<number, Transaction>()
  readonly cursors: Map<number, Open> = new Map<number, Open>()
  readonly watches: Map<number, Watch> = new Map<number, Watch>()
  gone = false
  #out: Message[] = []
  #held: Reply[] = []
  #outcomes: Outcome[] = []
  #told = 0n

  constructor(caller: Caller) {
    this.caller = caller
  }

  /** To be sent at the next occasion. */
  say(message: Message): void {
    this.#out.push(message)
  }

  /** To be sent when `commit`, which it tells of, is durable. */
  hold(reply: Reply, commit: bigint): void {
    this.#held.push(reply)
    if ('answer' in reply || 'outcomes' in reply) this.#outcomes.push({ id: reply.id, outcome: reply, commit })
  }

  /** Whether replies wait. */
  get holds(): boolean {
    return this.#held.length > 0
  }

  /** What was answered and is not durable, if the client may have to ask for it elsewhere. */
  foretell(always = false): void {
    const outcomes = this.#outcomes
    this.#outcomes = []
    if (outcomes.length > 0 && (always || this.caller.remote)) this.caller.send(outcomes, [])
  }

  /** What it is told from now on is true as of this commit. */
  at(commit: bigint): void {
    if (commit <= this.#told) return
    this.#told = commit
    this.say({ event: 'at', commit })
  }

  /** Lets what is held go with the rest. */
  keep(commit: bigint): void {
    if (this.#held.length === 0) return
    this.at(commit)
    this.#out = this.#out.concat(this.#held)
    this.#held = []
    this.#outcomes = []
  }

  /** Takes away what has to wait (I1), and gives what sends it, or the failure that came instead of durability. */
  release(commit: bigint): (failure?: Failure) => void {
    const held = this.#held
    const before = this.caller.remote ? this.#out : []
    this.#held = []
    if (this.caller.remote) this.#out = []
    return (failure) => {
      if (this.gone) return
      if (failure === undefined) this.at(commit)
      const told = failure === undefined ? held : held.map((reply) => ({ id: reply.id, ok: false, failure, count: 'outcomes' in reply ? reply.outcomes.length / outcomeBytes : 1 }) as const)
      this.#out = [...before, ...told, ...this.#out]
      this.post()
    }
  }

  /** Sends what there is to send. */
  post(): void {
    if (this.#out.length === 0) return
    const messages = this.#out
    this.#out = []
    if (!this.gone) this.caller.send(messages, this.caller.remote ? [] : buffers(messages))
  }
}

/** What is longer is handed over; the way there and back of what is shorter takes a tenth less if it is copied. */
const copiedBytes = 4096

/** What can be handed over instead of copied. */
export function buffers(messages: readonly Message[]): Transferable[] {
  const found: Transferable[] = []
  for (const message of messages) {
    const { rows } = 'rows' in message ? message : { rows: 'answer' in message ? message.answer : 'outcomes' in message ? message.outcomes : undefined }
    const bytes = typeof rows !== 'object' || rows instanceof Uint8Array ? rows : 'cursor' in rows ? rows.rows : 'output' in rows ? rows.output : undefined
    if (bytes instanceof Uint8Array && bytes.length > copiedBytes) found.push(bytes.buffer)
  }
  return found
}
