// What a caller gives, looked at before anything is asked: a mistake in the calling code throws a TypeError that says what is wanted, at the
// call that made it. None reaches a worker, which serves other calls too, and other tabs.

import type { IterateOptions, Key, LongOptions, OpenOptions, SqlParameters, StatementOptions } from './types.js'
import { encodeParameters } from './wire.js'

/** Throws unless it holds. */
export function must(holds: unknown, wanted: string): asserts holds {
  if (holds !== true) throw new TypeError(wanted)
}

/** Whether something is of the platform's, also if it comes from another window, whose classes are not ours. */
export function isA(type: 'AbortSignal' | 'CryptoKey' | 'Uint8Array', value: unknown): boolean {
  return {}.toString.call(value).includes(type)
}

type Type = 'boolean' | 'function' | 'number' | 'string'

/** Values, by their names, are of this type. */
export function mustBe(type: Type, values: Readonly<Record<string, unknown>>, besides?: 'undefined'): void {
  for (const [name, value] of Object.entries(values)) must(typeof value === type || typeof value === besides, `${name} is a ${type}`)
}

/** Or they were left out. */
export function mayBe(type: Type, values: Readonly<Record<string, unknown>>): void {
  mustBe(type, values, 'undefined')
}

export function mustCount(values: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(values)) must(Number.isSafeInteger(value) && (value as number) > 0, `${name} is a whole number above zero`)
}

export function mustBeSignal(signal: unknown): void {
  must(signal === undefined || isA('AbortSignal', signal), 'signal is an AbortSignal')
}

/** A value is one of these, or was left out. */
export function mayBeOneOf<T extends string>(choices: readonly T[], value: T | undefined, name: string): void {
  must(value === undefined || choices.includes(value), `${name} is ${choices.join(' or ')}`)
}

/** What a statement is asked with, where it is not encoded and sent at once. */
export function checkStatement(sql: unknown, parameters: SqlParameters | undefined, { signal }: StatementOptions = {}): void {
  mustBe('string', { sql })
  mustBeSignal(signal)
  encodeParameters(parameters)
}

/** The same of one that is streamed, which begins only when its first row is asked for. */
export function checkIteration(sql: unknown, { batch = 1, signal }: IterateOptions): void {
  mustBe('string', { sql })
  mustBeSignal(signal)
  mustCount({ batch })
}

/** What everything long is told. */
export function checkLong({ signal, onProgress }: LongOptions = {}): void {
  mustBeSignal(signal)
  mayBe('function', { onProgress })
}

export function isKey(key: Key): boolean {
  const { kind } = key
  if (kind === 'passphrase') return typeof key.words === 'string' && key.words !== ''
  if (kind === 'wrapped') return typeof key.wrap === 'function' && typeof key.unwrap === 'function'
  return ['raw', 'external'].includes(kind) && isA('Uint8Array', key.bytes) && key.bytes.length === 32
}

/** A key is one that opens: anything else would be a database that is not encrypted, or not with what the caller has. */
export function mustBeKey(key: unknown): void {
  must(typeof key === 'object' && key !== null && isKey(key as Key), 'a key is what passphrase(), rawKey(), webCryptoKey() or wrappedBy() gives')
}

/** How to open. The engine looks at what only it is told. */
export function checkOpening(name: unknown, options: OpenOptions): void {
  const { key, compression = { codec: 'none' }, durability, busyTimeout, backend, kdf, signal } = options
  mustBe('string', { name, codec: compression.codec })
  mustBeSignal(signal)
  if (key !== undefined) mustBeKey(key)
  mayBe('number', { busyTimeout, level: compression.level })
  mayBe('string', { kdf })
  mayBeOneOf(['strict', 'relaxed'], durability, 'durability')
  mayBeOneOf(['auto', 'opfs', 'indexeddb', 'memory'], backend, 'backend')
  if (!isA('Uint8Array', compression.dictionary)) mayBeOneOf(['auto', 'none'], compression.dictionary as 'auto', 'dictionary')
}
