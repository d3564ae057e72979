// The public surface as a user's editor sees it, including what must not compile. Checked by tsc with everything else; nothing runs.

import type {
  BackupResult, Backups, BatchOutcome, CofferError, Database, ErrorCode, Inspected, Key, KeySlot, Row, RunResult, Statement, StorageInfo, Transaction, Verified, View,
} from '../src/index.js'
import { destroy, inspect, list, open, passphrase, rawKey, restore, webCryptoKey, wrappedBy } from '../src/index.js'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Compiles only where the two types are the same. */
function same<A, B>(..._proof: Equal<A, B> extends true ? [] : [never]): void {
  return undefined
}

interface Note {
  readonly id: number
  readonly body: string
}

export async function reading(db: Database, pattern: string): Promise<void> {
  same<Awaited<ReturnType<typeof open>>, Database>()
  const rows = await db.query<Note>('select id, body from note where id > :id', { id: 1 })
  same<typeof rows, Note[]>()
  const plain = await db.query('select 1')
  same<typeof plain, Row[]>()
  const one = await db.get<Note>('select id, body from note', [], { bigint: true })
  same<typeof one, Note | undefined>()
  const matching = await db.sql<Note>`select id, body from note where body like ${pattern}`
  same<typeof matching, Note[]>()
  for await (const note of db.iterate<Note>('select id, body from note', [], { batch: 64 })) same<typeof note, Note>()
  const statement = await db.prepare<Note>('select id, body from note')
  same<typeof statement, Statement<Note>>()
  // @ts-expect-error a row may be absent
  one.body.trim()
  // @ts-expect-error a cell is not known to be a string
  plain[0]?.['x'].trim()
  // @ts-expect-error an object is no SQL value
  await db.run('insert into note values (?)', [{}])
  // @ts-expect-error neither is a function
  await db.run('insert into note values (?)', [(): number => 1])
  // @ts-expect-error nor a symbol in a template
  await db.sql`select ${Symbol('x')}`
  // @ts-expect-error a template is no string: nothing could be bound
  await db.sql('select 1')
}

export async function writing(db: Database): Promise<void> {
  await db.run('insert into note values (?, ?, ?, ?, ?, ?)', [1, 1n, 'text', new Uint8Array(), true, new Date()])
  const done = await db.batch([{ sql: 'delete from note' }])
  same<typeof done, RunResult[]>()
  const tried = await db.batch([{ sql: 'delete from note', params: [1] }], { onError: 'continue' })
  same<typeof tried, BatchOutcome[]>()
  const answer = await db.transaction(async (transaction) => {
    same<typeof transaction, Transaction>()
    await transaction.transaction((nested) => nested.run('delete from note'))
    // @ts-expect-error a transaction ends with its work, not by itself
    await transaction.close()
    return 42
  }, { isolation: 'serializable', readonly: false, retries: 2, signal: AbortSignal.timeout(1000) })
  same<typeof answer, number>()
  // @ts-expect-error there is no such isolation
  await db.transaction(() => 1, { isolation: 'repeatable read' })
  // @ts-expect-error nor such a way to take failure
  await db.batch([], { onError: 'ignore' })
}

export function listening(db: Database): void {
  const stop = db.live<Note>('select id, body from note', [], (notes) => {
    same<typeof notes, Note[]>()
  })
  same<typeof stop, () => void>()
  db.on('commit', ({ tables }) => {
    same<typeof tables, readonly string[]>()
  })
  db.on('checkpoint', ({ commit }) => {
    same<typeof commit, number>()
  })
  db.on('leader', ({ leader }) => {
    same<typeof leader, 'self' | 'other'>()
  })
  db.on('close', (nothing) => {
    same<typeof nothing, undefined>()
  })
  // @ts-expect-error an event tells what it tells, and nothing else
  db.on('checkpoint', ({ tables }) => undefined)
  // @ts-expect-error there is no such event
  db.on('commited', () => undefined)
}

export function failing(error: CofferError): string {
  same<typeof error.code, ErrorCode>()
  // @ts-expect-error there is no such code
  if (error.code === 'oops') return ''
  return error.code
}

export function opening(): void {
  void open('notes')
  void open('notes', { backend: 'memory', durability: 'relaxed', busyTimeout: 100 })
  // @ts-expect-error there is no such backend
  void open('notes', { backend: 'localstorage' })
  // @ts-expect-error a key is not a bare string, which would end up in logs
  void open('notes', { key: 'secret' })
  // @ts-expect-error a name is needed
  void open()
}

export async function using(): Promise<void> {
  await using db = await open('notes', { backend: 'memory' })
  using statement = await db.prepare<Note>('select id, body from note')
  same<Awaited<ReturnType<typeof statement.all>>, Note[]>()
  // @ts-expect-error what ends later cannot end at once
  using wrong = await open('notes')
}

