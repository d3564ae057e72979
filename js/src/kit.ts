// What the parts of the page's side that are files of their own share with it.

import type { Kit } from './backup.js'
import { ask, carry } from './chores.js'
import { CofferError } from './error.js'
import { plainOf, secretOf } from './keys.js'
import { transact } from './transaction.js'

export const kit: Kit = { ask, carry, CofferError, plainOf, secretOf, transact }

/** How backups are written and read, once it is needed. */
export function backupPart(): Promise<typeof import('./backup.js')> {
  return import('./backup.js')
}
