// A tab's worker among those of other tabs: plays the part that election.ts gives it, with the locks, messages and files that it takes.
//
//   page <-> Tab (leads)   <-> Session <-> files
//                                 ^
//   page <-> Tab (follows) <------'  over the client's line (hall.ts)
//
// I1  Locks hold the truth: files are touched under the lock only, and a client is gone when its lock is free. Messages carry news; what
//     timers do is to say a thing again, and to give up an opening that nobody answers.
// I2  A key stays in the worker that it was given to. A follower proves to itself, on the leader's manifest, that it has the right one.

import { checkKey } from '../../wasm/coffer_web.js'
import { CofferError, encodeError } from '../error.js'
import { openDatabase } from '../host.js'
import type { OpenDatabase } from '../host.js'
import { clientName, lockName, reopening, uniqueName } from '../names.js'
import type { ClientId, Failure, FromWorker, Joined, Opening, ToWorker } from '../protocol.js'
import { changedElsewhere, rekeyed } from '../protocol.js'
import type { Leader } from '../types.js'
import { Client, buffers } from './client.js'
import type { Caller } from './client.js'
import { errorName } from './directory.js'
import { out, step } from './election.js'
import type { Deed, Happening, State } from './election.js'
import { line, refusal } from './hall.js'
import type { Down, Hello, Line, Said, Up, Welcome } from './hall.js'
import { withKey } from './keeper.js'
import { requireLocks } from './lock.js'
import { Session } from './session.js'

/** How often a hello is said again that nobody answers. */
const helloMs = 1000

/** How often it is, before an opening is given up. */
const hellosMax = 10

/** How long a leader may take to answer a `close` beyond the time for which statements wait. */
const closeMs = 2000

interface Guest {
  readonly client: Client
  readonly link: string
  /** Ends the watch on the client's lock, and its line. */
  readonly leave: () => void
}

/** A page without an origin of its own (a sandboxed frame) has locks to look at, and may not use them. */
function forbidden(error: unknown): unknown {
  if (errorName(error) !== 'SecurityError') return error
  return new CofferError('unsupported', 'this page may not store anything: allow site data, or give its frame allow-same-origin', { cause: error })
}

export class Tab {
  readonly #id: ClientId
  readonly #version: string
  readonly #send: (messages: FromWorker, transfer?: Transferable[]) => void
  readonly #lost: (message: string) => void
  readonly #report: (error: unknown) => void
  #opening: Opening
  #state: State = out
  #term = 0
  /** The page has said that it knows of this term. */
  #here = false
  #entering: { resolve: (joined: Joined) => void; reject: (failure: unknown) => void } | undefined
  #failure: Failure = { code: 'closed', message: 'the database is closed' }

  // What needs the lock.
  #asked = 0
  #queue: AbortController | undefined
  #free: (() => void) | undefined
  #database: OpenDatabase | undefined
  #session: Session | undefined
  #own: Client | undefined
  #leader = ''
  /** Others want to write, though our own page does not. */
  #writes = false
  readonly #guests = new Map<string, Guest>()

  // What does not.
  #hall: Line<Said, Said> | undefined
  #line: Line<Down, Up> | undefined
  #present: Promise<void> | undefined
  #link = ''
  /** What the leader told before the page knew of it. */
  #early: FromWorker[number][] = []
  #links = 0
  #hellos = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #welcome: Welcome | undefined

  constructor(opening: Opening, id: ClientId, version: string, send: (messages: FromWorker, transfer?: Transferable[]) => void, lost: (message: string) => void, report: (error: unknown) => void) {
    this.#opening = opening
    this.#id = id
    this.#version = version
    this.#send = send
    this.#lost = lost
    this.#report = report
  }