export async function keeping(db: Database, handle: FileSystemFileHandle, folder: FileSystemDirectoryHandle, stream: WritableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
  const result = await db.backup(stream, { since: 3, compress: 'gzip', signal: AbortSignal.timeout(1000), onProgress: ({ done, total }) => done / total })
  same<typeof result, BackupResult>()
  await db.backup(handle, { format: 'sqlite' })
  await db.backup('download', { format: 'jsonl' })
  await db.backup((file) => (file === 'x' ? stream : handle))
  const commit = await db.restore([new Blob(), new Response().body ?? new Blob()], { key: passphrase('x') })
  same<typeof commit, number>()
  const file = await db.export()
  same<typeof file, Blob>()
  await db.import(file)
  const backups = db.backups({ every: 60_000, keep: { files: 7, age: 1e9 }, skipUnchanged: true, target: folder, onSuccess: ({ bytes }) => bytes, backoff: { first: 1 } })
  same<typeof backups, Backups>()
  // @ts-expect-error there is no such format
  await db.backup(stream, { format: 'csv' })
  // @ts-expect-error a path is no target: a page cannot open one
  await db.backup('/tmp/backup.coffer')
  // @ts-expect-error how often is not left to chance
  db.backups({ target: folder })
  // @ts-expect-error a backup is bytes, and not their name
  await db.restore('backup.coffer')
}

export async function maintaining(db: Database): Promise<void> {
  await db.checkpoint('truncate', { signal: AbortSignal.timeout(1000) })
  await db.compact({ budgetBytes: 1e6 })
  const verified = await db.verify()
  same<typeof verified, Verified>()
  const info = await db.storageInfo()
  same<typeof info, StorageInfo>()
  same<typeof info.page_count, number>()
  same<Awaited<ReturnType<typeof db.memoryStats>>['wasm_heap'], number>()
  await db.flush()
  same<Awaited<ReturnType<typeof db.persist>>, boolean>()
  same<Awaited<ReturnType<typeof db.estimate>>, StorageEstimate>()
  const view = await db.snapshot()
  same<typeof view, View>()
  const notes = await db.at(view.commit).query<Note>('select id, body from note')
  same<typeof notes, Note[]>()
  await db.function('slug', (text) => String(text).toLowerCase(), { deterministic: true })
  await db.function('slug', new URL('https://example.com/slug.js'))
  // @ts-expect-error there is no such checkpoint
  await db.checkpoint('hard')
  // @ts-expect-error a view only reads
  await view.run('delete from note')
  // @ts-expect-error SQL has no objects
  await db.function('odd', () => ({}))
  // @ts-expect-error SQL does not wait
  await db.function('later', async () => Promise.resolve(1))
}

export async function locking(db: Database, cryptoKey: CryptoKey): Promise<void> {
  const keys = [passphrase('words'), rawKey(new Uint8Array(32)), webCryptoKey(cryptoKey), wrappedBy({ wrap: (key) => key, unwrap: async (wrapped) => Promise.resolve(wrapped) })]
  same<typeof keys, Key[]>()
  void open('notes', { key: passphrase('words'), kdf: 'pbkdf2', compression: { codec: 'zstd', level: 9, dictionary: new Uint8Array() } })
  const slot = await db.keys.add(rawKey(new Uint8Array(32)))
  same<typeof slot, number>()
  same<Awaited<ReturnType<typeof db.keys.list>>, KeySlot[]>()
  await db.keys.change(passphrase('old'), passphrase('new'))
  await db.keys.rotate({ keys, onProgress: () => undefined })
  await db.keys.remove(slot)
  await db.encrypt(passphrase('words'), { cipher: 'chacha20-poly1305' })
  await db.decrypt()
  // @ts-expect-error what wraps must unwrap as well
  wrappedBy({ wrap: (key: Uint8Array) => key })
  // @ts-expect-error there is no such codec
  void open('notes', { compression: { codec: 'brotli' } })
  // @ts-expect-error nor such a derivation
  void open('notes', { kdf: 'md5' })
}

export async function finding(): Promise<void> {
  same<Awaited<ReturnType<typeof list>>, string[]>()
  await destroy('notes')
  const seen = await inspect('notes')
  same<typeof seen, Inspected>()
  await inspect(new Blob())
  await restore('notes', new Blob(), { key: passphrase('words'), overwrite: true, backend: 'opfs', onProgress: ({ done }) => done })
  // @ts-expect-error a backup says what its pages are
  await restore('notes', new Blob(), { pageSize: 4096 })
}
