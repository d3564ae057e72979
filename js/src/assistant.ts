// The page's part in having a checkpoint worker: it makes the second worker and hands an end of a channel to each. What they say to each
// other is theirs (errands.ts).
//
// I1  There is one at a time, and none when the database worker is gone.

import type { Employment, Offer } from './errands.js'

export class Assistant {
  readonly #make: () => Worker
  #worker: Worker | undefined

  /** `make` starts a worker of the same file as the database worker's. */
  constructor(make: () => Worker) {
    this.#make = make
  }

  /** Has one made for a database worker, which hears of it; and hears of it if there is none to be had: then it does its upkeep itself. */
  start(owner: Worker | undefined): void {
    this.end()
    if (owner === undefined) return
    try {
      const worker = this.#make()
      this.#worker = worker
      worker.onerror = (event): void => {
        event.preventDefault() // Upkeep is done without it.
        offer(owner, undefined)
      }
      const { port1, port2 } = new MessageChannel()
      worker.postMessage({ serve: port2 } satisfies Employment, [port2])
      offer(owner, port1)
    } catch {
      offer(owner, undefined)
    }
  }

  /** Ends it (I1). */
  end(): void {
    this.#worker?.terminate()
    this.#worker = undefined
  }
}

function offer(owner: Worker, helper: MessagePort | undefined): void {
  owner.postMessage({ helper } satisfies Offer, helper === undefined ? [] : [helper])
}
