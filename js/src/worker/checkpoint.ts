// The checkpoint worker: folds, merges and learns for a database worker, so that this one can go on committing.
//
// It has no database. A job comes as bytes, the sources of the job as ranges that it asks for, a few at a time; the new file it writes and
// closes itself (OPFS), or sends back as it is made.
//
// I1  It keeps no file open but the one that it is making, and that one only while it is at it. It removes none: whoever gave the job does.
// I2  When its owner is gone, it goes.
// I3  Between two steps it hears messages. A step is some milliseconds; only learning takes a second, and then no file is open.
// I4  When its engine traps it says so, and what trapped is not called again. It goes when that was heard: its lock, which says less, must not
//     be free before.

import { Task, initSync } from '../../wasm/coffer_web.js'
import type { SyncFile } from '../../wasm/coffer_web.js'
import { CofferError, encodeError } from '../error.js'
import type { FromHelper, ToHelper } from '../errands.js'
import { uniqueName } from '../names.js'
import type { OpenFile } from './directory.js'
import { OpfsDirectory } from './opfs.js'
import { Turns } from './turns.js'

/** Bytes of records that are fetched for a stretch of pages. Two stretches are in memory, and one is on its way. */
const windowBytes = 4 * 1024 * 1024

/** One message brings this much at most, so that the sender's other work is not held up. */
const pieceBytes = 1024 * 1024

/** Bytes of pages that a step rewrites. */
const stepBytes = 1024 * 1024

type Errand = Extract<ToHelper, { kind: 'job' }>

/** How often it says that it is here, until it is told to begin. */
const hereMs = 200

/** Serves until its owner is gone or done with it. */
export function serve(port: MessagePort): void {
  const helper = new CheckpointWorker(port)
  const life = `coffer/helper/${uniqueName()}`
  let again: ReturnType<typeof setInterval> | undefined
  port.onmessage = ({ data }: MessageEvent<ToHelper>): void => {
    clearInterval(again)
    helper.heed(data)
  }
  void navigator.locks.request(life, () => {
    // Only now: the owner asks for the lock when it hears this, and having it would mean that this worker is gone.
    const say = (): void => port.postMessage({ kind: 'here', life } satisfies FromHelper)
    again = setInterval(say, hereMs)
    say()
    return new Promise(() => undefined)
  })
}

class CheckpointWorker {
  readonly #port: MessagePort
  readonly #fetches = new Map<number, (bytes: Uint8Array) => void>()
  readonly #turns = new Turns()
  #memory: WebAssembly.Memory | undefined
  #output: OpenFile | undefined
  #stopping = false
  #busy = false
  #last = 0

  constructor(port: MessagePort) {
    this.#port = port
  }

