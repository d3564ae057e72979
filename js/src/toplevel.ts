// What the package does besides opening, wherever an entry finds its parts.

import { CofferError } from './error.js'
import { backupPart, kit } from './kit.js'
import { administer, openFrom } from './opening.js'
import type { Source } from './opening.js'
import type { BackupSource, Inspected, PartsOptions, RestoreIntoOptions } from './types.js'
import type { Root } from './verbs.js'

export async function listFrom(source: Source, options: PartsOptions): Promise<string[]> {
  return [...((await administer(source, { do: 'list' }, options)) as readonly string[])]
}

export async function destroyFrom(source: Source, name: string, options: PartsOptions): Promise<void> {
  await administer(source, { do: 'destroy', name }, options)
}

export async function inspectFrom(source: Source, what: string | Blob, options: PartsOptions): Promise<Inspected> {
  const admin = typeof what === 'string' ? ({ do: 'inspect', name: what } as const) : ({ do: 'inspectFile', file: await (await backupPart()).blobOf(kit, what, options.signal) } as const)
  return shown((await administer(source, admin, options)) as Root)
}

export async function restoreFrom(source: Source, name: string, backup: BackupSource | readonly BackupSource[], options: RestoreIntoOptions): Promise<number> {
  const { onProgress, overwrite = false, ...rest } = options
  const { signal, wasm, worker } = options
  const { blobOf } = await backupPart()
  const files: Blob[] = []
  for (const one of Array.isArray(backup) ? (backup as readonly BackupSource[]) : [backup as BackupSource]) files.push(await blobOf(kit, one, signal))
  const [full] = files
  if (full === undefined) throw new TypeError('no backup was given')
  const parts: PartsOptions = { ...(signal && { signal }), ...(wasm !== undefined && { wasm }), ...(worker && { worker }) }
  const { pageSize, cipher, encrypted } = await inspectFrom(source, full, parts)
  const there = options.backend !== 'memory' && (await listFrom(source, parts)).includes(name)
  if (there && !overwrite) throw new CofferError('exists', `there is a database ${name}; choose another name, or say overwrite: true to replace what it holds`)
  const database = await openFrom(source, name, { ...rest, pageSize, ...(encrypted && cipher !== 'none' && rest.cipher === undefined && { cipher }) })
  let made = false
  try {
    const commit = await database.restore(files, { ...(signal && { signal }), ...(onProgress && { onProgress }), ...(options.key && { key: options.key }) })
    made = true
    return commit
  } finally {
    await database.close()
    // What was made for nothing is taken away again.
    if (!made && !there) await destroyFrom(source, name, { ...(wasm !== undefined && { wasm }), ...(worker && { worker }) }).catch(() => undefined)
  }
}

function shown({ formatVersion, pageSize, cipher, slots, backend }: Root): Inspected {
  return {
    formatVersion,
    pageSize,
    encrypted: slots.length > 0,
    cipher: cipher as Inspected['cipher'],
    slots: slots.map(({ slot, kind, parameters }) => ({ slot, kind: kind as Inspected['slots'][number]['kind'], ...(kind === 'external' && { wrapped: parameters }) })),
    backend: backend as Inspected['backend'],
  }
}
