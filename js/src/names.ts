// What a page and its workers have to agree on without telling each other: names of locks and channels, and how to open once more.

import type { ClientId, Opening } from './protocol.js'

/** A database's lock, and the channel on which its workers find each other. */
export function lockName(database: string): string {
  return `coffer/${database}`
}

/** The lock that a client's worker holds while it is there, and the channel between it and the leader. */
export function clientName(database: string, [high, low]: ClientId): string {
  return `${lockName(database)}/client/${high.toString(16)}-${low.toString(16)}`
}

/** A name that nobody else has. `crypto.randomUUID` would do, but insecure pages have none, and these may open a database in memory. */
export function uniqueName(): string {
  return [...crypto.getRandomValues(new Uint32Array(4))].map((word) => word.toString(16)).join('-')
}

/** How to open what was open before: it is there by then, unless its worker died before anything was stored. */
export function reopening<O extends Pick<Opening, 'create'>>(opening: O): O {
  return opening.create === 'new' ? { ...opening, create: 'if_missing' } : opening
}
