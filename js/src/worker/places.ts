// Which place a database is in, or goes to: OPFS, then IndexedDB. Never memory, unless it is asked for by name.

import { CofferError } from '../error.js'
import { uniqueName } from '../names.js'
import { isFull } from './directory.js'
import type { Directory, Place } from './directory.js'
import { removed } from './idb.js'
import { IndexedDirectory, existsInIndexed, listIndexed, rootInIndexed } from './indexeddb.js'
import { MemoryDirectory } from './memory.js'
import { OpfsDirectory, hasOpfs, listOpfs, removeFromOpfs, rootInOpfs } from './opfs.js'

/** The folder of a database in the place asked for; undefined if it is not there and is not to be made. */
export async function findPlace(name: string, backend: Place | 'auto', create: boolean): Promise<Directory | undefined> {
  switch (backend) {
    case 'opfs':
      return inOpfs(name, create)
    case 'indexeddb':
      return inIndexed(name, create)
    case 'memory':
      return new MemoryDirectory()
    case 'auto':
      return anywhere(name, create)
  }
}

/**
 * Where it is; if it is nowhere, OPFS where that works. What is in OPFS while it is refused is not made anew in IndexedDB, empty: that would
 * look like a loss.
 */
async function anywhere(name: string, create: boolean): Promise<Directory | undefined> {
  if ((await seenInOpfs(name)) || ((await canUseOpfs()) && !(await existsInIndexed(name)))) return inOpfs(name, create)
  return inIndexed(name, create)
}

async function inOpfs(name: string, create: boolean): Promise<Directory | undefined> {
  if (!(await canUseOpfs())) throw new CofferError('unsupported', "this window has no OPFS with synchronous handles; reload it, or use 'indexeddb'")
  return OpfsDirectory.find(name, create)
}

async function inIndexed(name: string, create: boolean): Promise<Directory | undefined> {
  if (typeof indexedDB === 'undefined') throw new CofferError('unsupported', 'this browser or window has no IndexedDB')
  try {
    return await IndexedDirectory.find(name, create)
  } catch (error) {
    throw error instanceof CofferError ? error : unusable('IndexedDB', error)
  }
}

let usable = false

/** Asks for a handle, until it gets one: private windows and some engines have the methods, and refuse when they are called. */
async function canUseOpfs(): Promise<boolean> {
  return (usable ||= await probe())
}

/** Whether a database is in OPFS, where handles may be refused still. */
async function seenInOpfs(name: string): Promise<boolean> {
  return hasOpfs() && (await rootInOpfs(name).catch(() => undefined)) !== undefined
}

async function probe(): Promise<boolean> {
  if (!hasOpfs()) return false
  const name = `coffer-probe-${uniqueName()}`
  try {
    const root = await navigator.storage.getDirectory()
    const file = await root.getFileHandle(name, { create: true })
    try {
      const handle = await file.createSyncAccessHandle()
      handle.close()
      return true
    } finally {
      await root.removeEntry(name)
    }
  } catch (error) {
    // A full disk is no reason to look for a database elsewhere.
    return isFull(error)
  }
}

function unusable(what: string, cause: unknown): CofferError {
  return new CofferError('unsupported', `this window cannot use ${what} (${String(cause)}); allow site data`, { cause })
}

/** The bytes of a database's root, read without its lock, and where it is; undefined if it is not there. */
export async function findRoot(name: string, backend: string): Promise<{ manifest: Blob; place: Place } | undefined> {
  const found = backend === 'indexeddb' || !hasOpfs() ? undefined : rootInOpfs(name)
  let manifest = await found?.catch(() => undefined)
  if (manifest !== undefined) return { manifest, place: 'opfs' }
  if (backend !== 'opfs' && typeof indexedDB !== 'undefined') manifest = await rootInIndexed(name)
  if (manifest !== undefined) return { manifest, place: 'indexeddb' }
  // Where there is OPFS, one that cannot be read is not one that is not there: whoever has its key would make a new one.
  if (found !== undefined && (await canUseOpfs())) await found
  return undefined
}

/** The names of all databases of this origin. */
export async function listPlaces(): Promise<string[]> {
  const [files, indexed] = await Promise.all([hasOpfs() ? listOpfs().catch(() => []) : [], listIndexed().catch(() => [])])
  return [...new Set([...files, ...indexed])].sort()
}

/** Removes a database from wherever it is. */
export async function removeFromPlaces(name: string): Promise<void> {
  if ((await seenInOpfs(name)) || (await canUseOpfs())) await removeFromOpfs(name)
  if (typeof indexedDB !== 'undefined') await removed(name)
}
