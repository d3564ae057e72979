// Backups and exports, as the page writes them: bytes from the worker, into whatever takes bytes.
//
// B1  What takes them says when it is ready for more; nothing is fetched ahead of it but one share.
// B2  One that fails or is given up is aborted, not closed: a file stays what it was.

import type { Channel } from './channel.js'
import { ask, carry } from './chores.js'
import { CofferError } from './error.js'
import { plainOf, secretOf } from './keys.js'
import { transact } from './transaction.js'
import type { BackupFormat, BackupOptions, BackupResult, BackupSource, BackupTarget, Key, LongOptions, RestoreOptions, Transaction } from './types.js'
import type { ChoreCall, Root } from './verbs.js'

const extensions: Record<BackupFormat, string> = { coffer: 'coffer', sqlite: 'sqlite3', sql: 'sql', jsonl: 'jsonl' }

/** Writes a backup. */
export async function backUp(channel: Channel, name: string, target: BackupTarget, options: BackupOptions = {}): Promise<BackupResult> {
  const { since, format = 'coffer', compress, signal, onProgress } = options
  if (since !== undefined && format !== 'coffer') throw new TypeError("only a backup of the format 'coffer' can hold what came after a commit")
  signal?.throwIfAborted()
  const file = `${name.replaceAll(/[^\w.-]+/g, '_')}.${extensions[format]}${compress === undefined ? '' : '.gz'}`
  const sink = await sinkOf(target, file)
  let bytes = 0
  try {
    const writer = sink.getWriter()
    const packed = compress === undefined ? undefined : new CompressionStream(compress)
    const counted = async (chunk: Uint8Array<ArrayBuffer>): Promise<void> => {
      await writer.ready
      bytes += chunk.length
      await writer.write(chunk)
    }
    // The reading end of the compression is drained beside the writing end, or both would wait for each other.
    const drained = packed === undefined ? undefined : drain(packed.readable, counted)
    drained?.catch(() => undefined)
    const input = packed?.writable.getWriter()
    const take = input === undefined ? counted : (chunk: Uint8Array<ArrayBuffer>): Promise<void> => Promise.race([input.write(chunk), failureOf(drained)])
    let commit: number | undefined
    try {
      if (format === 'coffer' || format === 'sqlite') {
        const call: ChoreCall = format === 'coffer' ? { name: 'backup', since } : { name: 'export' }
        ;({ commit } = await carry(channel, call, { ...(signal && { signal }), ...(onProgress && { onProgress }), take }))
      } else {
        commit = await transact(channel, (transaction) => written(transaction, format, options, take), { readonly: true, ...(signal && { signal }) })
      }
      await input?.close()
      await drained
      await writer.close()
    } catch (error) {
      input?.abort(error).catch(() => undefined)
      await writer.abort(error).catch(() => undefined) // B2
      throw error
    }
    return { commit: commit ?? 0, bytes, file }
  } catch (error) {
    throw signal?.aborted === true || error instanceof CofferError || error instanceof TypeError ? error : failed(error)
  }
}

function failed(cause: unknown): Error {
  if (cause instanceof DOMException && cause.name === 'AbortError') return cause
  const quota = cause instanceof DOMException && cause.name === 'QuotaExceededError'
  return new CofferError(quota ? 'quota' : 'io', `the backup could not be written where it was to go: ${String(cause)}`, { cause })
}

async function drain(readable: ReadableStream<Uint8Array<ArrayBuffer>>, take: (chunk: Uint8Array<ArrayBuffer>) => Promise<void>): Promise<void> {
  const reader = readable.getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    await take(value)
  }
}

