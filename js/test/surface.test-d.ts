// The public surface as a user's editor sees it, including what must not compile. Checked by tsc with everything else; nothing runs.

import type { BatchOutcome, CofferError, Database, ErrorCode, Row, RunResult, Statement, Transaction } from '../src/index.js'
import { open } from '../src/index.js'

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
