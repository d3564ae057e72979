// Long verbs, as the page drives them: begun, stepped until they are done, dropped whatever happens.

import { type Channel, reason } from './channel.js'
import { checkLong } from './check.js'
import { CofferError, codeOf } from './error.js'
import type { LongOptions, Progress } from './types.js'
import type { ChoreCall, ChoreState, Verb, VerbAnswer } from './verbs.js'

/** How long to leave one alone that cannot go on. */
const pauseMs = 25

/** What else a long verb may need. */
export interface ChoreOptions extends LongOptions {
  /** The transaction in which it runs. */
  readonly transaction?: number
  /** Takes what it makes. The next step waits for it. */
  readonly take?: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>
}

/** Asks for a verb. */
export function ask(channel: Channel, verb: Verb, transaction?: number): Promise<VerbAnswer> {
  return channel.call({ kind: 'verb', verb, transaction })
}

/** Carries a long verb through. One that makes nothing on the way is begun again by whoever leads next. */
export function carry(channel: Channel, call: ChoreCall, options: ChoreOptions = {}): Promise<ChoreState> {
  checkLong(options)
  return repeatedly(channel, call, options)
}

async function repeatedly(channel: Channel, call: ChoreCall, options: ChoreOptions): Promise<ChoreState> {
  for (;;) {
    const { joins } = channel
    try {
      return await once(channel, call, options)
    } catch (error) {
      if (codeOf(error) !== 'aborted' || channel.joins === joins) throw error
      if (options.take !== undefined || options.transaction !== undefined) {
        throw new CofferError('worker_lost', 'the worker that had this in hand is gone; begin it again', { cause: error, detail: { committed: false } })
      }
    }
  }
}

async function once(channel: Channel, call: ChoreCall, { signal, onProgress, transaction, take }: ChoreOptions): Promise<ChoreState> {
  heed(signal)
  const chore = (await ask(channel, { do: 'begin', chore: call }, transaction)) as number
  const step = (): Promise<ChoreState> => {
    const coming = ask(channel, { do: 'step', chore }, transaction) as Promise<ChoreState>
    // Nobody waits for it if the whole is given up first.
    coming.catch(() => undefined)
    return coming
  }
  try {
    let coming = step()
    for (;;) {
      heed(signal)
      const state = await coming
      // The next is made while this one is used.
      if (state.waiting) await new Promise((resolve) => setTimeout(resolve, pauseMs))
      if (!state.finished) coming = step()
      if (state.output !== undefined) await take?.(state.output)
      if (!state.waiting || state.total > 0) tell(onProgress, state)
      if (state.finished) return state
    }
  } finally {
    ask(channel, { do: 'drop', chore }).catch(() => undefined)
  }
}

/** Throws if it was given up. */
export function heed(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw reason(signal)
}

/** What listens has its bugs to itself. */
export function tell(listener: LongOptions['onProgress'], { done, total }: Progress): void {
  try {
    listener?.({ done, total })
  } catch (error) {
    reportError(error)
  }
}
