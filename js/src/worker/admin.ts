// What is asked of a worker that has no database open: which there are, what one is, and away with one.

import { Files, inspect } from '../../wasm/coffer_web.js'
import { CofferError } from '../error.js'
import type { Admin, AdminAnswer, Root } from '../verbs.js'
import { BlobFile } from './blob.js'
import { destroy, list } from './keeper.js'
import { MemoryFile } from './memory.js'
import { findRoot } from './places.js'

export async function administer(call: Admin): Promise<AdminAnswer> {
  switch (call.do) {
    case 'list':
      return list()
    case 'destroy':
      await destroy(call.name)
      return undefined
    case 'inspect': {
      const found = await findRoot(call.name, call.backend ?? 'auto')
      if (found === undefined) throw new CofferError('not_found', `there is no database ${call.name}`)
      return inspected(found.manifest, found.place, 'manifest')
    }
    case 'inspectFile':
      return inspected(call.file, 'file', undefined)
    default:
      return call satisfies never
  }
}

async function inspected(blob: Blob, backend: string, root: 'manifest' | undefined): Promise<Root> {
  const files = new Files()
  const name = root ?? 'backup'
  if (root === undefined) files.put(name, new BlobFile(blob))
  else {
    // It is small, and a window cannot read a Blob without waiting.
    const file = new MemoryFile(name)
    file.write(new Uint8Array(await blob.arrayBuffer()), 0)
    files.put(name, file)
    // The root alone would look like what a crash left of a first opening, whatever is wrong with it.
    const log = new MemoryFile('log-0')
    log.write(new Uint8Array(1), 0)
    files.put('log-0', log)
  }
  return { ...(inspect(files, root === undefined ? name : undefined) as Omit<Root, 'backend'>), backend }
}
