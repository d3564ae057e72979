// The keys of an open database.

import type { Channel } from './channel.js'
import { checkLong, must, mustBeKey } from './check.js'
import { ask } from './chores.js'
import { kit, loaded } from './kit.js'
import type { Kdf, Key, KeySlot, Keys, LongOptions, OpenOptions, PlainKey, Queries } from './types.js'

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

  add(key: Key): Promise<number> {
    mustBeKey(key)
    return keyPart().then(({ addKey }) => addKey(kit, this.#channel, key, this.#kdf))
  }

  remove(slot: number): Promise<void> {
    must(Number.isSafeInteger(slot), 'slot is a whole number')
    return ask(this.#channel, { do: 'removeKey', slot }) as Promise<undefined>
  }

  change(old: Key, next: Key): Promise<number> {
    mustBeKey(old)
    mustBeKey(next)
    const changed = (plain: PlainKey): void => {
      this.own = next
      this.#channel.rekey(plain)
    }
    return keyPart().then(({ changeKey }) => changeKey(kit, this.#channel, this.own, old, next, this.#kdf, changed))
  }

  rotate({ keys = this.own === undefined ? [] : [this.own], ...options }: LongOptions & { readonly keys?: readonly Key[] } = {}): Promise<void> {
    checkLong(options)
    keys.forEach(mustBeKey)
    return keyPart().then(({ rotateKeys }) => rotateKeys(kit, this.#channel, keys, options))
  }
}

function keyPart(): Promise<typeof import('./keyring.js')> {
  return loaded(import('./keyring.js'))
}
