// Runs what pages ask, this worker's own and those of other tabs, on the connections of one open database: who may run when, and
// transactions.
//
//   asked -> queue -> (its turn?) -> runs -> reply, held until the commit is durable (outbox.ts)
//                  `-> blocked, until a transaction ends, a reader comes back, or it has waited long enough
//
// Knows nothing of files, nothing of tabs but that there are several, and nothing of pages but the protocol.
//
// I1  Only statements of the transaction that holds the writer run on it; everything else that writes waits for its end.
// I2  A statement of a transaction that SQLite has rolled back runs nowhere: it would commit by itself.
// I3  Every commit bears the name of the request that made it; one that comes again runs only if no commit bears its name.

import type { Connection } from '../../wasm/coffer_web.js'
import { CofferError, encodeError } from '../error.js'
import type { Answer, Answers, Call, ClientId, Failure, Notice, Ran, Reply, Single, ToWorker } from '../protocol.js'
import type { Verb, VerbAnswer } from '../verbs.js'
import { interruptible } from './cancel.js'
import { Client } from './client.js'
import type { Caller, Transaction } from './client.js'
import { Cursors, query } from './cursors.js'
import { Outbox } from './outbox.js'
import { Readers } from './readers.js'
import { runNext, sliceMs } from './runs.js'
import type { Progress } from './runs.js'
import { perform } from './statements.js'
import { Watches, schema } from './watches.js'

/** What a session needs of the open database. */
export interface Engine {
  /** A connection that may write. */
  connect(): Connection
  /** A connection that reads only. */
  connectReader(): Connection
  /** Makes what was committed so far durable; undefined if it is already. */
  settle(durability: 'strict' | 'relaxed'): Promise<void> | undefined
  /** Opens the files that a call lacked that failed with `not_ready`. */
  prepare(): Promise<void>
  /** Carries out a verb for a client; `replaced` hears that it has replaced the contents. */
  verb(verb: Verb, owner: Client, replaced: () => void): Promise<VerbAnswer>
  /** Gives SQL a function; fails with `not_ready` until it is loaded. */
  define(verb: Verb & { do: 'function' }): void
  /** Drops what a client has begun. */
  leave(owner: Client): void
  /** The newest commit. */
  head(): bigint
  /** The last commit that is folded. */
  folded(): bigint
  /** `listener` hears when upkeep has done something. */
  onUpkeep(listener: () => void): void
  /** The last commit that a request made. */
  find(client: ClientId, request: number): bigint | undefined
  close(): Promise<void>
}

/** How often a request may lack a file. */
const attemptsMax = 16

interface Task {
  readonly client: Client
  readonly request: Single | Progress
  readonly deadline: number
  attempts: number
  /** Its next runs are to follow. */
  more?: boolean
}

/** A statement that may wait for a turn is told so by this, and by nothing else. */
const blocked: unique symbol = Symbol('blocked')

export class Session {
  /** The newest commit there was at the beginning. */
  readonly found: bigint
  readonly #engine: Engine
  readonly #lost: (message: string) => void
  readonly #writer: Connection
  readonly #readers: Readers
  readonly #clients = new Set<Client>()
  readonly #outbox: Outbox
  readonly #watches: Watches
  readonly #cursors: Cursors
  /** The transaction that holds the writer. */
  #turn: Transaction | undefined
  #queue: Task[] = []
  #blocked: Task[] = []
  #pumping = false
  #closing: Promise<void> | undefined
  /** Pages that are not answered any more ask another session. */
  #passesOn = false
  /** The instance cannot be trusted any more. */
  #dead = false
  /** The last commit that is folded. */
  #folded: bigint
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly #turns = new MessageChannel()

