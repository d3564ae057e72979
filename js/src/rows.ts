// Rows of an answer, decoded as they arrive.

import type { CallOf, Channel } from './channel.js'
import { heed } from './chores.js'
import { CofferError, decodeError } from './error.js'
import type { Outcomes } from './protocol.js'
import type { BatchOutcome, IterateOptions, QueryOptions, RunResult } from './types.js'
import { decodeOutcomes, decodeRows } from './wire.js'

/** All rows of a query. While one part is decoded here, the worker makes the next. */
export function collect<T extends object>(channel: Pick<Channel, 'call'>, call: CallOf<'query'>, { signal, bigint }: QueryOptions = {}): Promise<T[]> {
  // What a row holds follows from the SQL, which only the caller can know.
  const rows: T[] = []
  const restart = (): void => {
    rows.length = 0
  }
  const take = (bytes: Uint8Array): T[] => {
    decodeRows(bytes, rows, bigint)
    return rows
  }
  return channel.call(call, { signal, part: take, restart }).then(take)
}

/** Rows one after another. One batch is on its way while another is used, and no more: who is slow is not flooded. */
export async function* stream<T extends object>(channel: Pick<Channel, 'call' | 'joins' | 'tell'>, call: CallOf<'iterate'>, { signal, bigint }: IterateOptions): AsyncGenerator<T, void, undefined> {
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
        heed(signal)
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
