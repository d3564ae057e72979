// Calls over a worker: a promise per id. Outlives the worker: a lost one is replaced, and what waits is asked again.
//
// I1  A call settles exactly once: by its reply, or by the end of the channel.
// I2  After the channel has ended nothing is sent, and every later call rejects with the reason it ended for.
// I3  What is asked in one turn of the page leaves in one message, in the order of asking.
// I4  Whatever was sent to a leader that is gone is sent to the next as one that comes again, so that it is done once; what belongs to a
//     transaction or a cursor of the one that is gone fails instead, since these are gone with it.

import { Assistant } from './assistant.js'
import { mustBe, mustBeSignal } from './check.js'
import { CofferError, decodeError, encodeError } from './error.js'
import { clientName, reopening } from './names.js'
import type { Answer, Answers, Call, ClientId, FromWorker, Joined, News, Notice, Outcome, Request, Single, ToWorker } from './protocol.js'
import { changedElsewhere, rekeyed } from './protocol.js'
import { decodeRuns } from './rows.js'
import type { Leader, PlainKey, RunResult } from './types.js'
import { joinRuns } from './wire.js'

interface Waiting {
  readonly request: Single
  readonly resolve: (answer: Answer) => void
  readonly reject: (error: CofferError) => void
  readonly options: CallOptions
  /** How often it has lost its leader. */
  moves: number
  /** What it did, as of a commit that may not be durable. */
  outcome?: { readonly answer: Answer; readonly commit: bigint }
}

/** What else a call may need. */
export interface CallOptions {
  /** Gives the call up. The promise then rejects with the signal's reason, unless the work had been done already. */
  readonly signal?: AbortSignal | undefined
  /** Takes the rows that come before the reply. */
  readonly part?: (rows: Uint8Array) => void
  /** Forgets them: they come once more. */
  readonly restart?: () => void
}

/** A call on its way, without what the channel adds. */
export type CallOf<K extends keyof Answers> = Extract<Call, { kind: K }>

/** How to open the database, the first time and after the loss of a worker. */
export type Plan = Omit<CallOf<'open'>, 'probe' | 'client'>

/** A worker that is lost more often than this, within so many milliseconds, is not replaced. */
const lossesMax = 3
const lossesMs = 10_000

/** Hand-overs that a request survives before it is held to be what ends the leaders. */
const movesMax = 2

/** Do nothing that could end a worker, and nothing twice. */
const harmless: readonly Call['kind'][] = ['begin', 'close', 'prepare', 'watch']

/** Verbs that no commit tells of, and which would fail, or do more, if they were carried out twice. */
const singular: readonly string[] = ['addKey', 'removeKey', 'changeKey', 'keep', 'release']

/** The page's end of the conversation with a database worker. Owns the worker. */
export class Channel {
  leader: Leader = 'self'
  /** How often it has joined a leader, and how often it has lost its own worker. */
  joins = 0
  losses = 0
  /** Calls that each leader is to have answered before any other. */
  readonly #prelude = new Map<string, Call>()
  readonly #start: () => Worker
  readonly #news: (news: News) => void
  readonly #client: ClientId
  readonly #waiting = new Map<number, Waiting>()
  /** Transactions that are open, and those whose leader is gone. */
  readonly #open = new Set<number>()
  readonly #gone = new Set<number>()
  #worker: Worker | undefined
  #plan: Plan | undefined
  /** There is somebody to send to. */
  #here = false
  #lost: number[] = []
  #outgoing: (Request | Notice)[] = []
  #last = 0
  #sent = 0
  #name = ''
  /** Ends the watch on the worker's lock. */
  #watch: AbortController | undefined
  #told = 0n
  #ended: CofferError | undefined
  readonly #assistant: Assistant

