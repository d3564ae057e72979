// Runs what the page asks, on the connections of one open database: who may run when, transactions, cursors, live queries.
//
//   asked -> queue -> (its turn?) -> runs -> reply, held until the commit is durable
//                  `-> blocked, until a transaction ends, a reader comes back, or it has waited long enough
//
// Knows nothing of files, and nothing of the page but the protocol.
//
// I1  Only statements of the transaction that holds the writer run on it; everything else that writes waits for its end.
// I2  A statement of a transaction that SQLite has rolled back runs nowhere: it would commit by itself.
// I3  A reply that tells of a commit leaves after the commit is as durable as the database was opened for.
// I4  A live query's rows leave one result at a time, and only if they differ from those that left before; the last state always leaves.

import type { Connection, Cursor } from '../../wasm/coffer_web.js'
import { fingerprint } from '../../wasm/coffer_web.js'
import { CofferError, decodeError, encodeError } from '../error.js'
import type { Answers, Bound, Call, Failure, FromWorker, News, Notice, Part, Reply, Request, ToWorker } from '../protocol.js'
import type { BatchItem, RunResult, StatementInfo } from '../types.js'
import { interruptible } from './cancel.js'

/** What a session needs of the open database. */
export interface Engine {
  /** A connection that may write. */
  connect(): Connection
  /** A connection that reads only. */
  connectReader(): Connection
  /** Makes what was committed so far durable; undefined if it is already. */
  settle(): Promise<void> | undefined
  /** Opens the files that a call lacked that failed with `not_ready`. */
  prepare(): Promise<void>
  close(): Promise<void>
}

/** Without a pause no message would be heard while a long queue is worked off. */
const sliceMs = 8

/** Rows leave in parts of about this size, so that the page reads some while others are made, and one kept text does not keep a large result alive. */
const partBytes = 256 * 1024

/** Connections for cursors and read-only transactions at one time. Each may hold a page cache. */
const readersMax = 8

const all = 0xffff_ffff
const attemptsMax = 16
const schema = 'sqlite_master'

interface Task {
  readonly request: Request
  readonly deadline: number
  attempts: number
}

interface Transaction {
  readonly connection: Connection
  readonly writes: boolean
}

interface Open {
  readonly cursor: Cursor
  readonly connection: Connection
  readonly transaction: number | undefined
}

interface Watch extends Bound {
  reads: ReadonlySet<string>
  shown: bigint | undefined
  dirty: boolean
  /** The page has not said yet that it has used what left last. */
  unseen: boolean
}

/** A statement that may wait for a turn is told so by this, and by nothing else. */
const blocked: unique symbol = Symbol('blocked')

export class Session {
  readonly #engine: Engine
  readonly #send: (messages: FromWorker, transfer: Transferable[]) => void
  readonly #busyMs: number
  readonly #writer: Connection
  readonly #readers: Connection[] = []
  #lent = 0
  /** The transaction that holds the writer. */
  #turn: number | undefined
  readonly #transactions = new Map<number, Transaction>()
  readonly #cursors = new Map<number, Open>()
  readonly #watches = new Map<number, Watch>()
  #queue: Task[] = []
  #blocked: Task[] = []
  #pumping = false
  #closed = false
  #out: (Reply | Part | News)[] = []
  #held: Reply[] = []
  #transfer: Transferable[] = []
  #timer: ReturnType<typeof setTimeout> | undefined
  readonly #turns = new MessageChannel()

  constructor(engine: Engine, busyMs: number, send: (messages: FromWorker, transfer: Transferable[]) => void) {
    this.#engine = engine
    this.#busyMs = busyMs
    this.#send = send
    this.#writer = engine.connect()
    this.#turns.port1.onmessage = (): void => this.#pump()
  }

