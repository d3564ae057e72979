// What locks and channels are called.

import type { ClientId } from './protocol.js'

/** A database's lock, and the channel on which its workers find each other. */
export function lockName(database: string): string {
  return `coffer/${database}`
}

/** The lock that a client's worker holds while it is there, and the channel between it and the leader. */
export function clientName(database: string, [high, low]: ClientId): string {
  return `${lockName(database)}/client/${high.toString(16)}-${low.toString(16)}`
}
