// What the package does besides opening, wherever an entry finds its parts.

import { checkLong, checkOpening, must, mustBe, mustBeSignal } from './check.js'
import { backupPart, kit } from './kit.js'
import { administer, openFrom } from './opening.js'
import type { Source } from './opening.js'
import type { BackupSource, Inspected, PartsOptions, RestoreIntoOptions } from './types.js'

export function listFrom(source: Source, options: PartsOptions): Promise<string[]> {
  mustBeSignal(options.signal)
  return administer(source, { do: 'list' }, options) as Promise<string[]>
}

export function destroyFrom(source: Source, name: string, options: PartsOptions): Promise<void> {
  mustBeSignal(options.signal)
  mustBe('string', { name })
  return administer(source, { do: 'destroy', name }, options) as Promise<undefined>
}

export function inspectFrom(source: Source, what: string | Blob, options: PartsOptions): Promise<Inspected> {
  mustBeSignal(options.signal)
  must(typeof what === 'string' || what instanceof Blob, 'inspect takes the name of a database, or a Blob')
  return backupPart().then(({ inspected }) => inspected(wider, source, what, options))
}

export function restoreFrom(source: Source, name: string, backup: BackupSource | readonly BackupSource[], options: RestoreIntoOptions): Promise<number> {
  checkOpening(name, options)
  checkLong(options)
  return backupPart().then(({ restored }) => restored(wider, source, name, backup, options))
}

const wider = { ...kit, administer, openFrom }
