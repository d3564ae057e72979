// The keys of an open database.

import type { Channel } from './channel.js'
import { ask, carry } from './chores.js'
import { CofferError } from './error.js'
import { plainOf, plainOfNew, secretOf } from './keys.js'
import type { Kdf, Key, KeySlot, Keys, LongOptions, OpenOptions, PlainKey, Queries } from './types.js'
import type { Root } from './verbs.js'

export class WorkerKeys implements Keys {
  readonly #channel: Channel
  readonly #queries: Queries
  /** The one that this page opens the database with. */
  own: Key | undefined
  readonly #kdf: Kdf | undefined

  constructor(channel: Channel, queries: Queries, { key, kdf }: Pick<OpenOptions, 'kdf' | 'key'>) {
    this.#channel = channel
    this.#queries = queries
    this.own = key
    this.#kdf = kdf
  }

  list(): Promise<KeySlot[]> {
    return this.#queries.query<KeySlot>('select slot, kind from key_slots')
  }

  async add(key: Key): Promise<number> {
    return (await ask(this.#channel, { do: 'addKey', secret: secretOf(await plainOfNew(key)), kdf: this.#kdf })) as number
  }

  async remove(slot: number): Promise<void> {
    await ask(this.#channel, { do: 'removeKey', slot })
  }

  async change(old: Key, next: Key): Promise<number> {
    const [from, to] = [await this.#plain(old), await plainOfNew(next)]
    const slot = (await ask(this.#channel, { do: 'changeKey', old: secretOf(from), next: secretOf(to), kdf: this.#kdf })) as number
    if (this.own !== undefined && isSame(this.own, old)) {
      this.own = next
      this.#channel.rekey(to)
    }
    return slot
  }

  async rotate({ keys = this.own === undefined ? [] : [this.own], ...options }: LongOptions & { readonly keys?: readonly Key[] } = {}): Promise<void> {
    if (keys.length === 0) throw new CofferError('key_required', 'the database was opened without a key; encrypt it with encrypt()')
    const secrets = []
    for (const key of keys) secrets.push(secretOf(await this.#plain(key)))
    await carry(this.#channel, { name: 'rotate', secrets }, options)
  }

  async #plain(key: Key): Promise<PlainKey> {
    return plainOf(key, key.kind === 'wrapped' ? ((await ask(this.#channel, { do: 'slots' })) as Root).slots : [])
  }
}

function isSame(one: Key, other: Key): boolean {
  if (one.kind === 'passphrase') return other.kind === 'passphrase' && one.words === other.words
  if (one.kind === 'raw') return other.kind === 'raw' && one.bytes.every((byte, index) => byte === other.bytes[index])
  return one === other
}
