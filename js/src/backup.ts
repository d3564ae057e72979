// Backups and exports, as the page writes them: bytes from the worker, into whatever takes bytes.
//
// A file of its own, loaded when it is used; what it shares with the page's it is given (`Kit`), so that nothing is there twice.
//
// B1  What takes them says when it is ready for more; nothing is fetched ahead of it but one share.
// B2  One that fails or is given up is aborted, not closed: a file stays what it was.

import type { Channel } from './channel.js'
import type { ask, carry, heed, tell } from './chores.js'
import type { CofferError } from './error.js'
import type { administer, openFrom, Source } from './opening.js'
import type { plainOf, secretOf } from './keys.js'
import type { transact } from './transaction.js'
import type { BackupFormat, BackupOptions, BackupResult, BackupSource, BackupTarget, Inspected, Key, LongOptions, PartsOptions, RestoreIntoOptions, RestoreOptions, Transaction } from './types.js'
import type { ChoreCall, Root } from './verbs.js'

/** What this shares with the page's own file. */
export interface Kit {
  readonly ask: typeof ask
  readonly carry: typeof carry
  readonly CofferError: typeof CofferError
  readonly heed: typeof heed
  readonly plainOf: typeof plainOf
  readonly secretOf: typeof secretOf
  readonly tell: typeof tell
  readonly transact: typeof transact
}

/** The same where no database is open yet. */
export interface WiderKit extends Kit {
  readonly administer: typeof administer
  readonly openFrom: typeof openFrom
}

const extensions: Record<BackupFormat, string> = { coffer: 'coffer', sqlite: 'sqlite3', sql: 'sql', jsonl: 'jsonl' }

/** Writes a backup. */
export async function backUp(kit: Kit, channel: Channel, name: string, target: BackupTarget, options: BackupOptions = {}): Promise<BackupResult> {
  const { since, format = 'coffer', compress, signal, onProgress } = options
  const unsupported = (what: string): never => {
    throw new kit.CofferError('unsupported', what)
  }
  const formats = Object.keys(extensions)
  if (!formats.includes(format)) unsupported(`a backup is of the format ${formats.join(', ')}`)
  if (compress !== undefined && (compress as unknown) !== 'gzip') unsupported('a backup is compressed by gzip, or not')
  if (since !== undefined && !(format === 'coffer' && Number.isSafeInteger(since))) unsupported("since is the number of a commit, for the format 'coffer'")
  kit.heed(signal)
  const file = `${name.replaceAll(/[^\w.-]+/g, '_')}.${extensions[format]}${compress === undefined ? '' : '.gz'}`
  const sink = await sinkOf(kit, target, file).catch((error: unknown) => {
    throw error instanceof kit.CofferError ? error : failed(kit, error)
  })
  let bytes = 0
  const counter = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform: (chunk, out) => {
      bytes += chunk.length
      out.enqueue(chunk)
    },
  })
  const pack = compress === undefined ? undefined : new CompressionStream(compress)
  const arrived = (pack === undefined ? counter.readable : pack.readable.pipeThrough(counter)).pipeTo(sink)
  arrived.catch(() => undefined)
  const writer = (pack ?? counter).writable.getWriter()
  const take = async (chunk: Uint8Array<ArrayBuffer>): Promise<void> => {
    // Where it goes may fail before it has taken anything, and would then never be ready.
    await Promise.race([writer.write(chunk), arrived])
  }
  try {
    let commit: number | undefined
    if (format === 'coffer' || format === 'sqlite') {
      const call: ChoreCall = format === 'coffer' ? { name: 'backup', since } : { name: 'export' }
      ;({ commit } = await kit.carry(channel, call, { ...(signal && { signal }), ...(onProgress && { onProgress }), take }))
    } else commit = await kit.transact(channel, (transaction) => written(kit, transaction, format, options, take), { readonly: true, ...(signal && { signal }) })
    await writer.close()
    await arrived
    return { commit: commit ?? 0, bytes, file }
  } catch (error) {
    await writer.abort(error).catch(() => undefined) // B2
    await arrived.catch(() => undefined)
    kit.heed(signal)
    throw error instanceof kit.CofferError ? error : failed(kit, error)
  }
}

