// The right to use a database's files: a Web Lock, held by one worker of the origin at a time.
//
// I1  The lock is the browser's: it is free again the moment its worker is gone, however it went.

import { CofferError } from '../error.js'
import { lockName } from '../names.js'
import { errorName, inUse } from './directory.js'

/** Takes the lock of a database, waiting at most so long, and gives what frees it. */
export async function takeLock(name: string, waitMs: number): Promise<() => void> {
  requireLocks()
  const giveUp = new AbortController()
  const timer = setTimeout(() => giveUp.abort(), waitMs)
  try {
    return await new Promise<() => void>((resolve, reject) => {
      const hold = (): Promise<void> => new Promise((free) => resolve(free))
      navigator.locks.request(lockName(name), { signal: giveUp.signal }, hold).catch(reject)
    })
  } catch (error) {
    if (errorName(error) !== 'AbortError') throw error
    throw inUse(name)
  } finally {
    clearTimeout(timer)
  }
}

/** Without locks (an insecure page) two tabs could write over each other, and nothing would tell. */
export function requireLocks(): void {
  if (!('locks' in navigator)) throw new CofferError('unsupported', 'storage needs a secure page: serve it over https, or from localhost')
}
