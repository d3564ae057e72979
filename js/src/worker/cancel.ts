// How a statement learns that nobody wants it any more, while it keeps the worker from hearing messages.
//
// The page gives a cancellable request the address of an empty Blob and revokes it to cancel. The worker asks for that address, which it
// can do without returning to its event loop. Shared memory would be quicker, but needs headers that most sites do not send. Where a
// Content-Security-Policy forbids the asking (connect-src without blob:), requests are cancelled between statements and chunks only.

/** A statement is let be for this long before the first look, and between looks: a look costs about a millisecond. */
const lookMs = 60

let usable = false
let watched: readonly string[] = []
let due = 0

/** Finds out whether asking works, by an address that leads somewhere. */
export function probe(address: string | undefined): void {
  usable = address !== undefined && leads(address)
}

/** Runs `work`, which is to be interrupted when one of `flags` stops leading anywhere. */
export function interruptible<T>(flags: readonly string[] | undefined, work: () => T): T {
  watched = usable ? flags ?? [] : []
  due = performance.now() + lookMs
  try {
    return work()
  } finally {
    watched = []
  }
}

/** Asked by SQLite every few thousand instructions. */
export function interrupted(): boolean {
  if (watched.length === 0) return false
  const now = performance.now()
  if (now < due) return false
  due = now + lookMs
  return !watched.every(leads)
}

function leads(address: string): boolean {
  try {
    const request = new XMLHttpRequest()
    request.open('GET', address, false)
    request.send()
    return request.status === 200
  } catch {
    return false
  }
}
