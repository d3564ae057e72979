// Rows of an answer, decoded as they arrive.

import type { CallOf, Channel } from './channel.js'
import { CofferError, decodeError } from './error.js'
import type { Outcomes } from './protocol.js'
import type { BatchOutcome, IterateOptions, QueryOptions, RunResult } from './types.js'
import { decodeOutcomes, decodeRows } from './wire.js'

/** All rows of a query. While one part is decoded here, the worker makes the next. */
export async function collect<T extends object>(channel: Channel, call: CallOf<'query'>, { signal, bigint }: QueryOptions): Promise<T[]> {
  // What a row holds follows from the SQL, which only the caller can know.
  const rows: T[] = []
  const restart = (): void => {
    rows.length = 0
  }
  const last = await channel.call(call, { signal, part: (bytes) => decodeRows(bytes, rows, bigint), restart })
  decodeRows(last, rows, bigint)
  return rows
}

/** Rows one after another. One batch is on its way while another is used, and no more: who is slow is not flooded. */
export async function* stream<T extends object>(channel: Channel, call: CallOf<'iterate'>, { signal, bigint }: IterateOptions, over: Error | undefined): AsyncGenerator<T, void, undefined> {
  if (over !== undefined) throw over
  const { cursor, rows: first } = await channel.call(call, { signal })
  const { joins } = channel
  let rows: T[] = []
  let more = decodeRows(first, rows, bigint)
  try {
    for (;;) {
      if (more && channel.joins !== joins) throw new CofferError('worker_lost', 'the worker that had this iteration in hand is gone')
      const next = more ? channel.call({ kind: 'next', cursor, rows: call.rows }, { signal }) : undefined
      // It is awaited only if the caller comes that far.
      next?.catch(() => undefined)
      for (const row of rows) {
        yield row
        signal?.throwIfAborted()
      }
      if (next === undefined) return
      rows = []
      more = decodeRows(await next, rows, bigint)
    }
  } finally {
    if (more) channel.tell({ notice: 'release', cursor })
  }
}

/** What became of each of many runs. Only where some may have failed they are `BatchOutcome`s. */
export function decodeRuns({ outcomes, failures }: Outcomes): RunResult[] {
  let failed = 0
  const done = decodeOutcomes(outcomes).map((outcome): RunResult | BatchOutcome => {
    const failure = Number.isNaN(outcome.changes) ? failures[failed++] : undefined
    return failure === undefined ? outcome : { error: decodeError(failure) }
  })
  return done as RunResult[]
}

/** The row that a table of figures always has. */
export function one<T>(row: T | undefined): T {
  if (row === undefined) throw new CofferError('sqlite', 'the figures are missing')
  return row
}
