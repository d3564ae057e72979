// A pause that lets waiting messages be heard, without the milliseconds that a timer takes at the least.

export class Turns {
  readonly #channel = new MessageChannel()

  /** Resolves after what came before it was heard. One caller waits at a time. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#channel.port1.onmessage = (): void => resolve()
      this.#channel.port2.postMessage(undefined)
    })
  }
}