  /** `start` makes a worker. `news` hears what nobody asked for, the loss of the worker included. */
  constructor(start: () => Worker, news: (news: News) => void = () => undefined) {
    this.#start = start
    this.#assistant = new Assistant(start)
    this.#news = news
    const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2))
    this.#client = [high, low]
  }

  /** Why the channel ended, if it has. */
  get ended(): CofferError | undefined {
    return this.#ended
  }

  /** Starts a worker and has it open the database. Comes before any call. */
  async open(plan: Plan): Promise<Answers['open']> {
    const answer = await this.#launch(plan)
    this.#plan = reopening(plan)
    this.#join(answer, false)
    return answer
  }

  /** Asks the worker. */
  call<K extends keyof Answers>(call: CallOf<K>, options: CallOptions = {}): Promise<Answers[K]> {
    const { signal } = options
    if ('sql' in call) mustBe('string', { sql: call.sql })
    mustBeSignal(signal)
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended)
      if (signal?.aborted === true) return reject(reason(signal))
      const { transaction } = call as { transaction?: number }
      if (transaction !== undefined && this.#isGone(call, transaction)) return reject(gone())
      const id = ++this.#last
      const settled = signal === undefined ? undefined : this.#cancellable(id, signal)
      const flag = settled?.flag
      // Those that the call has already are of its transaction.
      const flags = flag === undefined ? {} : { flags: [...('flags' in call ? (call.flags ?? []) : []), flag] }
      const request: Single = { ...call, ...flags, id }
      this.#waiting.set(id, {
        request,
        resolve: (answer) => {
          settled?.done()
          if (call.kind === 'begin') this.#open.add(transaction ?? 0)
          // The worker answers a call of kind K with Answers[K] (host.ts is typed so); the map cannot say that per id.
          resolve(answer as Answers[K])
        },
        reject: (error) => {
          settled?.done()
          const given = signal?.aborted === true && error.code === 'aborted'
          reject(given ? reason(signal) : error)
        },
        options,
        moves: 0,
      })
      this.#send(request)
    })
  }

  /** Tells the worker something that it does not answer. */
  tell(notice: Notice): void {
    if (this.#here) this.#send(notice)
  }

  /** Every later leader is asked this as well, before anything else; only the last of a name. */
  ahead(name: string, call: Call): void {
    this.#prelude.set(name, call)
  }

  /** The database has another key from now on, or none. */
  rekey(key: PlainKey | undefined): void {
    if (this.#plan === undefined) return
    this.#plan = rekeyed(this.#plan, key)
    this.#worker?.postMessage([{ notice: 'key', key }] satisfies ToWorker)
  }

  /** The browser puts the page aside: its worker ends, so that nobody waits for what it holds, and what is asked waits. */
  away(): void {
    // What is in memory only is nobody else's, and would be gone.
    if (this.#plan === undefined || this.#plan.backend === 'memory') return
    this.#here = false
    this.#retire()
  }

  /** The page is in use again. */
  back(): void {
    if (this.#plan !== undefined && this.#worker === undefined && this.#ended === undefined) this.#replace(this.#plan, false)
  }

  /** Stops the worker; what still waits rejects with `reason`. Only the first reason counts. */
  end(reason: CofferError): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    this.#here = false
    this.#retire()
    for (const { reject } of this.#waiting.values()) reject(reason)
    this.#waiting.clear()
  }

  /** Whether a call's transaction was lost with its leader. */
  #isGone(call: Call, transaction: number): boolean {
    if (call.kind === 'begin') return false
    const gone = this.#gone.has(transaction)
    if (call.kind === 'end') {
      this.#open.delete(transaction)
      this.#gone.delete(transaction)
    }
    return gone
  }

  #launch(plan: Plan): Promise<Answers['open']> {
    // The worker tries whether it can ask after addresses of Blobs, by which statements are cancelled.
    const { flag: probe, drop } = raised()
    const opened = new Promise<Answers['open']>((resolve, reject) => {
      if (this.#ended !== undefined) return reject(this.#ended)
      const worker = this.#start()
      const lose = (message: string): void => {
        if (worker === this.#worker) this.#lose(message)
      }
      this.#worker = worker
      worker.onmessage = (message: MessageEvent<FromWorker>): void => {
        if (worker === this.#worker) this.#receive(message.data)
      }
      worker.onmessageerror = (): void => lose('a reply of the database worker could not be read')
      // Without a message the script itself could not be had: a wrong address, or a Content-Security-Policy without worker-src.
      worker.onerror = (event): void => {
        event.preventDefault() // The caller is told.
        lose(event.message || 'the database worker could not be loaded')
      }
      const request: Single = { ...plan, probe, client: this.#client, id: 0 }
      this.#waiting.set(0, { request, resolve: resolve as (answer: Answer) => void, reject, options: {}, moves: 0 })
      this.#post([request])
    })
    return opened.finally(drop)
  }

  /** Replaces the worker, unless it is lost again and again, or had in memory what is not anywhere else. */
  #lose(message: string): void {
    if (this.#ended !== undefined) return
    const error = new CofferError('worker_lost', message)
    const now = performance.now()
    this.#lost = [...this.#lost.filter((time) => now - time < lossesMs), now]
    const plan = this.#plan
    if (plan === undefined || plan.backend === 'memory' || this.#lost.length > lossesMax) {
      this.end(error)
      return this.#news({ event: 'ended', failure: encodeError(error) })
    }
    this.losses += 1
    this.#here = false
    this.#retire()
    this.#news({ event: 'error', failure: encodeError(error) })
    this.#replace(plan, true)
  }

  #retire(): void {
    this.#watch?.abort()
    this.#worker?.terminate()
    this.#worker = undefined
    this.#assistant.end()
  }

  /** `lost`: perhaps by what it was asked. */
  #replace(plan: Plan, lost: boolean): void {
    this.#launch(plan).then((joined) => this.#join(joined, lost), (error: unknown) => {
      const failure = changedElsewhere(encodeError(error), plan.name)
      this.end(decodeError(failure))
      this.#news({ event: 'ended', failure })
    })
  }

  /** There is a leader: asks it what waits. `lost`: because this page's own worker was lost, perhaps by what it was asked. */
  #join({ leader, name, term, found }: Joined, lost: boolean): void {
    if (this.#ended !== undefined) return
    this.leader = leader
    this.joins += 1
    for (const transaction of this.#open) this.#gone.add(transaction)
    this.#open.clear()
    const messages: (Request | Notice)[] = [{ notice: 'here', term }]
    for (const call of this.#prelude.values()) messages.push({ ...call, id: ++this.#last })
    for (const [id, waiting] of this.#waiting) {
      if (id <= this.#sent) this.#move(id, waiting, lost, messages)
      else messages.push(waiting.request)
    }
    this.#outgoing = []
    this.#sent = this.#last
    this.#here = true
    this.#worker?.postMessage(messages satisfies ToWorker)
    this.#watchWorker()
    const missing = name === this.#name ? 0n : this.#told - found
    if (name !== this.#name) this.#told = found
    this.#name = name
    if (missing > 0n) {
      const message = `the last ${missing} commits were not on the disk yet when their worker ended, and are lost`
      this.#news({ event: 'error', failure: { code: 'worker_lost', message } })
    }
    if (this.joins > 1) this.#news({ event: 'joined', leader, name, term, found })
  }

  /** A worker that is ended from outside says nothing; but its lock is free then. */
  #watchWorker(): void {
    this.#watch?.abort()
    const plan = this.#plan
    if (plan === undefined || plan.backend === 'memory') return
    const watch = new AbortController()
    this.#watch = watch
    navigator.locks.request(clientName(plan.name, this.#client), { signal: watch.signal }, () => {
      if (watch.signal.aborted) return
      // A worker that closes lets go of its lock, and what it says last may come after that.
      const closing = [...this.#waiting.values()].find(({ request }) => request.kind === 'close')
      if (closing === undefined) this.#lose('the database worker was ended')
      else closing.resolve(undefined)
    }).catch(() => undefined)
  }

  /** I4 */
  #move(id: number, waiting: Waiting, lost: boolean, messages: (Request | Notice)[]): void {
    const { request } = waiting
    const settle = (how: () => void): void => this.#settle(id, how)
    if (request.kind === 'end' && !request.commit) settle(() => waiting.resolve(undefined))
    else if (request.kind === 'next' || ('transaction' in request && request.transaction !== undefined && request.kind !== 'begin' && request.kind !== 'end')) settle(() => waiting.reject(gone()))
    else if (request.kind === 'verb' && singular.includes(request.verb.do)) settle(() => waiting.reject(new CofferError('worker_lost', 'the worker that had this in hand is gone; look whether it was done')))
    else {
      waiting.moves += 1
      waiting.options.restart?.()
      const ask = (lost || waiting.moves > movesMax) && !harmless.includes(request.kind)
      messages.push({ ...request, again: ask ? 'ask' : 'run' })
    }
  }

  #send(message: Request | Notice): void {
    if (this.#outgoing.push(message) === 1) queueMicrotask(() => this.#flush())
  }

  #flush(): void {
    const messages = this.#outgoing
    this.#outgoing = []
    // What is asked meanwhile waits for the next leader.
    if (!this.#here || messages.length === 0) return
    this.#sent = this.#last
    this.#post(messages)
  }

  /** What cannot be sent fails alone, so that what was asked in the same turn does not wait for ever. */
  #post(messages: readonly (Request | Notice)[]): void {
    try {
      this.#worker?.postMessage(together(messages) satisfies ToWorker)
    } catch (cause) {
      for (const message of messages) {
        if (messages.length > 1) this.#post([message])
        else if ('id' in message) this.#settle(message.id, ({ reject }) => reject(new CofferError('unsupported', `this cannot be sent to a worker: ${String(cause)}`, { cause })))
      }
    }
  }

  #cancellable(id: number, signal: AbortSignal): { flag: string; done: () => void } {
    const { flag, drop } = raised()
    const abort = (): void => {
      drop()
      const waiting = this.#waiting.get(id)
      if (waiting !== undefined && id > this.#sent && !this.#here) {
        this.#waiting.delete(id)
        waiting.reject(new CofferError('aborted', 'the caller gave it up before it was sent'))
      } else this.tell({ notice: 'cancel', target: id })
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
        else if (message.event === 'joined') this.#join(message, false)
        else if (message.event === 'at') this.#told = message.commit
        else if (message.event === 'helper') this.#assistant.start(this.#worker)
        else {
          if (message.event === 'ended') this.end(decodeError(message.failure))
          this.#news(message)
        }
        continue
      }
      const { id } = message
      if ('part' in message) this.#waiting.get(id)?.options.part?.(message.part)
      else if ('outcome' in message) {
        const { outcome, commit } = message
        answersOf(outcome).forEach((answer, index) => {
          const waiting = this.#waiting.get(id + index)
          if (waiting !== undefined) waiting.outcome = { answer, commit }
        })
      } else if ('committed' in message) this.#settle(id, (waiting) => known(waiting, message.committed))
      else if ('failure' in message) {
        const { failure, count = 1 } = message
        for (let index = 0; index < count; index += 1) this.#settle(id + index, ({ reject }) => reject(decodeError(failure)))
      } else {
        answersOf(message).forEach((answer, index) => {
          this.#settle(id + index, ({ resolve, reject }) => (isFailed(answer) ? reject(answer.error) : resolve(answer)))
        })
      }
    }
  }

  #settle(id: number, how: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    how(waiting)
  }
}

