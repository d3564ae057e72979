// Replies on their way to pages. Those that tell of a commit wait here until it is as durable as their client wants it, and one wait does
// for all that were committed since the last.
//
// I1  A reply that tells of a commit leaves after it is durable; its outcome is told to other tabs before that.
// I2  No more commits wait to be acknowledged than the store remembers the names of.

import { asError, encodeError } from '../error.js'
import type { Failure, Reply } from '../protocol.js'
import type { Client } from './client.js'

/** While more is asked than one slice does, what was committed waits this long for what follows, and one flush does for all of it. */
const gatherMs = 50

/** I2: the newest half of what the store remembers, which it does whoever asked. */
const heldMax = 512

/** What makes commits durable. */
export interface Settler {
  /** The newest commit. */
  head(): bigint
  /** Makes what was committed so far durable; undefined if it is already. */
  settle(durability: 'strict' | 'relaxed'): Promise<void> | undefined
}

/** Who hears of what goes wrong. */
export interface Listener {
  /** The engine cannot be trusted any more. */
  lost(failure: Failure): void
  /** Commits have been taken back, since they could not be stored. */
  wentBack(): void
}

export class Outbox {
  readonly #settler: Settler
  readonly #clients: ReadonlySet<Client>
  readonly #listener: Listener
  /** The newest commit. */
  #head: bigint
  /** What ends when the commits that were flushed last are durable, and how many replies wait for that. */
  #settling: Promise<void> | undefined
  #unsettled = 0
  /** Replies that are held since the last flush, and when that has to come. */
  #holding = 0
  #gathered = 0
  #closing = false
  #ended = false

  constructor(settler: Settler, clients: ReadonlySet<Client>, listener: Listener) {
    this.#settler = settler
    this.#clients = clients
    this.#listener = listener
    this.#head = settler.head()
  }

  /** Whether nothing more may be committed before something is flushed (I2). */
  get full(): boolean {
    return this.#holding + this.#unsettled >= heldMax
  }

  /** Whether nothing more may be committed before what was flushed is durable (I2). */
  get behind(): boolean {
    return this.#unsettled >= heldMax
  }

  /** Whether what is held has waited long enough for company. */
  get due(): boolean {
    return this.#holding === 0 || this.full || performance.now() > this.#gathered
  }

  /** Resolves when what was flushed is durable, or is known not to be. */
  settled(): Promise<void> {
    return Promise.resolve(this.#settling).catch(() => undefined)
  }

  /** Says what became of a request, as soon as what it committed is durable. */
  tell(client: Client, reply: Reply): void {
    const before = this.#head
    if (!this.#closing) {
      const last = this.#settler.head()
      if (last > before) this.#head = last
    }
    if (this.#head === before) client.say(reply)
    else this.hold(client, reply)
  }

  /** Says it when all that was committed so far is durable. */
  hold(client: Client, reply: Reply): void {
    client.hold(reply, this.#head)
    if (this.#holding === 0) this.#gathered = performance.now() + gatherMs
    this.#holding += 1
  }

  /** Sends what there is to send (I1). */
  flush(): void {
    if (this.#ended) return
    if (this.#holding > 0) {
      let strict = false
      for (const client of this.#clients) {
        strict ||= client.holds && client.caller.durability === 'strict'
        client.foretell()
      }
      this.#settle(strict ? 'strict' : 'relaxed')
    }
    const head = this.#head
    for (const client of this.#clients) {
      const wait = client.caller.durability === 'strict' ? this.#settling : undefined
      if (wait === undefined) client.keep(head)
      else if (client.holds || client.caller.remote) {
        const send = client.release(head)
        wait.then(() => send(), (error: unknown) => {
          const failure = encodeError(error)
          if (failure.code === 'worker_lost') this.#listener.lost(failure)
          else send(failure)
        })
      }
      client.post()
    }
  }

  /** The engine is being closed: it is not asked for its newest commit any more. */
  close(): void {
    this.#closing = true
  }

  /** Nothing is durable from here on; what is known of outcomes is told. */
  end(): void {
    this.#ended = true
    for (const client of this.#clients) {
      client.foretell(true)
      client.post()
    }
  }

  #settle(durability: 'strict' | 'relaxed'): void {
    const count = this.#holding
    this.#holding = 0
    let durable
    try {
      durable = this.#settler.settle(durability)
    } catch (error) {
      durable = Promise.reject(asError(encodeError(error)))
    }
    if (durable === undefined) return
    const settling = durable
    this.#settling = settling
    this.#unsettled += count
    settling.catch((error: unknown) => this.#wentBack(error)).finally(() => {
      this.#unsettled -= count
      if (this.#settling === settling) this.#settling = undefined
    })
  }

  /** What could not be stored may have been taken back, and the numbers of those commits will be others'. */
  #wentBack(error: unknown): void {
    if (this.#closing || this.#ended) return
    const head = this.#settler.head()
    if (head >= this.#head) return
    this.#head = head
    // What was committed since, and waits for company, is gone as well.
    this.#holding = 0
    for (const client of this.#clients) client.release(head)(encodeError(error))
    this.#listener.wentBack()
  }
}