function failed({ CofferError }: Kit, cause: unknown): Error {
  if (cause instanceof DOMException && cause.name === 'AbortError') return cause
  const quota = cause instanceof DOMException && cause.name === 'QuotaExceededError'
  return new CofferError(quota ? 'quota' : 'io', `the backup could not be written where it was to go: ${String(cause)}`, { cause })
}

const shareLetters = 64 * 1024

/** Text leaves in shares, from one state of the database. */
async function written(kit: Kit, transaction: Transaction, format: 'sql' | 'jsonl', { onProgress, signal }: LongOptions, take: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>): Promise<number> {
  const info = await transaction.get<{ commit: number; total: number }>('select last_commit_id as "commit", logical_bytes as total from storage_info')
  const total = info?.total ?? 0
  const encoder = new TextEncoder()
  let text = ''
  let done = 0
  const leave = async (): Promise<void> => {
    kit.heed(signal)
    const bytes = encoder.encode(text)
    text = ''
    await take(bytes)
    done += bytes.length
    kit.tell(onProgress, { done: Math.min(done, total), total })
  }
  const { jsonLines, sqlScript } = await import('./formats.js')
  for await (const line of format === 'sql' ? sqlScript(transaction) : jsonLines(transaction)) {
    text += line
    if (text.length >= shareLetters) await leave()
  }
  await leave()
  return info?.commit ?? 0
}

async function sinkOf(kit: Kit, target: BackupTarget, file: string): Promise<WritableStream<Uint8Array<ArrayBuffer>>> {
  if (typeof target === 'function') return sinkOf(kit, await target(file), file)
  if (target === 'download') {
    if (typeof document === 'undefined') throw new kit.CofferError('unsupported', "only a page can download; give a worker's backup a WritableStream or a file handle")
    return (await import('./formats.js')).download(file)
  }
  // A file's own stream replaces the file when it is closed, and leaves it alone when it is aborted.
  const stream = 'createWritable' in Object(target) ? await (target as FileSystemFileHandle).createWritable() : target
  if (!(stream instanceof WritableStream) || stream.locked) throw new kit.CofferError('unsupported', "a backup goes to a WritableStream that is not locked, a file's handle, 'download', or what a function gives of these")
  return stream
}

/** What a file or stream holds, unpacked if it is packed. */
export async function blobOf(kit: Kit, source: Blob | ReadableStream<Uint8Array>, signal: AbortSignal | undefined): Promise<Blob> {
  if (!(source instanceof Blob || (source as unknown) instanceof ReadableStream)) throw new kit.CofferError('unsupported', 'what is to be read is a Blob or a ReadableStream')
  let blob = source instanceof Blob ? source : await collected(kit, source, signal)
  const start = new Uint8Array(await blob.slice(0, 2).arrayBuffer())
  if (start[0] === 0x1f && start[1] === 0x8b) blob = await collected(kit, blob.stream().pipeThrough(new DecompressionStream('gzip')), signal)
  return blob
}

