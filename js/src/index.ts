// Coffer: SQLite for the browser, kept in a strongbox. Importing this does nothing and works on a server.

export { CofferError } from './error.js'
export { passphrase, rawKey, webCryptoKey, wrappedBy } from './keys.js'
export { destroy, inspect, list, open, restore } from './open.js'
export type * from './types.js'