  /** `lost` hears why the engine cannot be trusted any more; the session does nothing after that. */
  constructor(engine: Engine, lost: (message: string) => void) {
    this.#engine = engine
    this.#lost = lost
    this.#writer = engine.connect()
    this.#readers = new Readers(() => engine.connectReader())
    this.found = engine.head()
    this.#outbox = new Outbox(engine, this.#clients, {
      lost: ({ message }) => this.#die(message),
      wentBack: () => {
        this.#watches.changed([schema])
        if (!this.#pumping) this.#pump()
      },
    })
    this.#cursors = new Cursors((reader) => this.#giveBack(reader))
    this.#watches = new Watches(this.#clients, {
      lend: () => (this.#turn === undefined ? this.#writer : this.#readers.borrow()),
      giveBack: (connection) => {
        if (connection !== this.#writer) this.#giveBack(connection)
      },
    })
    this.#folded = engine.folded()
    engine.onUpkeep(() => {
      if (this.#pumping || this.#closing !== undefined || this.#dead) return
      this.#tellFolded()
      this.#outbox.flush()
    })
    this.#turns.port1.onmessage = (): void => this.#pump()
  }

  /** Begins to work for somebody. */
  admit(caller: Caller): Client {
    const client = new Client(caller)
    this.#clients.add(client)
    return client
  }

