// Files in the Origin Private File System, through synchronous access handles. Only a dedicated worker has those.
//
// I1  Nothing is held after a failed opening: a handle that arrives too late is closed as it arrives.
// I2  A handle that somebody else holds is asked for again for 3 s and a little: a worker killed inside wasm keeps its own for 2 s.

import { CofferError } from '../error.js'
import { errorName, isEngineFile } from './directory.js'
import type { Directory, OpenFile } from './directory.js'

/** All databases of an origin are folders of this one. */
const folder = 'coffer'

/** How long a held handle is asked for. */
export const retryMs = 3500

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
    const all = await databases(create)
    if (all === undefined) return undefined
    const found = await child(all, folderName(name), create)
    return found === undefined ? undefined : new OpfsDirectory(found)
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
    const file = await this.#folder.getFileHandle(name, { create: true }).catch(full)
    const handle = await held(file).catch(full)
    try {
      this.#measure(handle)
    } catch (error) {
      handle.close()
      throw error
    }
    return new OpfsFile(handle)
  }

  async remove(name: string): Promise<void> {
    const until = performance.now() + retryMs
    for (;;) {
      try {
        await this.#folder.removeEntry(name)
        return
      } catch (error) {
        if (errorName(error) === 'NotFoundError') return
        // A worker that was ended a moment ago may have it open still.
        if (!isHeld(error) || performance.now() > until) throw error
        await pause(25)
      }
    }
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
    if (entry.kind === 'directory' && (await hasRoot(entry))) names.push(decodeURIComponent(name))
  }
  return names
}

/** Whether there is a database of this name in OPFS. */
export async function existsInOpfs(name: string): Promise<boolean> {
  const all = await databases(false)
  const found = all === undefined ? undefined : await child(all, folderName(name), false)
  return found !== undefined && (await hasRoot(found))
}

/** The root of a database, read beside whoever has it open. */
export async function rootInOpfs(name: string): Promise<Blob | undefined> {
  const all = await databases(false)
  const found = all === undefined ? undefined : await child(all, folderName(name), false)
  if (found === undefined || !(await hasRoot(found))) return undefined
  return (await found.getFileHandle('manifest')).getFile()
}

/** Removes a database and all its files. */
export async function removeFromOpfs(name: string): Promise<void> {
  const all = await databases(false)
  if (all === undefined) return
  const until = performance.now() + retryMs
  for (;;) {
    try {
      await all.removeEntry(folderName(name), { recursive: true })
      return
    } catch (error) {
      if (errorName(error) === 'NotFoundError') return
      if (!isHeld(error) || performance.now() > until) throw isHeld(error) ? heldElsewhere(name, error) : error
      await pause(50)
    }
  }
}

/** A root of no bytes was made ready and never used. */
async function hasRoot(directory: FileSystemDirectoryHandle): Promise<boolean> {
  try {
    const manifest = await directory.getFileHandle('manifest')
    return (await manifest.getFile()).size > 0
  } catch (error) {
    if (errorName(error) === 'NotFoundError') return false
    throw error
  }
}

/** Any text as the name of a folder: a name that is all dots, or has a slash in it, is not allowed as it is. */
function folderName(name: string): string {
  return encodeURIComponent(name).replaceAll('.', '%2E')
}

async function databases(create: boolean): Promise<FileSystemDirectoryHandle | undefined> {
  return child(await navigator.storage.getDirectory(), folder, create)
}

async function child(parent: FileSystemDirectoryHandle, name: string, create: boolean): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return await parent.getDirectoryHandle(name, { create })
  } catch (error) {
    if (!create && errorName(error) === 'NotFoundError') return undefined
    throw error
  }
}

/** A synchronous handle, waited for while somebody else has it (I2). */
async function held(file: FileSystemFileHandle): Promise<FileSystemSyncAccessHandle> {
  const until = performance.now() + retryMs
  for (;;) {
    try {
      return await file.createSyncAccessHandle()
    } catch (error) {
      if (!isHeld(error)) throw error
      if (performance.now() > until) throw heldElsewhere(file.name, error)
      await pause(25)
    }
  }
}

/** The first name is Chromium's and Firefox's, the second Safari's. */
function isHeld(error: unknown): boolean {
  const name = errorName(error)
  return name === 'NoModificationAllowedError' || name === 'InvalidStateError'
}

/** Ends an attempt to make a file for which there is no room. */
function full(cause: unknown): never {
  if (errorName(cause) !== 'QuotaExceededError') throw cause
  throw new CofferError('quota', 'there is no room left for this site; free some and try again', { cause })
}

function heldElsewhere(name: string, cause: unknown): CofferError {
  return new CofferError('locked_elsewhere', `${name} is in use by another tab or worker; close the database there and try again`, { cause })
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
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
