// Files in the Origin Private File System, through synchronous access handles. Only a dedicated worker has those.
//
// I1  Nothing is held after a failed opening: a handle that arrives too late is closed as it arrives.
// I2  What another's handle is in the way of is tried again for 3 s and a little: a worker killed inside wasm keeps its own for 2 s.

import { errorName, inUse, isEngineFile, isFull, noRoom } from './directory.js'
import type { Directory, OpenFile } from './directory.js'

/** All databases of an origin are folders of this one. */
const folder = 'coffer'

/** How long what is held is tried for. */
const retryMs = 3500

/** What says so: in Chromium and Firefox, in Safari, and of what was written between looking and reading. */
const held = ['NoModificationAllowedError', 'InvalidStateError', 'NotReadableError']

/** A folder of OPFS as the files of one database. */
export class OpfsDirectory implements Directory {
  readonly place = 'opfs'
  #clusterBytes = 0
  #measured = false
  readonly #folder: FileSystemDirectoryHandle

  private constructor(folder: FileSystemDirectoryHandle) {
    this.#folder = folder
  }

  /** The folder of a database; undefined if it is not there and is not to be made. */
  static async find(name: string, create: boolean): Promise<OpfsDirectory | undefined> {
    const found = await folderOf(name, create)
    return found && new OpfsDirectory(found)
  }

  get clusterBytes(): number {
    return this.#clusterBytes
  }

  async list(): Promise<string[]> {
    const names: string[] = []
    for await (const [name, entry] of this.#folder.entries()) if (entry.kind === 'file' && isEngineFile(name)) names.push(name)
    return names
  }

  async open(name: string): Promise<OpenFile> {
    const file = this.#folder.getFileHandle(name, { create: true })
    const handle = await file.then((file) => patiently(name, () => file.createSyncAccessHandle())).catch(full)
    try {
      this.#measure(handle)
    } catch (error) {
      handle.close()
      throw error
    }
    return new OpfsFile(handle)
  }

  remove(name: string): Promise<void> {
    return removed(this.#folder, name, name)
  }

  settle(): undefined {
    return undefined
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  /** In some browsers, and in private windows, any call costs what moving 64 KiB costs; then fewer and larger ones are better. */
  #measure(handle: FileSystemSyncAccessHandle): void {
    if (this.#measured) return
    this.#measured = true
    // So many that a clock which is only as fine as 1 ms (Firefox) shows them where they are dear, and anew where something else took the time.
    const calls = 100
    const dearMs = 0.015
    for (let attempt = 0; attempt < 2; attempt += 1) {
      const start = performance.now()
      const isDear = (): boolean => performance.now() - start > calls * dearMs
      // Where they are, opening does not wait for the rest of them.
      for (let call = 0; call < calls && !(call % 10 === 0 && isDear()); call += 1) handle.getSize()
      if (!isDear()) return
    }
    this.#clusterBytes = 64 * 1024
  }
}

/** Whether this worker can have synchronous handles at all. Some browsers say so only when one is asked for. */
export function hasOpfs(): boolean {
  return typeof FileSystemFileHandle === 'function' && 'createSyncAccessHandle' in FileSystemFileHandle.prototype && 'storage' in navigator && 'getDirectory' in navigator.storage
}

/** Names of the databases that are in OPFS. */
export async function listOpfs(): Promise<string[]> {
  const all = await databases(false)
  const names: string[] = []
  if (all === undefined) return names
  for await (const [name, entry] of all.entries()) {
    if (entry.kind === 'directory' && (await rootOf(entry)) !== undefined) names.push(decodeURIComponent(name))
  }
  return names
}

/** The root of a database, read beside whoever has it open. */
export async function rootInOpfs(name: string): Promise<Blob | undefined> {
  const found = await folderOf(name, false)
  return found && patiently(name, async () => {
    const file = await rootOf(found)
    // Here, since it may change between looking and reading.
    return file && new Blob([await file.arrayBuffer()])
  })
}

/** Removes a database and all its files. */
export async function removeFromOpfs(name: string): Promise<void> {
  const all = await databases(false)
  if (all !== undefined) await removed(all, folderName(name), name)
}

/** Removes an entry, if it is there. */
async function removed(parent: FileSystemDirectoryHandle, entry: string, name: string): Promise<void> {
  await patiently(name, () => parent.removeEntry(entry, { recursive: true })).catch(missing)
}

/** The root, if there is one; one of no bytes was made ready and never used. */
async function rootOf(directory: FileSystemDirectoryHandle): Promise<File | undefined> {
  const file = await directory.getFileHandle('manifest').then((manifest) => manifest.getFile()).catch(missing)
  return file?.size === 0 ? undefined : file
}

/** Ends a look for what is not there. */
function missing(error: unknown): undefined {
  if (errorName(error) !== 'NotFoundError') throw error
}

/** Any text as the name of a folder: a name that is all dots, or has a slash in it, is not allowed as it is. */
function folderName(name: string): string {
  return encodeURIComponent(name).replaceAll('.', '%2E')
}

async function folderOf(name: string, create: boolean): Promise<FileSystemDirectoryHandle | undefined> {
  const all = await databases(create)
  return all && child(all, folderName(name), create)
}

async function databases(create: boolean): Promise<FileSystemDirectoryHandle | undefined> {
  return child(await navigator.storage.getDirectory(), folder, create)
}

function child(parent: FileSystemDirectoryHandle, name: string, create: boolean): Promise<FileSystemDirectoryHandle | undefined> {
  const found = parent.getDirectoryHandle(name, { create })
  return create ? found : found.catch(missing)
}

/** Does what may fail while somebody else has a handle, until it does not (I2). */
async function patiently<T>(name: string, attempt: () => Promise<T>): Promise<T> {
  const until = performance.now() + retryMs
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (!held.includes(errorName(error))) throw error
      if (performance.now() > until) throw inUse(name, error)
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  }
}

/** Ends an attempt to make a file for which there is no room. */
function full(cause: unknown): never {
  if (isFull(cause)) throw noRoom(cause)
  throw cause
}

class OpfsFile implements OpenFile {
  readonly #handle: FileSystemSyncAccessHandle

  constructor(handle: FileSystemSyncAccessHandle) {
    this.#handle = handle
  }

  read(out: Uint8Array<ArrayBuffer>, at: number): number {
    return this.#handle.read(out, { at })
  }

  write(data: Uint8Array<ArrayBuffer>, at: number): number {
    return this.#handle.write(data, { at })
  }

  truncate(length: number): void {
    this.#handle.truncate(length)
  }

  flush(): void {
    this.#handle.flush()
  }

  size(): number {
    return this.#handle.getSize()
  }

  close(): void {
    this.#handle.close()
  }
}