  /** Takes what a client sent. */
  take(client: Client, messages: ToWorker): void {
    const deadline = performance.now() + client.caller.busyMs
    for (const message of messages) {
      if ('notice' in message) this.#heed(client, message)
      else this.#queue.push({ client, request: message, deadline, attempts: 0 })
    }
    if (!this.#pumping) this.#pump()
  }

  /** Ends the work for a client: what it has open is rolled back, what it asked is dropped. */
  dismiss(client: Client): void {
    if (!this.#clients.delete(client)) return
    client.gone = true
    this.#engine.leave(client)
    const others = (task: Task): boolean => task.client !== client
    this.#queue = this.#queue.filter(others)
    this.#blocked = this.#blocked.filter(others)
    if (this.#closing !== undefined || this.#dead) return
    try {
      for (const transaction of [...client.transactions.values()]) this.#finish(transaction, false)
      if (this.#turn?.client === client) {
        this.#turn = undefined
        this.#writer.exec('rollback')
      }
      for (const id of [...client.cursors.keys()]) this.#cursors.release(client, id)
    } catch (error) {
      const { code, message } = encodeError(error)
      if (code === 'worker_lost') this.#die(message)
    }
    this.#unblock()
    if (!this.#pumping) this.#outbox.flush()
  }

  /** Ends everything, with what was committed durable. What was not answered is dropped, for our own page only if it `asksAgain`. */
  close(asksAgain = false): Promise<void> {
    this.#passesOn ||= asksAgain
    this.#outbox.close()
    this.#closing ??= this.#close()
    return this.#closing
  }

  #pump(): void {
    if (this.#dead) return
    const until = performance.now() + sliceMs
    this.#pumping = true
    // What runs may put tasks into the queue that waited for it.
    const tasks = this.#queue
    this.#queue = []
    let at = 0
    for (; at < tasks.length && performance.now() < until && !this.#outbox.full; at += 1) {
      const task = tasks[at]
      if (task === undefined || task.client.gone) continue
      if (!this.#attempt(task)) {
        // It lacks a file. What came after it waits too, or it would be overtaken.
        this.#queue = this.#queue.concat(tasks.slice(at))
        this.#outbox.flush()
        this.#engine.prepare().then(() => this.#again(), (error: unknown) => {
          this.#queue = this.#queue.filter((other) => other !== task)
          this.#fail(task, encodeError(error))
          this.#again()
        })
        return
      }
      if (this.#isDead()) return
      if (task.more === true) at -= 1
    }
    this.#queue = this.#queue.concat(tasks.slice(at))
    if (this.#queue.length === 0) {
      this.#refresh()
      this.#tellFolded()
    }
    if (this.#queue.length === 0 || this.#outbox.due) this.#outbox.flush()
    if (this.#queue.length === 0) this.#pumping = false
    else if (!this.#outbox.behind) this.#again()
    else void this.#outbox.settled().then(() => this.#again())
    this.#watchClock()
  }

  #again(): void {
    this.#pumping = true
    this.#turns.port2.postMessage(undefined)
  }

  /** False if it has to be tried again when the files it lacks are there. */
  #attempt(task: Task): boolean {
    const { client, request } = task
    const { id } = request
    task.more = false
    if (this.#closing !== undefined) {
      // Another tab asks the next leader.
      if (!client.caller.remote && !this.#passesOn) this.#fail(task, { code: 'closed', message: 'the database is closed' })
      return true
    }
    try {
      if (request.again !== undefined && !this.#isNew(client, request)) return true
      const [high, low] = client.caller.id
      this.#writer.setRequest(high, low, id, 1) // I3
      const answer = this.#answer(client, request)
      if (answer === blocked) {
        this.#blocked.push(task)
        return true
      }
      if (answer instanceof Promise) {
        answer.then((value) => client.say({ id, ok: true, answer: value as VerbAnswer }), (error: unknown) => this.#fail(task, encodeError(error))).finally(() => this.#outbox.flush())
        return true
      }
      if (request.kind === 'runs') {
        task.more = request.count > 0
        this.#outbox.tell(client, answer as Ran)
      } else this.#outbox.tell(client, { id, ok: true, answer: answer as Answer })
    } catch (error) {
      const failure = encodeError(error)
      if (failure.code === 'not_ready' && ++task.attempts < attemptsMax) return false
      // A script may have committed before it failed.
      if (failure.code === 'worker_lost') this.#die(failure.message)
      else this.#outbox.tell(client, failed(task, failure))
    }
    if (this.#isClosing() || this.#isDead()) return true
    this.#watchTurn(client)
    const tables = this.#writer.changed()
    if (tables !== undefined) this.#watches.changed(tables)
    return true
  }

  // Methods, since what runs in between may change what was looked at before.
  #isDead(): boolean {
    return this.#dead
  }

  #isClosing(): boolean {
    return this.#closing !== undefined
  }

  /** Whether a request that comes again is to run. Otherwise it is answered here. */
  #isNew(client: Client, request: Single): boolean {
    const committed = this.#engine.find(client.caller.id, request.id)
    if (committed !== undefined) this.#outbox.hold(client, { id: request.id, committed })
    else if (request.again === 'ask' || (request.kind === 'end' && !client.transactions.has(request.transaction ?? 0))) {
      client.say({ id: request.id, ok: false, failure: { code: 'worker_lost', message: 'the worker that had this in hand was lost, nothing was committed', detail: { committed: false } } })
    } else return true
    return false
  }

  #fail(task: Task, failure: Failure): void {
    // What was not thrown on purpose (a trap, an exhausted stack) leaves the instance in no state to be called again.
    if (failure.code === 'worker_lost') this.#die(failure.message)
    else task.client.say(failed(task, failure))
  }

  #die(message: string): void {
    if (this.#dead) return
    this.#dead = true
    clearTimeout(this.#timer)
    this.#outbox.end()
    this.#lost(message)
  }

  // ---- whose turn

  #unblock(): void {
    if (this.#blocked.length === 0) return
    this.#queue = [...this.#blocked, ...this.#queue]
    this.#blocked = []
    if (!this.#pumping) this.#again()
  }

  /** A transaction may have been begun or ended in SQL: then the writer is its client's until its end. */
  #watchTurn(client: Client): void {
    const turn = this.#turn
    if (turn?.number !== undefined) return
    const open = !this.#writer.autocommit()
    if (open && turn === undefined) this.#turn = { client, connection: this.#writer, writes: true, number: undefined }
    else if (!open && turn !== undefined) {
      this.#turn = undefined
      this.#unblock()
    }
  }

  /** Lets the oldest of those that wait fail when their time is up. */
  #watchClock(): void {
    if (this.#timer !== undefined || this.#blocked.length === 0 || this.#closing !== undefined) return
    const due = Math.min(...this.#blocked.map(({ deadline }) => deadline))
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      const now = performance.now()
      const late = this.#blocked.filter(({ deadline }) => deadline <= now)
      this.#blocked = this.#blocked.filter(({ deadline }) => deadline > now)
      for (const task of late) {
        const { client, request } = task
        if (request.kind === 'close') void this.#closeFor(client).then(() => client.say({ id: request.id, ok: true, answer: undefined }), (error: unknown) => this.#fail(task, encodeError(error))).then(() => this.#outbox.flush())
        else this.#fail(task, { code: 'busy', message: `a transaction held the database for ${client.caller.busyMs} ms; inside a transaction, use its own methods` })
      }
      this.#outbox.flush()
      this.#watchClock()
    }, Math.max(0, due - performance.now()) + 1)
  }

  #heed(client: Client, notice: Notice): void {
    switch (notice.notice) {
      case 'cancel': {
        // One that comes again may have been done, which only its turn shows.
        const given = (task: Task): boolean => task.client === client && task.request.id === notice.target && task.request.again === undefined
        const task = this.#queue.find(given) ?? this.#blocked.find(given)
        if (task !== undefined) {
          this.#queue = this.#queue.filter((other) => other !== task)
          this.#blocked = this.#blocked.filter((other) => other !== task)
          this.#fail(task, { code: 'aborted', message: 'the caller gave it up before it ran' })
        }
        return
      }
      case 'release':
        this.#cursors.release(client, notice.cursor)
        return
      case 'seen': {
        const watch = client.watches.get(notice.watch)
        if (watch !== undefined) watch.unseen = false
        return
      }
      case 'key':
        return
      case 'unwatch':
        client.watches.delete(notice.watch)
        return
      case 'here':
        // Said to the worker, which has heeded it.
        return
      default:
        return notice satisfies never
    }
  }

  #giveBack(reader: Connection, at?: number): void {
    if (at !== undefined) reader.exec('pragma read_at = 0')
    if (this.#dead) return
    this.#readers.giveBack(reader)
    this.#unblock()
  }

  #transaction(client: Client, number: number): Transaction {
    const open = client.transactions.get(number)
    // I2
    if (open === undefined || open.connection.autocommit()) throw new CofferError('aborted', 'the transaction is over: it was ended, or an earlier error rolled it back')
    return open
  }

  /** Does something on the connection of a transaction's statement, or of one that stands alone. */
  #on<T>(client: Client, transaction: number | undefined, work: (connection: Connection) => T): T | typeof blocked {
    if (transaction !== undefined) return work(this.#transaction(client, transaction).connection)
    if (client.caller.readonly) return this.#onReader(work)
    const turn = this.#turn
    return turn === undefined || (turn.number === undefined && turn.client === client) ? work(this.#writer) : blocked
  }

  #onReader<T>(work: (connection: Connection) => T): T | typeof blocked {
    const reader = this.#readers.borrow()
    if (reader === undefined) return blocked
    try {
      return work(reader)
    } finally {
      this.#giveBack(reader)
    }
  }

  // ---- what is asked

  #answer(client: Client, call: Task['request']): unknown {
    switch (call.kind) {
      case 'open':
        throw new CofferError('closed', 'the worker has a database open already')
      case 'begin':
        return this.#begin(client, call)
      case 'end':
        this.#end(client, call)
        return undefined
      case 'iterate':
        return this.#iterate(client, call)
      case 'next':
        return this.#cursors.next(client, call.cursor, call.rows)
      case 'watch':
        return this.#on(client, undefined, (connection) => this.#watches.add(client, connection, call))
      case 'verb':
        // One that replaces everything does so while its caller has the turn to write.
        if (call.transaction !== undefined) this.#transaction(client, call.transaction)
        if (call.verb.do === 'function') {
          this.#engine.define(call.verb)
          return undefined
        }
        return this.#engine.verb(call.verb, client, () => this.#watches.changed([schema]))
      case 'admin':
        throw new CofferError('closed', 'the worker has a database open')
      case 'close':
        // What was asked before is done first; a transaction that never ends is rolled back when its time is up.
        return client.transactions.size > 0 || this.#blocked.some((task) => task.client === client) ? blocked : this.#closeFor(client)
      case 'query': {
        const read = (connection: Connection): Uint8Array => interruptible(call.flags, () => query(client, connection, call))
        const rows = this.#on(client, call.transaction, read)
        // Readers do not wait for the writer: they see what was committed before it.
        return rows === blocked && reading.test(call.sql) ? this.#onReader(read) : rows
      }
      case 'runs':
        return this.#on(client, undefined, (connection) => runNext(connection, call, client.caller.id, client.caller.readonly))
      case 'exec':
      case 'run':
      case 'prepare':
      case 'batch':
        return this.#on(client, call.transaction, (connection) => interruptible(call.flags, () => perform(connection, call)))
      default:
        return call satisfies never
    }
  }

  #iterate(client: Client, call: Extract<Call, { kind: 'iterate' }> & { id: number }): Answers['iterate'] | typeof blocked {
    const { transaction } = call
    const connection = transaction === undefined ? this.#readers.borrow() : this.#transaction(client, transaction).connection
    return connection === undefined ? blocked : this.#cursors.open(client, connection, call)
  }

