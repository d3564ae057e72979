// What the parts of the page's side that are files of their own share with it.

import type { Kit } from './backup.js'
import { ask, carry, heed, tell } from './chores.js'
import { CofferError } from './error.js'
import type { KeyKit } from './keyring.js'
import { plainOf, plainOfNew, secretOf } from './keys.js'
import { transact } from './transaction.js'

export const kit: Kit & KeyKit = { ask, carry, CofferError, heed, plainOf, plainOfNew, secretOf, tell, transact }

/** How backups are written and read, once it is needed. */
export function backupPart(): Promise<typeof import('./backup.js')> {
  return loaded(import('./backup.js'))
}

/** What is loaded when it is used may not be had then. */
export function loaded<T>(part: Promise<T>): Promise<T> {
  return part.catch((cause: unknown) => {
    throw new CofferError('io', `a part of the package could not be loaded: ${String(cause)}`, { cause })
  })
}
