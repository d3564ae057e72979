// Which place a database is in, or goes to: OPFS, then IndexedDB. Never memory, unless it is asked for by name.

import { CofferError } from '../error.js'
import { uniqueName } from '../names.js'
import { errorName } from './directory.js'
import type { Directory, Place } from './directory.js'
import { IndexedDirectory, existsInIndexed, listIndexed, removeFromIndexed, rootInIndexed } from './indexeddb.js'
import { MemoryDirectory } from './memory.js'
import { OpfsDirectory, existsInOpfs, hasOpfs, listOpfs, removeFromOpfs, rootInOpfs } from './opfs.js'

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

/** OPFS where it works, unless the database is in IndexedDB already: made there while OPFS was not to be had. */
async function anywhere(name: string, create: boolean): Promise<Directory | undefined> {
  let refusal: unknown
  try {
    const found = (await canUseOpfs()) ? await OpfsDirectory.find(name, false) : undefined
    if (found !== undefined && (await existsInOpfs(name))) return found
    if (await canUseOpfs()) return (await existsInIndexed(name)) ? await inIndexed(name, create) : await OpfsDirectory.find(name, create)
  } catch (error) {
    if (error instanceof CofferError) throw error
    refusal = error
  }
  try {
    return await inIndexed(name, create)
  } catch (error) {
    throw refusal === undefined ? error : unusable('OPFS nor IndexedDB', refusal)
  }
}

async function inOpfs(name: string, create: boolean): Promise<Directory | undefined> {
  if (!(await canUseOpfs())) throw new CofferError('unsupported', "this browser or window has no OPFS with synchronous handles; use 'indexeddb' or 'auto'")
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

let opfs: Promise<boolean> | undefined

/** Asks for a handle once: private windows and some engines have the methods, and refuse when they are called. */
function canUseOpfs(): Promise<boolean> {
  opfs ??= probe()
  return opfs
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
    if (errorName(error) === 'QuotaExceededError') return true
    return false
  }
}

function unusable(what: string, cause: unknown): CofferError {
  return new CofferError('unsupported', `this window cannot use ${what} (${String(cause)}); allow site data`, { cause })
}

/** The bytes of a database's root, read without its lock, and where it is; undefined if it is not there. */
export async function findRoot(name: string, backend: string): Promise<{ manifest: Blob; place: Place } | undefined> {
  if (backend !== 'indexeddb' && hasOpfs()) {
    const manifest = await rootInOpfs(name).catch(() => undefined)
    if (manifest !== undefined) return { manifest, place: 'opfs' }
  }
  if (backend === 'opfs' || typeof indexedDB === 'undefined') return undefined
  const manifest = await rootInIndexed(name)
  return manifest === undefined ? undefined : { manifest, place: 'indexeddb' }
}

/** The names of all databases of this origin. */
export async function listPlaces(): Promise<string[]> {
  const [files, indexed] = await Promise.all([hasOpfs() ? listOpfs().catch(() => []) : [], listIndexed().catch(() => [])])
  return [...new Set([...files, ...indexed])].sort()
}

/** Removes a database from wherever it is. */
export async function removeFromPlaces(name: string): Promise<void> {
  if (await canUseOpfs()) await removeFromOpfs(name)
  if (typeof indexedDB !== 'undefined') await removeFromIndexed(name)
}
