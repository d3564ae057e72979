// The database worker's end of the checkpoint worker: has one made by the page when there is work for it, gives it errands and feeds it.
//
// I1  An errand settles: by its answer, or because the helper is gone, which its Web Lock tells, however it went.
// I2  A helper that cannot be had is no failure: `usable` says so, and upkeep is done without.
// I3  Its wasm memory never shrinks, so an idle helper is let go.

import type { Failure } from '../protocol.js'
import { asError } from '../error.js'
import type { FromHelper, ToHelper } from '../errands.js'

/** How long the page and the browser may take to start a worker, before upkeep is done without. */
const startMs = 20_000

/** How long a helper waits for the next errand. */
const idleMs = 30_000

/** How long a helper may take to stop: a step, and the closing of a file. */
const stopMs = 3000

/** Helpers that may be lost without an errand done in between, before no other is asked for. */
const lossesMax = 3

/** What an errand needs from the database worker's files. */
export interface Sources {
  read(source: number, at: number, length: number): Uint8Array
  write(bytes: Uint8Array, at: number): void
}

interface Errand {
  readonly sources: Sources
  /** Where the helper has a file open for it. */
  readonly folder: string | undefined
  readonly resolve: (answer: FromHelper) => void
  readonly reject: (error: unknown) => void
  readonly settled: Promise<void>
}

/** Why an errand came to nothing that was no fault of it. Its cause is what a trap said. */
export class HelperGone extends Error {}

export class Helper {
  readonly #module: WebAssembly.Module
  readonly #ask: () => void
  #port: MessagePort | undefined
  /** That of one which is not ready yet. */
  #coming: MessagePort | undefined
  #starting: { readonly promise: Promise<MessagePort>; readonly resolve: (port: MessagePort) => void; readonly reject: (error: unknown) => void } | undefined
  #errand: Errand | undefined
  #endOwner: (() => void) | undefined
  #idle: ReturnType<typeof setTimeout> | undefined
  #losses = 0
  #ended = false
  /** The most that a helper's wasm has grown to. */
  heapBytes = 0

  /** `ask` tells the page that a second worker is wanted. */
  constructor(module: WebAssembly.Module, ask: () => void) {
    this.#module = module
    this.#ask = ask
  }

  /** Whether an errand is worth a try. */
  get usable(): boolean {
    return !this.#ended && this.#losses < lossesMax && 'locks' in navigator
  }

