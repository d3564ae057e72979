// Backups and exports, as the page writes them: bytes from the worker, into whatever takes bytes.
//
// A file of its own, loaded when it is used; what it shares with the page's it is given (`Kit`), so that nothing is there twice.
//
// B1  What takes them says when it is ready for more; nothing is fetched ahead of it but one share.
// B2  One that fails or is given up is aborted, not closed: a file stays what it was.

import type { Channel } from './channel.js'
import type { ask, carry } from './chores.js'
import type { CofferError } from './error.js'
import type { plainOf, secretOf } from './keys.js'
import type { transact } from './transaction.js'
import type { BackupFormat, BackupOptions, BackupResult, BackupSource, BackupTarget, Key, LongOptions, RestoreOptions, Transaction } from './types.js'
import type { ChoreCall, Root } from './verbs.js'

/** What this shares with the page's own file. */
export interface Kit {
  readonly ask: typeof ask
  readonly carry: typeof carry
  readonly CofferError: typeof CofferError
  readonly plainOf: typeof plainOf
  readonly secretOf: typeof secretOf
  readonly transact: typeof transact
}

const extensions: Record<BackupFormat, string> = { coffer: 'coffer', sqlite: 'sqlite3', sql: 'sql', jsonl: 'jsonl' }

/** Writes a backup. */
export async function backUp(kit: Kit, channel: Channel, name: string, target: BackupTarget, options: BackupOptions = {}): Promise<BackupResult> {
  const { since, format = 'coffer', compress, signal, onProgress } = options
  if (since !== undefined && format !== 'coffer') throw new TypeError("since is for the format 'coffer'")
  signal?.throwIfAborted()
  const file = `${name.replaceAll(/[^\w.-]+/g, '_')}.${extensions[format]}${compress === undefined ? '' : '.gz'}`
  const sink = await sinkOf(kit, target, file)
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
    await writer.ready
    await writer.write(chunk)
  }
  try {
    let commit: number | undefined
    if (format === 'coffer' || format === 'sqlite') {
      const call: ChoreCall = format === 'coffer' ? { name: 'backup', since } : { name: 'export' }
      ;({ commit } = await kit.carry(channel, call, { ...(signal && { signal }), ...(onProgress && { onProgress }), take }))
    } else commit = await kit.transact(channel, (transaction) => written(transaction, format, options, take), { readonly: true, ...(signal && { signal }) })
    await writer.close()
    await arrived
    return { commit: commit ?? 0, bytes, file }
  } catch (error) {
    await writer.abort(error).catch(() => undefined) // B2
    await arrived.catch(() => undefined)
    throw signal?.aborted === true || error instanceof kit.CofferError || error instanceof TypeError ? error : failed(kit, error)
  }
}

function failed({ CofferError }: Kit, cause: unknown): Error {
  if (cause instanceof DOMException && cause.name === 'AbortError') return cause
  const quota = cause instanceof DOMException && cause.name === 'QuotaExceededError'
  return new CofferError(quota ? 'quota' : 'io', `the backup could not be written where it was to go: ${String(cause)}`, { cause })
}

const shareLetters = 64 * 1024

/** Text leaves in shares, from one state of the database. */
async function written(transaction: Transaction, format: 'sql' | 'jsonl', { onProgress, signal }: LongOptions, take: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>): Promise<number> {
  const info = await transaction.get<{ commit: number; total: number }>('select last_commit_id as "commit", logical_bytes as total from storage_info')
  const total = info?.total ?? 0
  const encoder = new TextEncoder()
  let text = ''
  let done = 0
  const leave = async (): Promise<void> => {
    signal?.throwIfAborted()
    const bytes = encoder.encode(text)
    text = ''
    await take(bytes)
    done += bytes.length
    onProgress?.({ done: Math.min(done, total), total })
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
  return 'createWritable' in target ? (target.createWritable()) : target
}

/** What a file or stream holds, unpacked if it is packed. */
export async function blobOf(kit: Kit, source: Blob | ReadableStream<Uint8Array>, signal: AbortSignal | undefined): Promise<Blob> {
  let blob = source instanceof Blob ? source : await collected(kit, source, signal)
  const start = new Uint8Array(await blob.slice(0, 2).arrayBuffer())
  if (start[0] === 0x1f && start[1] === 0x8b) blob = await collected(kit, blob.stream().pipeThrough(new DecompressionStream('gzip')), signal)
  return blob
}

/** A Blob, which browsers keep on disk when it is large, of what a stream brings. */
async function collected({ CofferError }: Kit, stream: ReadableStream<Uint8Array>, signal: AbortSignal | undefined): Promise<Blob> {
  let reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  // Not piped: in WebKit a pipe hears no signal while the stream gives nothing.
  const letGo = (reason: unknown): void => void reader?.cancel(reason).catch(() => undefined)
  const giveUp = (): void => letGo(signal?.reason)
  signal?.addEventListener('abort', giveUp)
  try {
    reader = stream.getReader()
    const parts: Blob[] = []
    for (;;) {
      signal?.throwIfAborted()
      const { done, value } = await reader.read()
      signal?.throwIfAborted()
      if (done) return new Blob(parts)
      parts.push(new Blob([value as Uint8Array<ArrayBuffer>]))
    }
  } catch (cause) {
    letGo(cause)
    signal?.throwIfAborted()
    throw new CofferError('io', `what was to be read could not be read: ${String(cause)}`, { cause })
  } finally {
    signal?.removeEventListener('abort', giveUp)
  }
}

/** Ends the transaction that only keeps others from writing: SQLite may have begun an empty database in it, which must not be committed. */
const replaced = new Error('the contents are replaced')

/** Replaces the contents, in one commit. */
export async function replace(kit: Kit, channel: Channel, call: ChoreCall & { name: 'import' | 'restore' }, { signal, onProgress }: LongOptions): Promise<number> {
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

/** Replaces the contents by a backup's. */
export async function bringBack(kit: Kit, channel: Channel, sources: BackupSource | readonly BackupSource[], key: Key | undefined, options: RestoreOptions): Promise<number> {
  const files = []
  for (const source of isOne(sources) ? [sources] : sources) files.push(await blobOf(kit, source, options.signal))
  // A key that was wrapped is unwrapped from what the backup itself has stored.
  const slots = key?.kind === 'wrapped' && files[0] !== undefined ? ((await kit.ask(channel, { do: 'slots', file: files[0] })) as Root).slots : []
  const secret = key === undefined ? undefined : kit.secretOf(await kit.plainOf(key, slots))
  return replace(kit, channel, { name: 'restore', files, secret }, options)
}
