// What is done with keys once a database is open: a file of its own, loaded when it is used.
//
// K3  The bytes of a wrapped key exist here only between its unwrapping and the message that takes them to the worker.

import type { Channel } from './channel.js'
import type { ask, carry } from './chores.js'
import type { CofferError } from './error.js'
import type { plainOf, plainOfNew, secretOf } from './keys.js'
import type { Kdf, Key, LongOptions, PlainKey } from './types.js'
import type { Root } from './verbs.js'

/** What this shares with the page's own file. */
export interface KeyKit {
  readonly ask: typeof ask
  readonly carry: typeof carry
  readonly CofferError: typeof CofferError
  readonly plainOf: typeof plainOf
  readonly plainOfNew: typeof plainOfNew
  readonly secretOf: typeof secretOf
}

/** Makes another slot. */
export async function addKey({ ask, plainOfNew, secretOf }: KeyKit, channel: Channel, key: Key, kdf: Kdf | undefined): Promise<number> {
  return (await ask(channel, { do: 'addKey', secret: secretOf(await plainOfNew(key)), kdf })) as number
}

/** Replaces a key; `changed` hears of it if it is the one that this page opens the database with. */
export async function changeKey(kit: KeyKit, channel: Channel, own: Key | undefined, old: Key, next: Key, kdf: Kdf | undefined, changed: (plain: PlainKey) => void): Promise<number> {
  const { ask, plainOfNew, secretOf } = kit
  const [from, to] = [await plainHere(kit, channel, old), await plainOfNew(next)]
  const slot = (await ask(channel, { do: 'changeKey', old: secretOf(from), next: secretOf(to), kdf })) as number
  if (own !== undefined && isSame(own, old)) changed(to)
  return slot
}

/** Encrypts everything anew. */
export async function rotateKeys(kit: KeyKit, channel: Channel, keys: readonly Key[], options: LongOptions): Promise<void> {
  if (keys.length === 0) throw new kit.CofferError('key_required', 'the database was opened without a key; encrypt it with encrypt()')
  const secrets = []
  for (const key of keys) secrets.push(kit.secretOf(await plainHere(kit, channel, key)))
  await kit.carry(channel, { name: 'rotate', secrets }, options)
}

async function plainHere({ ask, plainOf }: KeyKit, channel: Channel, key: Key): Promise<PlainKey> {
  return plainOf(key, key.kind === 'wrapped' ? ((await ask(channel, { do: 'slots' })) as Root).slots : [])
}

function isSame(one: Key, other: Key): boolean {
  if (one.kind === 'passphrase') return other.kind === 'passphrase' && one.words === other.words
  if (one.kind === 'raw') return other.kind === 'raw' && one.bytes.every((byte, index) => byte === other.bytes[index])
  return one === other
}
