// Keys on the worker's side.
//
// K1  Key bytes are wiped here as soon as the engine has its own copy, which wipes itself.
// K2  PBKDF2 is WebCrypto's affair where there is any: wasm takes ten times as long.

import { Secret as Handed } from '../../wasm/coffer_web.js'
import type { Root, Secret } from '../verbs.js'

const rounds = 600_000
const saltBytes = 16

/** Uses keys once, and wipes them whatever comes of it. */
export async function using<T>(secrets: readonly (Secret | undefined)[], work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } finally {
    for (const secret of secrets) secret?.bytes.fill(0)
  }
}

/** A key as the engine takes it. */
export function handed({ kind, bytes, more }: Secret): Handed {
  return new Handed(kind, bytes, more)
}

/** What to try a key as, in this order: a passphrase is first stretched for every slot that WebCrypto can stretch it for. */
export async function attempts(secret: Secret, slots: Root['slots']): Promise<Secret[]> {
  if (secret.kind !== 'passphrase') return [secret]
  const stretched = []
  for (const { kind, parameters } of slots) if (kind === 'pbkdf2') stretched.push(await stretch(secret, parameters))
  const known = stretched.filter((one) => one !== undefined)
  // Slots of the other kind, and those that could not be stretched here, are the engine's affair.
  return known.length > 0 && known.length === slots.filter(({ kind }) => kind === 'pbkdf2' || kind === 'argon2id').length ? known : [...known, secret]
}

/** A key for a new slot. */
export async function fresh(secret: Secret, kdf: string | undefined): Promise<Secret> {
  if (secret.kind !== 'passphrase' || kdf !== 'pbkdf2') return secret
  const parameters = new Uint8Array(saltBytes + 4)
  crypto.getRandomValues(parameters.subarray(0, saltBytes))
  new DataView(parameters.buffer).setUint32(saltBytes, rounds, true)
  return (await stretch(secret, parameters)) ?? secret
}

async function stretch({ bytes }: Secret, parameters: Uint8Array): Promise<Secret | undefined> {
  // An insecure page has no WebCrypto.
  if (!('subtle' in crypto) || parameters.length !== saltBytes + 4) return undefined
  const salt = parameters.slice(0, saltBytes)
  const iterations = new DataView(parameters.buffer, parameters.byteOffset).getUint32(saltBytes, true)
  const words = await crypto.subtle.importKey('raw', bytes, 'PBKDF2', false, ['deriveBits'])
  const bits = await crypto.subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt, iterations }, words, 256)
  return { kind: 'stretched', bytes: new Uint8Array(bits), more: parameters }
}
