// The one error class of the package and its wire form.

import type { Failure } from './protocol.js'
import type { CofferFailure, ErrorCode } from './types.js'

const codes: Record<ErrorCode, true> = {
  constraint: true, busy: true, conflict: true, corrupt: true, quota: true, aborted: true, limit: true, denied: true, readonly: true, unsupported: true,
  unsupported_format: true, not_found: true, exists: true, locked_elsewhere: true, foreign: true, key_required: true, wrong_key: true,
  no_such_commit: true, io: true, poisoned: true, closed: true, sqlite: true, worker_lost: true,
}

/** What the promises of this package reject with. Act on `code`; `message` is for people and may change. */
export class CofferError extends Error {
  override readonly name = 'CofferError'
  readonly code: ErrorCode
  /** SQLite's extended result code, where SQLite complained. */
  readonly resultCode: number | undefined
  /** The statement that failed. */
  readonly sql: string | undefined
  /** Byte offset in `sql` of what SQLite could not take. */
  readonly offset: number | undefined
  /** More about it, where there is more: the `index` of the statement of a batch. */
  readonly detail: Readonly<Record<string, unknown>> | undefined

  constructor(code: ErrorCode, message: string, rest: Partial<Pick<CofferFailure, 'detail' | 'offset' | 'resultCode' | 'sql'>> & { readonly cause?: unknown } = {}) {
    super(message, rest.cause === undefined ? undefined : { cause: rest.cause })
    this.code = code
    this.resultCode = rest.resultCode
    this.sql = rest.sql
    this.offset = rest.offset
    this.detail = rest.detail
  }
}

/** What to act on, of whatever was thrown. */
export function codeOf(error: unknown): unknown {
  return (error as Partial<CofferError> | undefined)?.code
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(codes, code)
}

/** Any thrown thing as a plain object that survives postMessage; what nobody threw on purpose is the end of the worker. */
export function encodeError(error: unknown): Failure {
  if (isFailure(error)) {
    const { code, message, resultCode, sql, offset, detail } = error
    const known = Object.entries({ resultCode, sql, offset, detail }).filter(([, value]) => value !== undefined)
    return { code, message, ...Object.fromEntries(known) }
  }
  // A trap says no more than `unreachable`; which function it was in is in its stack, by number.
  const stack = error instanceof Error ? error.stack : undefined
  const places = stack?.match(/wasm-function\[\d+\]/g)?.slice(0, 4) ?? []
  return { code: 'worker_lost', message: [error, ...places].join(' ') }
}

function isFailure(error: unknown): error is Failure {
  return typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string' && 'message' in error && typeof error.message === 'string'
}

/** The class again, on the page, so that `instanceof` works there. */
export function decodeError(failure: Failure): CofferError {
  return asError(isCode(failure.code) ? failure : { ...failure, code: 'sqlite' })
}

/** To be thrown, in the worker, where there are codes that no page hears of. */
export function asError(failure: Failure): CofferError {
  return new CofferError(failure.code as ErrorCode, failure.message, failure)
}
