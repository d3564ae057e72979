// Keys on the page: making them, and getting their bytes ready for the worker.
//
// K3  The bytes of a wrapped key exist here only between its unwrapping and the message that takes them to the worker.

import { isA, isKey, must, mustBeKey } from './check.js'
import { CofferError } from './error.js'
import type { Key, PlainKey, Wrapping } from './types.js'
import type { Root, Secret } from './verbs.js'

const keyBytes = 32

/** Words that a person remembers. */
export function passphrase(words: string): Key {
  must(typeof words === 'string' && words !== '', 'a passphrase is a string of at least one letter')
  return { kind: 'passphrase', words }
}

/** 32 random bytes that are a key already. They are copied: whoever has them may wipe them at once. */
export function rawKey(bytes: Uint8Array): Key {
  must(isA('Uint8Array', bytes) && bytes.length === keyBytes, `a raw key is a Uint8Array of ${keyBytes} bytes`)
  return { kind: 'raw', bytes: own(bytes) }
}

/** A key that the caller wraps and unwraps: with hardware, a passkey, a server. The database stores the wrapped form, at most 512 bytes. */
export function wrappedBy(wrapping: Omit<Wrapping, 'kind'>): Key {
  const key: Key = { kind: 'wrapped', ...wrapping }
  mustBeKey(key)
  return key
}

/** A WebCrypto key for AES-GCM or AES-KW, which may be one that cannot be exported: it wraps the database's own random key. */
export function webCryptoKey(key: CryptoKey): Key {
  must(isA('CryptoKey', key), wanted)
  const { algorithm: { name }, usages } = key
  const may = (...wanted: KeyUsage[]): boolean => wanted.every((usage) => usages.includes(usage))
  const [encrypts, wraps] = [may('encrypt', 'decrypt'), may('wrapKey', 'unwrapKey')]
  must(name === 'AES-GCM' ? encrypts || wraps : name === 'AES-KW' && wraps, wanted)
  return wrappedBy({ wrap: async (bytes) => (await sealing()).wrapBy(key, bytes), unwrap: async (wrapped) => (await sealing()).unwrapBy(key, wrapped) })
}

function sealing(): Promise<typeof import('./sealing.js')> {
  return import('./sealing.js')
}

const wanted = 'a CryptoKey here is of AES-GCM or AES-KW and may wrapKey and unwrapKey, or encrypt and decrypt'

function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}

/** A key for a new slot: a wrapped one gets fresh bytes. */
export async function plainOfNew(key: Key): Promise<PlainKey> {
  if (key.kind !== 'wrapped') return key
  const bytes = crypto.getRandomValues(new Uint8Array(keyBytes))
  try {
    const wrapped = await key.wrap(bytes)
    must(isA('Uint8Array', wrapped) && wrapped.length > 0, 'wrap() gives a Uint8Array')
    return { kind: 'external', bytes, wrapped: own(wrapped) }
  } catch (cause) {
    throw new CofferError('denied', `the key could not be wrapped: ${messageOf(cause)}`, { cause })
  }
}

/** A key for a database that has these slots. */
export async function plainOf(key: Key, slots: Root['slots']): Promise<PlainKey> {
  if (key.kind !== 'wrapped') return key
  let cause: unknown
  for (const { kind, parameters } of slots) {
    if (kind !== 'external') continue
    try {
      const plain: PlainKey = { kind: 'external', bytes: own(await key.unwrap(own(parameters))), wrapped: parameters }
      must(isKey(plain), `unwrap() gives the ${keyBytes} bytes that wrap() was given`)
      return plain
    } catch (error) {
      cause = error
    }
  }
  // Where the unwrapping failed, its reason says more than ours.
  throw new CofferError('wrong_key', cause === undefined ? 'no key of this database was wrapped by its user; open it with another key' : `the key could not be unwrapped: ${messageOf(cause)}`, { cause })
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : 'it failed'
}

/** A copy for the worker, which wipes it. */
export function secretOf(key: PlainKey): Secret {
  if (key.kind === 'passphrase') return { kind: key.kind, bytes: new TextEncoder().encode(key.words) }
  return { kind: key.kind, bytes: own(key.bytes), ...(key.kind === 'external' && { more: key.wrapped }) }
}
