// Files in plain memory, in chunks: the `memory` place, and what the IndexedDB place reads from and writes through.
//
// They are JavaScript's memory and not wasm's, which never shrinks.
//
// I1  Bytes of a chunk behind the end of the file are zeros, so a file that grows again shows none of what was cut off.

import { isEngineFile } from './directory.js'
import type { Directory, OpenFile } from './directory.js'

/** One record of IndexedDB, too: a commit rewrites the last one, and 64 KiB made commits twice as slow in Firefox. */
export const chunkBytes: number = 16 * 1024

/** Hears which parts of a file changed. */
export interface Watcher {
  /** Throws if nothing may change any more. */
  check(): void
  changed(file: MemoryFile, first: number, last: number): void
  resized(file: MemoryFile): void
}

/** A file in memory. */
export class MemoryFile implements OpenFile {
  readonly name: string
  readonly #chunks: (Uint8Array<ArrayBuffer> | undefined)[] = []
  readonly #watcher: Watcher | undefined
  #length = 0

  constructor(name: string, watcher?: Watcher) {
    this.name = name
    this.#watcher = watcher
  }

  /** A chunk as it is, for who keeps a copy elsewhere. A gap that was never written has none. */
  chunk(index: number): Uint8Array<ArrayBuffer> | undefined {
    return this.#chunks[index]
  }

  /** Puts back what was kept elsewhere. */
  restore(length: number, chunks: Iterable<readonly [index: number, bytes: Uint8Array<ArrayBuffer>]>): void {
    this.#length = length
    this.#chunks.length = 0
    for (const [index, bytes] of chunks) this.#chunks[index] = bytes
  }

  /** Takes what another file holds, which is not used any more. */
  become(other: MemoryFile): void {
    this.restore(other.#length, other.#chunks.flatMap((bytes, index) => (bytes === undefined ? [] : [[index, bytes] as const])))
  }

  read(out: Uint8Array, at: number): number {
    const wanted = Math.max(0, Math.min(out.length, this.#length - at))
    for (let done = 0; done < wanted; ) {
      const inside = (at + done) % chunkBytes
      const count = Math.min(wanted - done, chunkBytes - inside)
      const chunk = this.#chunks[Math.floor((at + done) / chunkBytes)]
      if (chunk === undefined) out.fill(0, done, done + count)
      else out.set(chunk.subarray(inside, inside + count), done)
      done += count
    }
    return wanted
  }

  write(data: Uint8Array, at: number): number {
    this.#watcher?.check()
    for (let done = 0; done < data.length; ) {
      const index = Math.floor((at + done) / chunkBytes)
      const inside = (at + done) % chunkBytes
      const count = Math.min(data.length - done, chunkBytes - inside)
      const chunk = (this.#chunks[index] ??= new Uint8Array(chunkBytes))
      chunk.set(data.subarray(done, done + count), inside)
      done += count
    }
    this.#watcher?.changed(this, Math.floor(at / chunkBytes), Math.floor((at + data.length - 1) / chunkBytes))
    if (at + data.length > this.#length) {
      this.#length = at + data.length
      this.#watcher?.resized(this)
    }
    return data.length
  }

  truncate(length: number): void {
    this.#watcher?.check()
    const kept = Math.ceil(length / chunkBytes)
    if (length < this.#length) {
      this.#chunks.length = Math.min(this.#chunks.length, kept)
      const tail = length % chunkBytes
      const last = tail === 0 ? undefined : this.#chunks[kept - 1]
      if (last !== undefined) {
        last.fill(0, tail) // I1
        this.#watcher?.changed(this, kept - 1, kept - 1)
      }
    }
    this.#length = length
    this.#watcher?.resized(this)
  }

  flush(): void {
    // Memory holds what it was given; whoever copies it elsewhere says when that is done (Directory.settle).
  }

  size(): number {
    return this.#length
  }

  close(): void {
    // The file lives as long as its directory.
  }
}

/** Files that die with the worker. */
export class MemoryDirectory implements Directory {
  readonly place = 'memory'
  readonly clusterBytes = 0
  readonly #files = new Map<string, MemoryFile>()

  list(): Promise<string[]> {
    return Promise.resolve([...this.#files.keys()].filter(isEngineFile))
  }

  open(name: string): Promise<OpenFile> {
    let file = this.#files.get(name)
    if (file === undefined) this.#files.set(name, (file = new MemoryFile(name)))
    return Promise.resolve(file)
  }

  remove(name: string): Promise<void> {
    this.#files.delete(name)
    return Promise.resolve()
  }

  settle(): undefined {
    return undefined
  }

  close(): Promise<void> {
    this.#files.clear()
    return Promise.resolve()
  }
}