  /** Takes what the page sent. */
  take(messages: ToWorker): void {
    const deadline = performance.now() + this.#busyMs
    for (const message of messages) {
      if ('notice' in message) this.#heed(message)
      else this.#queue.push({ request: message, deadline, attempts: 0 })
    }
    if (!this.#pumping) this.#pump()
  }

  /** Another tab's worker committed changes to these tables. */
  heard(tables: readonly string[]): void {
    this.#changed(tables)
    if (!this.#pumping) this.#pump()
  }

  #pump(): void {
    const until = performance.now() + sliceMs
    this.#pumping = true
    // What runs may put tasks into the queue that waited for it.
    const tasks = this.#queue
    this.#queue = []
    let at = 0
    for (; at < tasks.length && performance.now() < until; at += 1) {
      const task = tasks[at]
      if (task !== undefined && !this.#attempt(task)) {
        // It lacks a file. What came after it waits too, or it would be overtaken.
        this.#queue = this.#queue.concat(tasks.slice(at))
        this.#flush()
        this.#engine.prepare().then(() => this.#again(), (error: unknown) => {
          this.#queue = this.#queue.filter((other) => other !== task)
          this.#fail(task.request.id, encodeError(error))
          this.#again()
        })
        return
      }
    }
    this.#queue = this.#queue.concat(tasks.slice(at))
    if (this.#queue.length === 0) this.#refresh()
    this.#flush()
    if (this.#queue.length > 0) this.#again()
    else this.#pumping = false
    this.#watchClock()
  }

  #again(): void {
    this.#pumping = true
    this.#turns.port2.postMessage(undefined)
  }

  /** False if it has to be tried again when the files it lacks are there. */
  #attempt(task: Task): boolean {
    const { request } = task
    const before = this.#closed ? 0n : this.#writer.lastCommit()
    try {
      const answer = this.#answer(request)
      if (answer === blocked) {
        this.#blocked.push(task)
        return true
      }
      if (answer instanceof Promise) {
        answer.then(() => this.#reply(request.id, undefined), (error: unknown) => this.#fail(request.id, encodeError(error))).finally(() => this.#flush())
        return true
      }
      const reply: Reply = { id: request.id, ok: true, answer: answer as Answers[keyof Answers] }
      const bytes = answer instanceof Uint8Array ? answer : request.kind === 'iterate' ? (answer as Answers['iterate']).rows : undefined
      if (bytes !== undefined) this.#transfer.push(bytes.buffer)
      if (!this.#closed && this.#writer.lastCommit() !== before) this.#held.push(reply)
      else this.#out.push(reply)
    } catch (error) {
      const failure = encodeError(error)
      if (failure.code === 'not_ready' && ++task.attempts < attemptsMax) return false
      this.#fail(request.id, failure)
    }
    if (!this.#closed) {
      const tables = this.#writer.changed()
      if (tables !== undefined) this.#changed(tables)
    }
    return true
  }

  #reply(id: number, answer: undefined): void {
    this.#out.push({ id, ok: true, answer })
  }