/** Runs that were asked for one after another become one request: a message's price is by the object, and so is a commit's. */
function together(messages: readonly (Request | Notice)[]): ToWorker {
  const sent: (Request | Notice)[] = []
  let runs: (Single & { kind: 'run' })[] = []
  const put = (): void => {
    const [first] = runs
    if (first === undefined) return
    sent.push(runs.length === 1 ? first : { kind: 'runs', id: first.id, count: runs.length, groups: joinRuns(runs) })
    runs = []
  }
  for (const message of messages) {
    // What has a signal can be given up by itself, and what is of a transaction has that one's commit.
    if ('kind' in message && message.kind === 'run' && message.flags === undefined && message.transaction === undefined) runs.push(message)
    else {
      put()
      sent.push(message)
    }
  }
  put()
  return sent
}

/** What a reply says to each call from its id on. */
function answersOf(reply: Outcome['outcome']): readonly Answer[] {
  return 'outcomes' in reply ? decodeRuns(reply) : [reply.answer]
}

function isFailed(answer: Answer): answer is RunResult & { error: CofferError } {
  return typeof answer === 'object' && 'error' in answer
}

/** Settles a call that was committed under an earlier leader. What it gave is known if that was told in time. */
function known({ request, outcome, resolve, reject }: Waiting, committed: bigint): void {
  if (outcome !== undefined && outcome.commit <= committed) resolve(outcome.answer)
  else if (request.kind === 'end') resolve(undefined)
  else reject(new CofferError('worker_lost', 'this was committed, but what it gave was lost with the worker that did it', { detail: { committed: true } }))
}

function gone(): CofferError {
  return new CofferError('worker_lost', 'the worker that had this transaction or iteration in hand is gone; nothing of it was committed', { detail: { committed: false } })
}

/** What a promise rejects with whose signal ended it. */
export function reason(signal: AbortSignal): Error {
  const given: unknown = signal.reason
  // An error of another window is no Error of ours.
  return given === Object(given) ? (given as Error) : new DOMException('the call was given up', 'AbortError')
}

/** An address that the worker can ask after, until it is dropped. */
export function raised(): { flag: string; drop: () => void } {
  const flag = URL.createObjectURL(new Blob())
  return { flag, drop: () => URL.revokeObjectURL(flag) }
}