/** A Blob, which browsers keep on disk when it is large, of what a stream brings. */
async function collected({ CofferError, heed }: Kit, stream: ReadableStream<Uint8Array>, signal: AbortSignal | undefined): Promise<Blob> {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  // Not piped: in WebKit a pipe hears no signal while the stream gives nothing.
  const letGo = (reason: unknown): void => void reader?.cancel(reason).catch(() => undefined)
  const giveUp = (): void => letGo(signal?.reason)
  signal?.addEventListener('abort', giveUp)
  try {
    reader = stream.getReader()
    const parts: Blob[] = []
    for (;;) {
      heed(signal)
      const { done, value } = await reader.read()
      heed(signal)
      if (done) return new Blob(parts)
      parts.push(new Blob([value as Uint8Array<ArrayBuffer>]))
    }
  } catch (cause) {
    letGo(cause)
    heed(signal)
    throw new CofferError('io', `what was to be read could not be read: ${String(cause)}`, { cause })
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
}

/** Ends the transaction that only keeps others from writing: SQLite may have begun an empty database in it, which must not be committed. */
const replaced = new Error('the contents are replaced')

/** Replaces the contents, in one commit. */
async function replace(kit: Kit, channel: Channel, call: ChoreCall & { name: 'import' | 'restore' }, { signal, onProgress }: LongOptions): Promise<number> {
  let made = 0
  const work = async (_: Transaction, transaction: number): Promise<never> => {
    const { commit } = await kit.carry(channel, call, { transaction, ...(signal && { signal }), ...(onProgress && { onProgress }) })
    made = commit ?? 0
    throw replaced
  }
  await kit.transact(channel, work, { ...(signal && { signal }), retries: 0 }).catch((error: unknown) => {
    if (error !== replaced) throw error
  })
  return made
}

function isOne(sources: BackupSource | readonly BackupSource[]): sources is BackupSource {
  return !Array.isArray(sources)
}

/** The contents as a plain SQLite database. */
export async function exported(kit: Kit, channel: Channel, name: string, options?: LongOptions): Promise<Blob> {
  const parts: Blob[] = []
  const sink = new WritableStream<Uint8Array<ArrayBuffer>>({ write: (chunk) => void parts.push(new Blob([chunk])) })
  await backUp(kit, channel, name, sink, { ...options, format: 'sqlite' })
  return new Blob(parts, { type: 'application/vnd.sqlite3' })
}

/** Replaces the contents by a plain SQLite database. */
export async function takeIn(kit: Kit, channel: Channel, file: BackupSource, options: LongOptions): Promise<number> {
  return replace(kit, channel, { name: 'import', file: await blobOf(kit, file, options.signal) }, options)
}

/** Replaces the contents by a backup's. */
export async function bringBack(kit: Kit, channel: Channel, sources: BackupSource | readonly BackupSource[], key: Key | undefined, options: RestoreOptions): Promise<number> {
  const files = []
  for (const source of isOne(sources) ? [sources] : sources) files.push(await blobOf(kit, source, options.signal))
  // A key that was wrapped is unwrapped from what the backup itself has stored.
  const slots = key?.kind === 'wrapped' && files[0] !== undefined ? ((await kit.ask(channel, { do: 'slots', file: files[0] })) as Root).slots : []
  const secret = key === undefined ? undefined : kit.secretOf(await kit.plainOf(key, slots))
  return replace(kit, channel, { name: 'restore', files, secret }, options)
}

/** What can be told without a key. */
export async function inspected(kit: WiderKit, source: Source, what: string | Blob, options: PartsOptions): Promise<Inspected> {
  const admin = typeof what === 'string' ? ({ do: 'inspect', name: what } as const) : ({ do: 'inspectFile', file: await blobOf(kit, what, options.signal) } as const)
  const { formatVersion, pageSize, cipher, slots, backend } = (await kit.administer(source, admin, options)) as Root
  return {
    formatVersion,
    pageSize,
    encrypted: slots.length > 0,
    cipher: cipher as Inspected['cipher'],
    slots: slots.map(({ slot, kind, parameters }) => ({ slot, kind: kind as Inspected['slots'][number]['kind'], ...(kind === 'external' && { wrapped: parameters }) })),
    backend: backend as Inspected['backend'],
  }
}

/** Makes a database of a backup. */
export async function restored(kit: WiderKit, source: Source, name: string, backup: BackupSource | readonly BackupSource[], options: RestoreIntoOptions): Promise<number> {
  const { CofferError, administer, openFrom } = kit
  const { onProgress, overwrite = false, ...rest } = options
  const { signal, wasm, worker } = options
  const files: Blob[] = []
  for (const one of isOne(backup) ? [backup] : backup) files.push(await blobOf(kit, one, signal))
  const [full] = files
  if (full === undefined) throw new CofferError('not_found', 'no backup was given')
  const undisturbed: PartsOptions = { ...(wasm !== undefined && { wasm }), ...(worker && { worker }) }
  const parts: PartsOptions = { ...undisturbed, ...(signal && { signal }) }
  const { pageSize, cipher, encrypted } = await inspected(kit, source, full, parts)
  const there = options.backend !== 'memory' && ((await administer(source, { do: 'list' }, parts)) as readonly string[]).includes(name)
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
    if (!made && !there) await administer(source, { do: 'destroy', name }, undisturbed).catch(() => undefined)
  }
}
