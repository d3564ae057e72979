// A Blob as a file that the engine reads. Only a worker can read one without waiting.

import { CofferError } from '../error.js'
import type { SyncFile } from './directory.js'

/** Asking for bytes costs far more than moving them. */
const windowBytes = 1 << 20

/** The bytes of a Blob, to be read only. */
export class BlobFile implements SyncFile {
  readonly #blob: Blob
  readonly #reader = new FileReaderSync()
  #window: Uint8Array = new Uint8Array()
  #start = 0

  constructor(blob: Blob) {
    this.#blob = blob
  }

  read(out: Uint8Array, at: number): number {
    let done = 0
    while (done < out.length) {
      const inside = at + done - this.#start
      if (inside < 0 || inside >= this.#window.length) {
        const start = at + done
        this.#window = this.#fetch(start, Math.max(windowBytes, out.length - done))
        this.#start = start
        if (this.#window.length === 0) break
        continue
      }
      const part = this.#window.subarray(inside, inside + out.length - done)
      out.set(part, done)
      done += part.length
    }
    return done
  }

  write(): number {
    throw new CofferError('readonly', 'a file that was handed over is only read')
  }

  truncate(): void {
    this.write()
  }

  flush(): void {
    // Nothing was written.
  }

  size(): number {
    return this.#blob.size
  }

  #fetch(start: number, count: number): Uint8Array {
    try {
      return new Uint8Array(this.#reader.readAsArrayBuffer(this.#blob.slice(start, start + count)))
    } catch (cause) {
      throw new CofferError('io', `the file that was handed over cannot be read (${String(cause)}); has it changed?`, { cause })
    }
  }
}