  heed(message: ToHelper): void {
    switch (message.kind) {
      case 'begin':
        return this.#begin(message)
      case 'job':
        this.#busy = true
        void this.#run(message).then((answer) => {
          this.#busy = false
          this.#stopping = false
          this.#send(answer, answer.kind === 'done' ? [answer.done.buffer] : [])
        })
        return
      case 'fetched': {
        const waiting = this.#fetches.get(message.fetch)
        this.#fetches.delete(message.fetch)
        return waiting?.(message.bytes)
      }
      case 'stop':
        // What is running says so itself, once it has stopped.
        if (this.#busy) this.#stopping = true
        else this.#send({ kind: 'stopped' })
        return
      case 'end':
        return this.#end()
      default:
        return message satisfies never
    }
  }

  #begin({ module, owner }: Extract<ToHelper, { kind: 'begin' }>): void {
    // It may have said twice that it is here.
    if (this.#memory !== undefined) return
    this.#memory = initSync({ module }).memory
    void navigator.locks.request(owner, () => this.#end()) // I2
    this.#send({ kind: 'ready' })
  }

  async #run(errand: Errand): Promise<FromHelper> {
    let task: Task | undefined
    try {
      const output = await this.#open(errand)
      task = new Task(errand.job, output)
      errand.job.fill(0)
      await this.#work(task)
      const finished = task
      task = undefined
      const done = finished.finish()
      return { kind: 'done', done, heapBytes: this.#memory?.buffer.byteLength ?? 0 }
    } catch (error) {
      errand.job.fill(0)
      const failure = encodeError(error)
      if (failure.code === 'worker_lost') task = undefined // I4
      else if (this.#stopping) return { kind: 'stopped' }
      return { kind: 'failed', failure }
    } finally {
      task?.free()
      this.#fetches.clear()
      this.#close()
    }
  }

  async #open({ folder, target }: Errand): Promise<SyncFile> {
    if (folder === undefined) return new Returned((bytes, at) => this.#send({ kind: 'write', bytes, at }, [bytes.buffer]))
    const directory = await OpfsDirectory.find(folder, false)
    const file = await directory?.open(target)
    if (file === undefined) throw new CofferError('not_found', `${folder} is gone`)
    this.#output = file
    if (file.size() > 0) file.truncate(0)
    return file
  }

  /** Rewrites all pages: while those of one stretch are worked at, the next is on its way. */
  async #work(task: Task): Promise<void> {
    let next = this.#fetchWindow(task)
    for (;;) {
      const pieces = await next
      for (const { source, at, bytes } of pieces) task.supply(source, at, bytes)
      task.ready()
      next = this.#fetchWindow(task)
      for (;;) {
        if (this.#stopping) throw new CofferError('aborted', 'the job was given up')
        if (task.step(stepBytes)) return
        if (task.lacks()) break
        await this.#turns.next() // I3
      }
    }
  }

  #fetchWindow(task: Task): Promise<readonly Piece[]> {
    const wanted = task.wanted(windowBytes)
    const ranges: Promise<Piece>[] = []
    for (let at = 0; at < wanted.length; at += 3) ranges.push(this.#fetchRange(wanted[at] ?? 0, wanted[at + 1] ?? 0, wanted[at + 2] ?? 0))
    return Promise.all(ranges)
  }

  async #fetchRange(source: number, at: number, length: number): Promise<Piece> {
    const parts: Promise<Uint8Array>[] = []
    for (let done = 0; done < length; done += pieceBytes) parts.push(this.#fetch(source, at + done, Math.min(pieceBytes, length - done)))
    const [first = new Uint8Array(), ...more] = await Promise.all(parts)
    if (more.length === 0) return { source, at, bytes: first }
    const bytes = new Uint8Array(length)
    let end = 0
    for (const part of [first, ...more]) {
      bytes.set(part, end)
      end += part.length
    }
    return { source, at, bytes }
  }

  #fetch(source: number, at: number, length: number): Promise<Uint8Array> {
    return new Promise((resolve) => {
      const fetch = ++this.#last
      this.#fetches.set(fetch, resolve)
      this.#send({ kind: 'fetch', fetch, source, at, length })
    })
  }

  #close(): void {
    this.#output?.close()
    this.#output = undefined
  }

  #end(): void {
    this.#close()
    this.#port.close()
    self.close()
  }

  #send(message: FromHelper, transfer: Transferable[] = []): void {
    this.#port.postMessage(message, transfer)
  }
}

interface Piece {
  readonly source: number
  readonly at: number
  readonly bytes: Uint8Array
}

/** A file that is sent back as it is written. */
class Returned implements SyncFile {
  readonly #send: (bytes: Uint8Array, at: number) => void

  constructor(send: (bytes: Uint8Array, at: number) => void) {
    this.#send = send
  }

  write(data: Uint8Array, at: number): number {
    // A copy: `data` lies in wasm's memory.
    this.#send(data.slice(), at)
    return data.length
  }

  read(): number {
    return 0
  }

  truncate(): void {
    // Nothing of it is kept here.
  }

  flush(): void {
    // Whoever gets it keeps it.
  }

  size(): number {
    return 0
  }
}