  /** Joins. Rejects with a `Failure`. */
  enter(): Promise<Joined> {
    return new Promise((resolve, reject) => {
      this.#entering = { resolve, reject }
      if (!this.#alone) requireLocks()
      try {
        this.#happen({ is: 'enter' })
      } catch (error) {
        this.#refuse(error)
      }
    })
  }

  /** Takes what the page sent. */
  take(messages: ToWorker): void {
    const [first] = messages
    if (first !== undefined && 'notice' in first) {
      if (first.notice === 'key') {
        this.#opening = rekeyed(this.#opening, first.key)
        return
      }
      if (first.notice === 'here') {
        this.#here = first.term === this.#term
        if (this.#here && this.#early.length > 0) this.#send(this.#early.splice(0))
      }
    }
    if (!this.#here) return
    if (this.#own !== undefined) this.#session?.take(this.#own, messages)
    else {
      this.#line?.post({ link: this.#link, up: messages })
      for (const message of messages) if ('kind' in message && message.kind === 'close') this.#closeAnyway(message.id)
    }
  }

  /** A database in memory is nobody else's. */
  get #alone(): boolean {
    return this.#opening.backend === 'memory'
  }

  #happen(happening: Happening): void {
    const [state, ...deeds] = step(this.#state, happening)
    this.#state = state
    clearTimeout(this.#timer)
    for (const deed of deeds) this.#do(deed)
    if (this.#state.at === 'waiting') this.#timer = setTimeout(() => this.#sayAgain(), helloMs)
  }

  #do(deed: Deed): void {
    switch (deed) {
      case 'ask':
        return this.#ask({ ifAvailable: true })
      case 'queue':
        this.#queue = new AbortController()
        return this.#ask({ signal: this.#queue.signal })
      case 'unqueue':
        this.#asked += 1
        return this.#queue?.abort()
      case 'free':
        this.#free?.()
        this.#free = undefined
        return
      case 'hello':
        return this.#hello()
      case 'check':
        return void this.#check()
      case 'follow':
        this.#own = undefined
        return this.#join('other', this.#state.at === 'following' ? this.#state.leader : '', this.#welcome?.found ?? 0n)
      case 'quit':
        return this.#line?.post({ link: this.#link, bye: true })
      case 'raise':
        return void this.#raise()
      case 'lead':
        return this.#lead()
      case 'close':
        return this.#close()
      case 'fail':
        if (this.#entering !== undefined) this.#entering.reject(this.#failure)
        else this.#send([{ event: 'ended', failure: this.#failure }])
        return
      default:
        return deed satisfies never
    }
  }

  #join(leader: Leader, name: string, found: bigint): void {
    this.#term += 1
    this.#here = false
    if (leader !== 'other') this.#early = []
    this.#hellos = 0
    this.#opening = reopening(this.#opening)
    const joined = { leader, name, term: this.#term, found }
    if (this.#entering === undefined) this.#send([{ event: 'joined', ...joined }])
    this.#entering?.resolve(joined)
    this.#entering = undefined
  }

  // ---- the lock

  #ask(options: LockOptions): void {
    if (this.#alone) return this.#happen({ is: 'granted' })
    this.#hall ??= line(lockName(this.#opening.name), (said) => this.#hear(said))
    this.#stay()
    const asked = ++this.#asked
    const hold = (lock: Lock | null): Promise<void> | undefined => {
      if (asked !== this.#asked) return undefined
      if (lock === null) {
        this.#happen({ is: 'taken' })
        return undefined
      }
      return new Promise((free) => {
        this.#free = free
        this.#happen({ is: 'granted' })
      })
    }
    navigator.locks.request(lockName(this.#opening.name), options, hold).catch((error: unknown) => {
      if (asked === this.#asked) this.#refuse(error)
    })
  }

  /** Holds, to the worker's end, the lock by which the leader and our own page see that it lives. */
  #stay(): void {
    this.#present ??= new Promise((resolve) => {
      const hold = (): Promise<never> => {
        resolve()
        return new Promise(() => undefined)
      }
      navigator.locks.request(clientName(this.#opening.name, this.#id), hold).catch((error: unknown) => this.#refuse(error))
    })
  }

  /** Locks may be refused at once, or (Firefox) when each is asked for. */
  #refuse(error: unknown): void {
    if (this.#entering === undefined) this.#report(error)
    else this.#entering.reject(forbidden(error))
  }

  #hear(said: Said): void {
    if ('leads' in said) this.#happen({ is: 'announced', leader: said.leads })
    else if ('rising' in said) this.#hellos = 0
    else if (this.#state.at === 'leading') this.#greet(said.hello)
    else if (this.#state.at === 'rising') this.#hall?.post({ rising: true })
  }

  // ---- leading

  async #raise(): Promise<void> {
    try {
      const readonly = this.#opening.readonly === true && !this.#writes
      this.#database = await openDatabase({ ...this.#opening, readonly }, this.#report, () => undefined)
      await this.#present
      const { engine } = this.#database
      const close = (): Promise<void> => engine.close().finally(() => this.#happen({ is: 'left' }))
      this.#session = new Session({ ...engine, close }, this.#lost)
      this.#happen({ is: 'opened' })
    } catch (error) {
      this.#failure = this.#told(error)
      if (this.#failure.code === 'worker_lost') this.#lost(this.#failure.message)
      else this.#happen({ is: 'failed' })
    }
  }

  #lead(): void {
    const session = this.#session
    if (session === undefined) return
    this.#leader = uniqueName()
    const { readonly = false, durability = 'strict', busyTimeout: busyMs = 5000 } = this.#opening
    this.#own = session.admit({ id: this.#id, remote: false, readonly, durability, busyMs, send: this.#send })
    this.#join('self', this.#leader, session.found)
    this.#hall?.post({ leads: this.#leader })
  }

  #close(): void {
    const session = this.#session
    this.#own = undefined
    void session?.close(true).catch(this.#report).finally(() => {
      for (const guest of this.#guests.values()) guest.leave()
      this.#guests.clear()
    })
  }

  /** Somebody wants to be let in. */
  #greet(hello: Hello): void {
    const [session, database] = [this.#session, this.#database]
    if (session === undefined || database === undefined) return
    // Whoever only reads does not make or mend files, so the files are opened again for one who writes.
    if (this.#opening.readonly === true && !this.#writes && !hello.readonly) {
      this.#writes = true
      return this.#happen({ is: 'upgrade' })
    }
    const name = clientName(this.#opening.name, hello.client)
    this.#guests.get(name)?.leave()
    const { link } = hello
    const leader = this.#leader
    const end = line<Up, Down>(name, (said) => {
      if (said.link !== link) return
      if ('bye' in said) leave()
      else session.take(client, said.up)
    })
    const refused = refusal(hello, { version: this.#version, place: database.place }, this.#opening.name)
    if (refused !== undefined) {
      end.post({ link, leader, refused })
      return end.close()
    }
    const caller: Caller = { id: hello.client, remote: true, readonly: hello.readonly, durability: hello.durability, busyMs: hello.busyMs, send: (down) => end.post({ link, down }) }
    const client = session.admit(caller)
    const watch = new AbortController()
    const leave = (): void => {
      watch.abort()
      end.close()
      session.dismiss(client)
      if (this.#guests.get(name)?.client === client) this.#guests.delete(name)
    }
    this.#guests.set(name, { client, link, leave })
    // I1
    navigator.locks.request(name, { signal: watch.signal }, leave).catch(() => undefined)
    end.post({ link, leader, welcome: { found: session.found, manifest: database.manifest(), root: database.root() } })
  }

  // ---- following

  #hello(): void {
    const { name, readonly = false, durability = 'strict', busyTimeout: busyMs = 5000, backend = 'auto', create = 'if_missing' } = this.#opening
    this.#line ??= line(clientName(name, this.#id), (said) => this.#listen(said))
    void this.#present?.then(() => {
      if (this.#state.at !== 'waiting') return
      this.#link = `${this.#id.join()}/${++this.#links}`
      this.#early = []
      this.#hall?.post({ hello: { client: this.#id, link: this.#link, version: this.#version, readonly, durability, busyMs, backend, create } })
    })
  }

  #sayAgain(): void {
    if (this.#entering !== undefined && ++this.#hellos >= hellosMax) {
      this.#failure = { code: 'locked_elsewhere', message: `${this.#opening.name} is in use by another tab or worker that does not answer; close or reload it` }
      return this.#happen({ is: 'late' })
    }
    this.#hello()
    this.#timer = setTimeout(() => this.#sayAgain(), helloMs)
  }

  #listen(said: Down): void {
    if ('down' in said) {
      // What an earlier leader answered is as true as ever; its news is not.
      const messages = said.link === this.#link ? said.down : said.down.filter((message) => 'id' in message)
      if (messages.length === 0 || this.#own !== undefined) return
      // The page would take it for news of the leader before.
      if (said.link === this.#link && !(this.#here && this.#state.at === 'following')) this.#early.push(...messages)
      else this.#send(messages, buffers(messages))
    } else if (said.link === this.#link) {
      if ('welcome' in said) {
        this.#welcome = said.welcome
        this.#happen({ is: 'welcomed', leader: said.leader })
      } else {
        this.#failure = said.refused
        this.#happen({ is: 'refused', leader: said.leader })
      }
    }
  }

  /** I2 */
  async #check(): Promise<void> {
    if (this.#state.at !== 'checking' || this.#welcome === undefined) return
    const { leader } = this.#state
    const { manifest, root } = this.#welcome
    try {
      await withKey(this.#opening, () => root, (secret) => checkKey(manifest, secret?.kind ?? '', secret?.bytes, secret?.more))
      this.#happen({ is: 'fits', leader })
    } catch (error) {
      this.#failure = this.#told(error)
      this.#happen({ is: 'misfits', leader })
    }
  }

  /** A key that was right when this tab came in has been changed in another one since. */
  #told(error: unknown): Failure {
    const failure = encodeError(error)
    return this.#entering === undefined ? changedElsewhere(failure, this.#opening.name) : failure
  }

  /** A page that closes does not wait for ever for a leader that is stuck. */
  #closeAnyway(id: number): void {
    const { busyTimeout = 5000 } = this.#opening
    setTimeout(() => this.#send([{ id, ok: true, answer: undefined }]), busyTimeout + closeMs)
  }
}