async function failureOf(drained: Promise<void> | undefined): Promise<void> {
  await drained
  return new Promise(() => undefined)
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

async function sinkOf(target: BackupTarget, file: string): Promise<WritableStream<Uint8Array<ArrayBuffer>>> {
  if (typeof target === 'function') return sinkOf(await target(file), file)
  if (target === 'download') return download(file)
  // A file's own stream replaces the file when it is closed, and leaves it alone when it is aborted.
  return 'createWritable' in target ? (target.createWritable()) : target
}

/** Collects into a Blob, which browsers keep on disk when it is large, and has it saved. */
function download(file: string): WritableStream<Uint8Array<ArrayBuffer>> {
  if (typeof document === 'undefined') throw new CofferError('unsupported', "only a page can download; give a worker's backup a WritableStream or a file handle")
  let parts: Blob[] = []
  return new WritableStream({
    write: (chunk) => void parts.push(new Blob([chunk])),
    close: () => {
      const link = document.createElement('a')
      link.href = URL.createObjectURL(new Blob(parts))
      link.download = file
      link.click()
      // The browser has begun by then.
      setTimeout(() => URL.revokeObjectURL(link.href), 60_000)
    },
    abort: () => void (parts = []),
  })
}

/** What a file or stream holds, unpacked if it is packed. */
export async function blobOf(source: Blob | ReadableStream<Uint8Array>, signal: AbortSignal | undefined): Promise<Blob> {
  let blob = source instanceof Blob ? source : await collected(source, signal)
  const start = new Uint8Array(await blob.slice(0, 2).arrayBuffer())
  if (start[0] === 0x1f && start[1] === 0x8b) blob = await collected(blob.stream().pipeThrough(new DecompressionStream('gzip')), signal)
  return blob
}

/** A Blob, which browsers keep on disk when it is large, of what a stream brings. */
async function collected(stream: ReadableStream<Uint8Array>, signal: AbortSignal | undefined): Promise<Blob> {
  try {
    // Piping is what a signal can end.
    const through = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>()
    const [blob] = await Promise.all([new Response(through.readable).blob(), stream.pipeTo(through.writable as WritableStream<Uint8Array>, signal === undefined ? {} : { signal })])
    return blob
  } catch (cause) {
    signal?.throwIfAborted()
    throw new CofferError('io', `what was to be read could not be read: ${String(cause)}`, { cause })
  }
}

/** Ends the transaction that only keeps others from writing: SQLite may have begun an empty database in it, which must not be committed. */
const replaced = new Error('the contents are replaced')

/** Replaces the contents, in one commit. */
export async function replace(channel: Channel, call: ChoreCall & { name: 'import' | 'restore' }, { signal, onProgress }: LongOptions): Promise<number> {
  let made = 0
  const work = async (_: Transaction, transaction: number): Promise<never> => {
    const { commit } = await carry(channel, call, { transaction, ...(signal && { signal }), ...(onProgress && { onProgress }) })
    made = commit ?? 0
    throw replaced
  }
  await transact(channel, work, { ...(signal && { signal }), retries: 0 }).catch((error: unknown) => {
    if (error !== replaced) throw error
  })
  return made
}

function isOne(sources: BackupSource | readonly BackupSource[]): sources is BackupSource {
  return !Array.isArray(sources)
}

/** The contents as a plain SQLite database. */
export async function exported(channel: Channel, name: string, options?: LongOptions): Promise<Blob> {
  const parts: Blob[] = []
  const sink = new WritableStream<Uint8Array<ArrayBuffer>>({ write: (chunk) => void parts.push(new Blob([chunk])) })
  await backUp(channel, name, sink, { ...options, format: 'sqlite' })
  return new Blob(parts, { type: 'application/vnd.sqlite3' })
}

/** Replaces the contents by a backup's. */
export async function bringBack(channel: Channel, sources: BackupSource | readonly BackupSource[], key: Key | undefined, options: RestoreOptions): Promise<number> {
  const files = []
  for (const source of isOne(sources) ? [sources] : sources) files.push(await blobOf(source, options.signal))
  // A key that was wrapped is unwrapped from what the backup itself has stored.
  const slots = key?.kind === 'wrapped' && files[0] !== undefined ? ((await ask(channel, { do: 'slots', file: files[0] })) as Root).slots : []
  const secret = key === undefined ? undefined : secretOf(await plainOf(key, slots))
  return replace(channel, { name: 'restore', files, secret }, options)
}
