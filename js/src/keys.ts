// Keys on the page: making them, and getting their bytes ready for the worker.
//
// K3  The bytes of a wrapped key exist here only between its unwrapping and the message that takes them to the worker.

import { CofferError } from './error.js'
import type { Key, PlainKey, Wrapping } from './types.js'
import type { Root, Secret } from './verbs.js'

const keyBytes = 32

/** Words that a person remembers. */
export function passphrase(words: string): Key {
  if (words === '') throw new TypeError('a passphrase has at least one letter')
  return { kind: 'passphrase', words }
}

/** 32 random bytes that are a key already. They are copied: whoever has them may wipe them at once. */
export function rawKey(bytes: Uint8Array): Key {
  if (bytes.length !== keyBytes) throw new TypeError(`a key has ${keyBytes} bytes, and not ${bytes.length}`)
  return { kind: 'raw', bytes: own(bytes) }
}

/** A key that the caller wraps and unwraps: with hardware, a passkey, a server. The database stores the wrapped form, at most 512 bytes. */
export function wrappedBy(wrapping: Omit<Wrapping, 'kind'>): Key {
  return { kind: 'wrapped', ...wrapping }
}

/** A WebCrypto key for AES-GCM or AES-KW, which may be one that cannot be exported: it wraps the database's own random key. */
export function webCryptoKey(key: CryptoKey): Key {
  const { name } = key.algorithm
  const { subtle } = crypto
  const may = (...usages: KeyUsage[]): boolean => usages.every((usage) => key.usages.includes(usage))
  const hasNonce = name === 'AES-GCM'
  const encrypts = hasNonce && may('encrypt', 'decrypt')
  if (!encrypts && !((hasNonce || name === 'AES-KW') && may('wrapKey', 'unwrapKey'))) {
    throw new TypeError('a CryptoKey for a database is of AES-GCM or AES-KW, with the usages wrapKey and unwrapKey, or encrypt and decrypt')
  }
  const how = (iv: Uint8Array<ArrayBuffer>): AesGcmParams | string => (hasNonce ? { name, iv } : name)
  // What a key of the kind that is wrapped could be used for does not matter: it is taken out again as bytes.
  const kind = 'AES-GCM'
  return wrappedBy({
    wrap: async (given) => {
      const iv = crypto.getRandomValues(new Uint8Array(hasNonce ? ivBytes : 0))
      const bytes = own(given)
      const wrapped = encrypts ? await subtle.encrypt(how(iv), key, bytes) : await subtle.wrapKey('raw', await subtle.importKey('raw', bytes, kind, true, ['encrypt']), key, how(iv))
      return new Uint8Array(await new Blob([iv, wrapped]).arrayBuffer())
    },
    unwrap: async (wrapped) => {
      const iv = own(wrapped.subarray(0, hasNonce ? ivBytes : 0))
      const bytes = own(wrapped.subarray(iv.length))
      return new Uint8Array(encrypts ? await subtle.decrypt(how(iv), key, bytes) : await subtle.exportKey('raw', await subtle.unwrapKey('raw', bytes, key, how(iv), kind, true, ['encrypt'])))
    },
  })
}

const ivBytes = 12

function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}

/** A key for a new slot: a wrapped one gets fresh bytes. */
export async function plainOfNew(key: Key): Promise<PlainKey> {
  if (key.kind !== 'wrapped') return key
  const bytes = crypto.getRandomValues(new Uint8Array(keyBytes))
  return { kind: 'external', bytes, wrapped: own(await key.wrap(bytes)) }
}

/** A key for a database that has these slots. */
export async function plainOf(key: Key, slots: Root['slots']): Promise<PlainKey> {
  if (key.kind !== 'wrapped') return key
  let cause: unknown
  for (const { kind, parameters } of slots) {
    if (kind !== 'external') continue
    try {
      return { kind: 'external', bytes: own(await key.unwrap(own(parameters))), wrapped: parameters }
    } catch (error) {
      cause = error
    }
  }
  // Where the unwrapping failed, its reason says more than ours.
  throw new CofferError('wrong_key', cause === undefined ? 'no key of this database was wrapped by its user; open it with another key' : `the key could not be unwrapped: ${cause instanceof Error ? cause.message : 'its unwrapping failed'}`, { cause })
}

/** A copy for the worker, which wipes it. */
export function secretOf(key: PlainKey): Secret {
  if (key.kind === 'passphrase') return { kind: key.kind, bytes: new TextEncoder().encode(key.words) }
  return { kind: key.kind, bytes: own(key.bytes), ...(key.kind === 'external' && { more: key.wrapped }) }
}
