// What the browser does to the page: puts it aside, in the back-forward cache or frozen in the background, and takes it up again. A page that
// is put aside must not keep the files, since its worker stands still and cannot be asked for them.

import type { Channel } from './channel.js'

/** Has the database given up while the page is aside. */
export function watchPage(channel: Channel): void {
  // A worker that opens databases is never put aside by itself.
  if (typeof document === 'undefined') return
  const stop = new AbortController()
  const listen = (target: EventTarget, name: string, heed: () => void): void =>
    target.addEventListener(name, (event) => {
      if (channel.ended !== undefined) stop.abort()
      // A page that is shown or hidden for good says so, too.
      else if ((event as Partial<PageTransitionEvent>).persisted !== false) heed()
    }, { signal: stop.signal })
  listen(window, 'pagehide', () => channel.away())
  listen(document, 'freeze', () => channel.away())
  listen(document, 'resume', () => channel.back())
  listen(window, 'pageshow', () => channel.back())
}