  #begin(client: Client, { transaction: number = 0, isolation, readonly: reads, at }: Extract<Call, { kind: 'begin' }>): undefined | typeof blocked {
    const readonly = reads || client.caller.readonly
    if (!readonly && this.#turn !== undefined) return blocked
    const connection = readonly ? this.#readers.borrow() : this.#writer
    if (connection === undefined) return blocked
    try {
      if (readonly) {
        connection.exec(`pragma isolation_level = '${isolation === 'read committed' ? isolation : 'serializable'}'`)
        if (at !== undefined) connection.exec(`pragma read_at = ${at}`)
        // The read is what takes the snapshot.
        connection.exec(`begin; select 1 from ${schema}`)
      } else connection.exec('begin immediate')
    } catch (error) {
      if (readonly) this.#giveBack(connection, at)
      throw error
    }
    const transaction = { client, connection, writes: !readonly, number, at }
    client.transactions.set(number, transaction)
    if (!readonly) this.#turn = transaction
    return undefined
  }

  #end(client: Client, { transaction = 0, commit }: Extract<Call, { kind: 'end' }>): void {
    const open = client.transactions.get(transaction)
    if (open === undefined) throw new CofferError('aborted', 'the transaction is over')
    this.#finish(open, commit)
  }

  #finish({ client, connection, writes, number, at }: Transaction, commit: boolean): void {
    const gone = connection.autocommit()
    for (const [id, cursor] of client.cursors) if (cursor.transaction === number) this.#cursors.release(client, id)
    try {
      if (!gone) connection.exec(commit ? 'commit' : 'rollback')
      else if (commit) throw new CofferError('aborted', 'an earlier error rolled the transaction back')
    } catch (error) {
      if (!connection.autocommit()) connection.exec('rollback')
      throw error
    } finally {
      client.transactions.delete(number ?? 0)
      if (writes) this.#turn = undefined
      else this.#giveBack(connection, at)
      this.#unblock()
    }
  }

  /** The page that owns this worker ends the session; another tab's only leaves. */
  async #closeFor(client: Client): Promise<void> {
    if (!client.caller.remote) return this.close()
    // Sent before it is dismissed, and after what it was told before.
    await this.#outbox.settled()
  }

  async #close(): Promise<void> {
    clearTimeout(this.#timer)
    if (this.#dead) return
    this.#outbox.flush()
    const stored = Promise.resolve().then(() => this.#engine.settle('strict'))
    await stored.catch(() => undefined)
    await this.#outbox.settled()
    for (const client of this.#clients) {
      for (const id of [...client.cursors.keys()]) this.#cursors.release(client, id)
      for (const { connection, writes } of client.transactions.values()) {
        if (!connection.autocommit()) connection.exec('rollback')
        if (!writes) this.#readers.giveBack(connection)
      }
    }
    if (!this.#writer.autocommit()) this.#writer.exec('rollback')
    this.#writer.free()
    this.#readers.free()
    await this.#engine.close()
    // Of what was answered before it was stored nobody else is told.
    await stored
  }

  /** Upkeep, a verb or a pragma may have folded more. */
  #tellFolded(): void {
    if (this.#closing !== undefined) return
    const folded = this.#engine.folded()
    if (folded <= this.#folded) return
    this.#folded = folded
    for (const client of this.#clients) client.say({ event: 'checkpoint', commit: Number(folded) })
  }

  /** Runs the live queries again whose tables changed. */
  #refresh(): void {
    if (this.#closing !== undefined) return
    const lost = this.#watches.refresh()
    if (lost !== undefined) this.#die(lost.message)
  }
}

/** Statements that readers take over while a transaction holds the writer. */
const reading = /^\s*(?:select|values|with|explain)\b/i

/** The reply to a task that failed as a whole. */
function failed({ request }: Task, failure: Failure): Reply {
  return { id: request.id, ok: false, failure, count: 'count' in request ? request.count : 1 }
}