  /** Takes what the page answered. */
  offered(port: MessagePort | undefined): void {
    if (port === undefined) {
      this.#losses = lossesMax
      return this.#lose()
    }
    if (this.#starting !== undefined) return this.#employ(port)
    // It comes too late.
    this.#post(port, { kind: 'end' })
    port.close()
  }

  /** Runs a job, whose bytes are transferred, and gives its result. */
  async run(job: Uint8Array, target: string, folder: string | undefined, sources: Sources): Promise<Uint8Array> {
    clearTimeout(this.#idle)
    const port = await this.#start()
    let [resolve, reject]: [Errand['resolve'], Errand['reject']] = [() => undefined, () => undefined]
    const answered = new Promise<FromHelper>((done, failed) => ([resolve, reject] = [done, failed]))
    this.#errand = { sources, folder, resolve, reject, settled: answered.then(() => undefined, () => undefined) }
    this.#post(port, { kind: 'job', job, target, folder }, [job.buffer])
    try {
      const answer = await answered
      if (answer.kind === 'stopped') throw new HelperGone('the job was given up')
      if (answer.kind !== 'done') throw unexpected(answer)
      this.heapBytes = Math.max(this.heapBytes, answer.heapBytes)
      return answer.done
    } finally {
      this.#errand = undefined
      if (!this.#ended) this.#idle = setTimeout(() => this.#lose(), idleMs) // I3
    }
  }

  /** Ends the use of helpers: the errand that one is at is given up, and its file closed, before this resolves. One that has none is left behind. */
  async end(): Promise<void> {
    this.#ended = true
    clearTimeout(this.#idle)
    const [port, errand] = [this.#port, this.#errand]
    if (port !== undefined && errand?.folder !== undefined) {
      this.#post(port, { kind: 'stop' })
      const late = setTimeout(() => this.#lose(), stopMs)
      await errand.settled
      clearTimeout(late)
    }
    this.#lose()
  }

  #start(): Promise<MessagePort> {
    if (this.#port !== undefined) return Promise.resolve(this.#port)
    if (this.#ended) return Promise.reject(new HelperGone('the database is being closed'))
    if (this.#starting === undefined) {
      let [resolve, reject]: [(port: MessagePort) => void, (error: unknown) => void] = [() => undefined, () => undefined]
      const promise = new Promise<MessagePort>((done, failed) => ([resolve, reject] = [done, failed]))
      this.#starting = { promise, resolve, reject }
      const late = setTimeout(() => this.#gone(), startMs)
      promise.then(() => clearTimeout(late), () => clearTimeout(late))
      this.#ask()
    }
    return this.#starting.promise
  }

  #employ(port: MessagePort): void {
    this.#coming = port
    const owner = `coffer/helper/${crypto.randomUUID()}/owner`
    // Held before the helper can ask for it; given up when this helper is done with, or by the end of this worker.
    const held = new Promise<void>((resolve) => {
      void navigator.locks.request(owner, () => {
        resolve()
        return new Promise<void>((end) => (this.#endOwner = end))
      })
    })
    let watched = false
    port.onmessage = ({ data }: MessageEvent<FromHelper>): void => {
      if (data.kind !== 'here') return this.#heed(port, data)
      void held.then(() => this.#post(port, { kind: 'begin', module: this.#module, owner }))
      if (watched) return
      watched = true
      // It has the lock by now, so having it means that the helper has not (I1).
      void navigator.locks.request(data.life, () => {
        if (this.#port === port || this.#coming === port) this.#gone()
      })
    }
  }

  #heed(port: MessagePort, message: Exclude<FromHelper, { kind: 'here' }>): void {
    switch (message.kind) {
      case 'ready':
        this.#port = port
        this.#coming = undefined
        this.#starting?.resolve(port)
        this.#starting = undefined
        return
      case 'fetch':
        return this.#feed(port, message)
      case 'write':
        try {
          this.#errand?.sources.write(message.bytes, message.at)
        } catch (error) {
          this.#break(error)
        }
        return
      default:
        // It trapped and is to go; the errand is as good as before.
        if (message.kind === 'failed' && message.failure.code === 'worker_lost') return this.#gone(message.failure)
        if (message.kind === 'done') this.#losses = 0
        return this.#errand?.resolve(message)
    }
  }

  #feed(port: MessagePort, { fetch, source, at, length }: Extract<FromHelper, { kind: 'fetch' }>): void {
    try {
      const bytes = this.#errand?.sources.read(source, at, length)
      if (bytes !== undefined) this.#post(port, { kind: 'fetched', fetch, bytes }, [bytes.buffer])
    } catch (error) {
      this.#break(error)
    }
  }

  /** Our own side failed: the helper is at work for nothing. */
  #break(error: unknown): void {
    this.#errand?.reject(error)
    this.#lose()
  }

  /** Counts a helper that went, or never came. */
  #gone(why?: Failure): void {
    this.#losses += 1
    // Not its code, which would be the end of this worker.
    this.#lose(why && asError({ ...why, code: 'io' }))
  }

  /** Lets the helper go, if there is one. What waits for it learns that it is gone. */
  #lose(cause?: unknown): void {
    const gone = new HelperGone('the checkpoint worker is gone', { cause })
    const port = this.#port
    this.#port = undefined
    this.#coming = undefined
    if (port !== undefined) {
      this.#post(port, { kind: 'end' })
      // What its lock told of first must not be counted again by its last words, which Firefox delivers all the same.
      port.onmessage = null
      port.close()
    }
    this.#endOwner?.()
    this.#endOwner = undefined
    this.#starting?.reject(gone)
    this.#starting = undefined
    this.#errand?.reject(gone)
  }

  #post(port: MessagePort, message: ToHelper, transfer: Transferable[] = []): void {
    port.postMessage(message, transfer)
  }
}

function unexpected(answer: FromHelper): Error {
  const failure: Failure = answer.kind === 'failed' ? answer.failure : { code: 'io', message: `the checkpoint worker answered ${answer.kind}` }
  return asError(failure)
}
