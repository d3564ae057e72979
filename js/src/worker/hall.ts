// What the workers of several tabs say to each other about one database. In the hall everybody hears everybody; each client has a line of
// its own, on which the messages of the protocol travel as they do between a page and its worker.
//
// I1  A message counts only on the link that it names: what was meant for an earlier leader, or for an earlier stay, reaches nobody.
// I2  A client holds its own lock for as long as it is there, so that a leader learns of its end however it comes.

import type { ClientId, Failure, FromWorker, ToWorker } from '../protocol.js'
import type { Root } from '../verbs.js'

/** What a client says of itself when it comes. */
export interface Hello {
  readonly client: ClientId
  /** Names this stay. */
  readonly link: string
  readonly version: string
  readonly readonly: boolean
  readonly durability: 'strict' | 'relaxed'
  readonly busyMs: number
  readonly backend: string
  readonly create: string
}

/** Said in the hall. */
export type Said =
  /** This one leads from now on. */
  | { readonly leads: string }
  /** The lock is taken and the files are being opened: have patience. */
  | { readonly rising: true }
  | { readonly hello: Hello }

/** What a client learns of the database that it is let in to. */
export interface Welcome {
  readonly found: bigint
  readonly manifest: Uint8Array
  readonly root: Root
}

/** Said on a client's line, by the leader. */
export type Down =
  | { readonly link: string; readonly leader: string; readonly welcome: Welcome }
  | { readonly link: string; readonly leader: string; readonly refused: Failure }
  | { readonly link: string; readonly down: FromWorker }

/** Said on a client's line, by the client. */
export type Up =
  | { readonly link: string; readonly up: ToWorker }
  | { readonly link: string; readonly bye: true }

/** One end of a channel, typed. */
export interface Line<In, Out> {
  post(message: Out): void
  heard: (message: In) => void
  close(): void
}

export function line<In, Out>(name: string, heard: (message: In) => void): Line<In, Out> {
  const channel = new BroadcastChannel(name)
  channel.onmessage = ({ data }: MessageEvent<In>): void => end.heard(data)
  const end: Line<In, Out> = { heard, post: (message) => channel.postMessage(message), close: () => channel.close() }
  return end
}

/** Who could not go with the leader as it is; undefined if it can. */
export function refusal({ version, backend, create }: Hello, ours: { readonly version: string; readonly place: string }, name: string): Failure | undefined {
  if (version !== ours.version) {
    return { code: 'locked_elsewhere', message: `another tab has ${name} open with version ${ours.version} of Coffer, this one has ${version}; reload the older tab` }
  }
  if (create === 'new') return { code: 'exists', message: `there is a database ${name} already; open it without create: 'new'` }
  if (backend !== 'auto' && backend !== ours.place) {
    return { code: 'locked_elsewhere', message: `another tab has ${name} open in ${ours.place}; close it there, or open it without backend: '${backend}'` }
  }
  return undefined
}