  #fail(id: number, failure: Failure): void {
    // What was not thrown on purpose (a trap, an exhausted stack) leaves the instance in no state to be called again.
    if (failure.code === 'worker_lost') this.#out.push({ event: 'lost', message: failure.message })
    else this.#out.push({ id, ok: false, failure })
  }

  /** Sends what there is to send. Replies that tell of commits wait until these are durable, and one wait does for all. */
  #flush(): void {
    const held = this.#held
    this.#held = []
    if (held.length > 0) {
      const fail = (error: unknown): void => {
        for (const { id } of held) this.#fail(id, encodeError(error))
      }
      try {
        const durable = this.#engine.settle()
        if (durable === undefined) this.#add(held)
        else void durable.then(() => this.#add(held), fail).then(() => this.#post())
      } catch (error) {
        fail(error)
      }
    }
    this.#post()
  }

  #add(replies: readonly Reply[]): void {
    this.#out = this.#out.concat(replies)
  }

  #post(): void {
    if (this.#out.length === 0) return
    const [messages, transfer] = [this.#out, this.#transfer]
    this.#out = []
    this.#transfer = []
    this.#send(messages, transfer)
  }

  // ---- whose turn

  #unblock(): void {
    if (this.#blocked.length === 0) return
    this.#queue = [...this.#blocked, ...this.#queue]
    this.#blocked = []
    if (!this.#pumping) this.#again()
  }

  /** Lets the oldest of those that wait fail when their time is up. */
  #watchClock(): void {
    if (this.#timer !== undefined || this.#blocked.length === 0) return
    const due = Math.min(...this.#blocked.map(({ deadline }) => deadline))
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      const now = performance.now()
      const late = this.#blocked.filter(({ deadline }) => deadline <= now)
      this.#blocked = this.#blocked.filter(({ deadline }) => deadline > now)
      for (const { request } of late) {
        if (request.kind === 'close') void this.#close().then(() => this.#reply(request.id, undefined), (error: unknown) => this.#fail(request.id, encodeError(error))).then(() => this.#post())
        else this.#fail(request.id, { code: 'busy', message: `a transaction held the database for ${this.#busyMs} ms; inside a transaction, use its own methods` })
      }
      this.#post()
      this.#watchClock()
    }, Math.max(0, due - performance.now()) + 1)
  }

  #heed(notice: Notice): void {
    switch (notice.notice) {
      case 'cancel': {
        const given = ({ request }: Task): boolean => request.id === notice.target
        if (this.#queue.some(given) || this.#blocked.some(given)) {
          this.#queue = this.#queue.filter((task) => !given(task))
          this.#blocked = this.#blocked.filter((task) => !given(task))
          this.#fail(notice.target, { code: 'aborted', message: 'the caller gave it up before it ran' })
          this.#post()
        }
        return
      }
      case 'release':
        this.#release(notice.cursor)
        return
      case 'seen': {
        const watch = this.#watches.get(notice.watch)
        if (watch !== undefined) watch.unseen = false
        return
      }
      case 'unwatch':
        this.#watches.delete(notice.watch)
        return
      default:
        return notice satisfies never
    }
  }

  #borrow(): Connection | typeof blocked {
    const idle = this.#readers.pop()
    if (idle === undefined && this.#lent >= readersMax) return blocked
    const reader = idle ?? this.#engine.connectReader()
    this.#lent += 1
    return reader
  }

  #giveBack(reader: Connection): void {
    this.#lent -= 1
    this.#readers.push(reader)
    this.#unblock()
  }

  /** The connection of a transaction's statement, or of one that stands alone. */
  #connection(transaction: number | undefined): Connection | typeof blocked {
    if (transaction === undefined) return this.#turn === undefined ? this.#writer : blocked
    const open = this.#transactions.get(transaction)
    // I2
    if (open === undefined || open.connection.autocommit()) throw new CofferError('aborted', 'the transaction is over: it was ended, or an earlier error rolled it back')
    return open.connection
  }

  // ---- what is asked

  #answer(call: Request): unknown {
    if (this.#closed) throw new CofferError('closed', 'the database is closed')
    switch (call.kind) {
      case 'open':
        throw new CofferError('closed', 'the worker has a database open already')
      case 'begin':
        return this.#begin(call)
      case 'end':
        this.#end(call)
        return undefined
      case 'iterate':
        return this.#iterate(call)
      case 'next':
        return this.#next(call.cursor, call.rows)
      case 'watch':
        return this.#watch(call)
      case 'close':
        // What was asked before is done first; a transaction that never ends is rolled back when its time is up.
        return this.#transactions.size > 0 || this.#blocked.length > 0 ? blocked : this.#close()
      case 'query': {
        const connection = this.#connection(call.transaction)
        if (connection !== blocked) return interruptible(call.flags, () => this.#query(connection, call))
        if (!reading.test(call.sql)) return blocked
        // Readers do not wait for the writer: they see what was committed before it.
        const reader = this.#borrow()
        if (reader === blocked) return blocked
        try {
          return interruptible(call.flags, () => this.#query(reader, call))
        } finally {
          this.#giveBack(reader)
        }
      }
      case 'exec':
      case 'run':
      case 'prepare':
      case 'batch': {
        const connection = this.#connection(call.transaction)
        return connection === blocked ? blocked : interruptible(call.flags, () => perform(connection, call))
      }
      default:
        return call satisfies never
    }
  }

  #query(connection: Connection, { id, sql, values, first }: Bound & { id: number; first?: boolean }): Uint8Array {
    const cursor = connection.open(sql, values)
    if (cursor === undefined) return noRows()
    try {
      if (first === true) return cursor.next(1, all)
      for (;;) {
        const rows = cursor.next(all, partBytes)
        if (!more(rows)) return rows
        this.#send([{ id, part: rows }], [rows.buffer])
      }
    } finally {
      cursor.free()
    }
  }

  #iterate({ id, sql, values, rows, transaction, flags }: Extract<Call, { kind: 'iterate' }> & { id: number }): Answers['iterate'] | typeof blocked {
    const connection = transaction === undefined ? this.#borrow() : this.#connection(transaction)
    if (connection === blocked) return blocked
    let open: Cursor | undefined
    try {
      open = interruptible(flags, () => connection.open(sql, values))
      if (open === undefined) throw new CofferError('sqlite', 'the statement has no rows to iterate')
      const cursor = open
      const chunk = interruptible(flags, () => cursor.next(rows, partBytes))
      this.#cursors.set(id, { cursor, connection, transaction })
      if (!more(chunk)) this.#release(id)
      return { cursor: id, rows: chunk }
    } catch (error) {
      open?.free()
      if (transaction === undefined) this.#giveBack(connection)
      throw error
    }
  }

  #next(id: number, rows: number): Uint8Array {
    const open = this.#cursors.get(id)
    if (open === undefined) throw new CofferError('aborted', 'the transaction of this iteration is over')
    try {
      const chunk = open.cursor.next(rows, partBytes)
      if (!more(chunk)) this.#release(id)
      return chunk
    } catch (error) {
      this.#release(id)
      throw error
    }
  }

  #release(id: number): void {
    const open = this.#cursors.get(id)
    if (open === undefined) return
    this.#cursors.delete(id)
    open.cursor.free()
    if (open.transaction === undefined) this.#giveBack(open.connection)
  }

  #begin({ transaction = 0, isolation, readonly }: Extract<Call, { kind: 'begin' }>): undefined | typeof blocked {
    if (!readonly && this.#turn !== undefined) return blocked
    const connection = readonly ? this.#borrow() : this.#writer
    if (connection === blocked) return blocked
    try {
      if (readonly) {
        connection.exec(`pragma isolation_level = '${isolation === 'read committed' ? isolation : 'serializable'}'`)
        // The read is what takes the snapshot.
        connection.exec(`begin; select 1 from ${schema}`)
      } else connection.exec('begin immediate')
    } catch (error) {
      if (readonly) this.#giveBack(connection)
      throw error
    }
    this.#transactions.set(transaction, { connection, writes: !readonly })
    if (!readonly) this.#turn = transaction
    return undefined
  }

  #end({ transaction = 0, commit }: Extract<Call, { kind: 'end' }>): void {
    const open = this.#transactions.get(transaction)
    if (open === undefined) throw new CofferError('aborted', 'the transaction is over')
    const { connection, writes } = open
    const gone = connection.autocommit()
    for (const [id, cursor] of this.#cursors) if (cursor.transaction === transaction) this.#release(id)
    try {
      if (!gone) connection.exec(commit ? 'commit' : 'rollback')
      else if (commit) throw new CofferError('aborted', 'an earlier error rolled the transaction back')
    } catch (error) {
      if (!connection.autocommit()) connection.exec('rollback')
      throw error
    } finally {
      this.#transactions.delete(transaction)
      if (writes) this.#turn = undefined
      else this.#giveBack(connection)
      this.#unblock()
    }
  }

  async #close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    clearTimeout(this.#timer)
    this.#watches.clear()
    for (const id of [...this.#cursors.keys()]) this.#release(id)
    for (const { connection } of this.#transactions.values()) if (!connection.autocommit()) connection.exec('rollback')
    for (const { connection, writes } of this.#transactions.values()) if (!writes) this.#readers.push(connection)
    this.#transactions.clear()
    for (const connection of [this.#writer, ...this.#readers]) connection.free()
    await this.#engine.close()
  }

  // ---- live queries

  #watch({ watch, sql, values }: Extract<Call, { kind: 'watch' }>): undefined | typeof blocked {
    const connection = this.#connection(undefined)
    if (connection === blocked) return blocked
    const { reads, readonly } = connection.prepare(sql) as StatementInfo & { reads: readonly string[] }
    if (!readonly) throw new CofferError('readonly', 'a live query must only read')
    this.#watches.set(watch, { sql, values, reads: new Set(reads), shown: undefined, dirty: true, unseen: false })
    return undefined
  }

  #changed(tables: readonly string[]): void {
    this.#out.push({ event: 'commit', tables })
    const everything = tables.includes(schema)
    for (const watch of this.#watches.values()) {
      if (everything) watch.reads = new Set()
      if (everything || watch.reads.size === 0 || tables.some((table) => watch.reads.has(table))) watch.dirty = true
    }
  }

  /** Runs the live queries again whose tables changed. */
  #refresh(): void {
    for (const [id, watch] of this.#watches) {
      if (!watch.dirty || watch.unseen) continue
      const connection = this.#turn === undefined ? this.#writer : this.#borrow()
      // It stays dirty, and whoever ends a transaction comes by here.
      if (connection === blocked) return
      watch.dirty = false
      try {
        if (watch.reads.size === 0) watch.reads = new Set((connection.prepare(watch.sql) as { reads: readonly string[] }).reads)
        const cursor = connection.open(watch.sql, watch.values)
        if (cursor === undefined) continue
        let rows
        try {
          rows = cursor.next(all, all)
        } finally {
          cursor.free()
        }
        const print = fingerprint(rows)
        if (print === watch.shown) continue
        watch.shown = print
        watch.unseen = true
        this.#transfer.push(rows.buffer)
        this.#out.push({ event: 'rows', watch: id, rows })
      } catch (error) {
        const problem = encodeError(error)
        if (problem.code === 'worker_lost') this.#out.push({ event: 'lost', message: problem.message })
        // Tried again when something it may read changes; what it shows by then is news even if it is what it showed before.
        watch.shown = undefined
        this.#out.push({ event: 'failed', watch: id, failure: problem })
      } finally {
        if (connection !== this.#writer) this.#giveBack(connection)
      }
    }
  }
}

/** Statements that readers take over while a transaction holds the writer. */
const reading = /^\s*(?:select|values|with|explain)\b/i

function more(rows: Uint8Array): boolean {
  return rows[12] === 1
}

/** A result without columns and rows. */
function noRows(): Uint8Array {
  const rows = new Uint8Array(13)
  rows[8] = rows.length
  return rows
}

function perform(connection: Connection, call: Extract<Call, { kind: 'exec' | 'run' | 'prepare' | 'batch' }>): Answers['exec' | 'run' | 'prepare' | 'batch'] {
  switch (call.kind) {
    case 'exec':
      connection.exec(call.sql)
      return undefined
    case 'run':
      return run(connection, call)
    case 'prepare': {
      const { columns, parameters, readonly } = connection.prepare(call.sql) as StatementInfo
      return { columns, parameters, readonly }
    }
    case 'batch':
      return batch(connection, call.items, call.goOn)
    default:
      return call satisfies never
  }
}

function run(connection: Connection, { sql, values }: Bound): RunResult {
  const changes = connection.run(sql, values)
  const rowid = connection.lastInsertRowid()
  const rounded = Number(rowid)
  return { changes, lastInsertRowid: Number.isSafeInteger(rounded) ? rounded : rowid }
}

/** All of it in one transaction, or in a savepoint of the one that is open. */
function batch(connection: Connection, items: readonly Bound[], goOn: boolean): Answers['batch'] {
  const alone = connection.autocommit()
  connection.exec(alone ? 'begin immediate' : 'savepoint coffer_batch')
  const done: (BatchItem | { readonly failure: Failure })[] = []
  let index = 0
  try {
    for (const item of items) {
      try {
        done.push(run(connection, item))
      } catch (error) {
        const problem = encodeError(error)
        // A statement that fails undoes itself alone, unless it undid everything (`or rollback`, a full disk, an interrupt).
        if (!goOn || connection.autocommit() || problem.code === 'worker_lost' || problem.code === 'not_ready') throw error
        done.push({ failure: problem })
      }
      index += 1
    }
    connection.exec(alone ? 'commit' : 'release coffer_batch')
    return done
  } catch (error) {
    if (!connection.autocommit()) connection.exec(alone ? 'rollback' : 'rollback to coffer_batch; release coffer_batch')
    const problem = encodeError(error)
    if (problem.code === 'worker_lost' || index >= items.length) throw error
    throw decodeError({ ...problem, detail: { index } })
  }
}
