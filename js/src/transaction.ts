// Transactions: the work of a caller between a begin and an end.
//
// I1  Whatever the work does, an end follows its begin: commit if it returned, rollback if it threw or its signal fired.
// I2  After the end, and after the signal, nothing that is asked of the transaction is sent.

import { type Channel, raised, reason } from './channel.js'
import { mayBeOneOf, mustBe, mustBeSignal } from './check.js'
import { CofferError } from './error.js'
import { WorkerQueries } from './queries.js'
import type { Transaction, TransactionOptions } from './types.js'

type Work<R> = (transaction: Transaction, id: number) => R | Promise<R>

/** What the package itself can ask for as well: a kept commit to look at. */
type Options = TransactionOptions & { readonly at?: number }

class WorkerTransaction extends WorkerQueries implements Transaction {
  /** Nested transactions are savepoints, which cannot overlap: one begins when the last has ended. */
  #nested: Promise<unknown> = Promise.resolve()
  readonly #depth: number
  readonly #channel: Channel
  readonly #id: number
  readonly #flag: string | undefined

  constructor(channel: Channel, id: number, flag: string | undefined, depth: number) {
    super(channel, { transaction: id, ...(flag !== undefined && { flags: [flag] }) })
    this.#channel = channel
    this.#id = id
    this.#flag = flag
    this.#depth = depth
  }

  transaction<R>(work: Work<R>): Promise<R> {
    mustBe('function', { work })
    const done = this.#nested.then(() => this.#within(work))
    this.#nested = done.catch(() => undefined)
    return done
  }

  over(reason = new CofferError('aborted', 'the transaction is over')): void {
    this.finish(reason)
  }

  async #within<R>(work: Work<R>): Promise<R> {
    const savepoint = `coffer_${this.#depth}`
    await this.exec(`savepoint ${savepoint}`)
    const inner = new WorkerTransaction(this.#channel, this.#id, this.#flag, this.#depth + 1)
    try {
      const result = await work(inner, this.#id)
      inner.over()
      await this.exec(`release ${savepoint}`)
      return result
    } catch (error) {
      inner.over()
      // Where an error or the signal has undone the whole transaction, there is no savepoint to go back to.
      await this.exec(`rollback to ${savepoint}; release ${savepoint}`).catch(() => undefined)
      throw error
    }
  }
}

let last = 0

/** Runs `work` in a transaction, again if another was first, or its leader went before it was committed. */
export function transact<R>(channel: Channel, work: Work<R>, options: Options = {}): Promise<R> {
  const { isolation, retries = 3, signal } = options
  mustBe('function', { work })
  mustBeSignal(signal)
  mayBeOneOf(['serializable', 'snapshot', 'read committed'], isolation, 'isolation')
  return repeatedly(channel, work, options, retries)
}

async function repeatedly<R>(channel: Channel, work: Work<R>, options: Options, retries: number): Promise<R> {
  const { losses } = channel
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await once(channel, work, options)
    } catch (error) {
      if (!(error instanceof CofferError) || !(attempt < retries) || channel.ended !== undefined) throw error
      // Lost with this page's own worker, it may be what ended it.
      const handedOver = error.code === 'worker_lost' && error.detail?.['committed'] === false && channel.losses === losses
      if (error.code !== 'conflict' && !handedOver) throw error
    }
  }
}

async function once<R>(channel: Channel, work: Work<R>, { isolation = 'serializable', readonly = false, signal, at }: Options): Promise<R> {
  const id = ++last
  await channel.call({ kind: 'begin', transaction: id, isolation, readonly, at }, { signal })
  const raise = signal === undefined ? undefined : raised()
  const transaction = new WorkerTransaction(channel, id, raise?.flag, 1)
  let abort: (() => void) | undefined
  let committed = false
  try {
    const given = new Promise<never>((_, reject) => {
      abort = (): void => {
        transaction.over()
        raise?.drop()
        if (signal !== undefined) reject(reason(signal))
      }
    })
    // A race that the work wins leaves it unheard.
    given.catch(() => undefined)
    if (signal?.aborted === true) abort?.()
    else if (abort !== undefined) signal?.addEventListener('abort', abort, { once: true })
    const result = await Promise.race([given, work(transaction, id)])
    transaction.over()
    committed = true
    await channel.call({ kind: 'end', transaction: id, commit: true })
    return result
  } finally {
    transaction.over()
    if (abort !== undefined) signal?.removeEventListener('abort', abort)
    // The error that brought us here says more than a rollback that failed too.
    if (!committed) await channel.call({ kind: 'end', transaction: id, commit: false }).catch(() => undefined)
    raise?.drop()
  }
}
