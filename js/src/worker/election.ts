// Which part a tab's worker plays: the states from its beginning to its end, without the locks, messages and files that they are about.
//
//            enter            granted              opened             upgrade
//      out --------> asking ----------> rising ------------> leading ---------> reopening
//                      | taken          ^    ^                                      |
//                      v        granted |    '------------------ left --------------'
//                   waiting ------------+
//              welcomed | ^ announced   |
//                       v |             |
//                   checking -----------+   (the leader's manifest is held against our key)
//                  fits |               |
//                       v               |
//                   following ----------+
//
// A worker goes by ending, at any moment and in any state: the browser then frees its locks and closes its files.
//
// I1  Files are open only from `raise` to `close`, and the lock is held from before the one to after the other.
// I2  Whoever does not lead is in the queue for the lock, so that one of those that are there leads in the end.
// I3  A page is told `fail` at most once, and nothing after it.

/** Where a worker stands. */
export type State =
  | { readonly at: 'out' }
  | { readonly at: 'asking' }
  | { readonly at: 'waiting' }
  | { readonly at: 'checking'; readonly leader: string }
  | { readonly at: 'following'; readonly leader: string }
  | { readonly at: 'rising' }
  | { readonly at: 'leading' }
  | { readonly at: 'reopening' }
  | { readonly at: 'ended' }

/** What happens to it. */
export type Happening =
  /** The page wants the database. */
  | { readonly is: 'enter' }
  /** The lock is somebody else's, or ours. */
  | { readonly is: 'taken' | 'granted' }
  /** A leader has said that it leads, or has let us in, or will not have us. */
  | { readonly is: 'announced' | 'welcomed' | 'refused'; readonly leader: string }
  /** Our key opens the leader's database, or does not. */
  | { readonly is: 'fits' | 'misfits'; readonly leader: string }
  /** Our files are open, or did not open. */
  | { readonly is: 'opened' | 'failed' }
  /** Our files have to be opened anew, for writing. */
  | { readonly is: 'upgrade' }
  /** Our files are closed: for that, or because the page has closed the database. */
  | { readonly is: 'left' }
  /** Nobody has answered for too long. */
  | { readonly is: 'late' }

/** What is to be done about it, in this order. */
export type Deed =
  /** Ask whether the lock is free; wait for it in its queue; stop waiting; let go of it. */
  | 'ask' | 'queue' | 'unqueue' | 'free'
  /** Say hello to whoever leads; hold its manifest against our key; pass everything on to it from now on; take leave of it. */
  | 'hello' | 'check' | 'follow' | 'quit'
  /** Open the files; announce that we lead; close the files. */
  | 'raise' | 'lead' | 'close'
  /** Tell the page that it cannot have the database. */
  | 'fail'

type Step = readonly [State, ...Deed[]]

export const out: State = { at: 'out' }

/** What a worker becomes, and what it does. What cannot concern it in its state changes nothing. */
export function step(state: State, happening: Happening): Step {
  switch (state.at) {
    case 'out':
      return happening.is === 'enter' ? [{ at: 'asking' }, 'ask'] : [state]
    case 'asking':
      if (happening.is === 'taken') return [{ at: 'waiting' }, 'queue', 'hello']
      return happening.is === 'granted' ? [{ at: 'rising' }, 'raise'] : [state]
    case 'waiting':
    case 'checking':
    case 'following':
      return without(state, happening)
    case 'rising':
      if (happening.is === 'opened') return [{ at: 'leading' }, 'lead']
      return happening.is === 'failed' ? [{ at: 'ended' }, 'free', 'fail'] : [state]
    case 'leading':
      if (happening.is === 'left') return [{ at: 'ended' }, 'free']
      return happening.is === 'upgrade' ? [{ at: 'reopening' }, 'close'] : [state]
    case 'reopening':
      return happening.is === 'left' ? [{ at: 'rising' }, 'raise'] : [state]
    case 'ended':
      // It was on its way when we stopped waiting.
      return happening.is === 'granted' ? [state, 'free'] : [state]
    default:
      return state satisfies never
  }
}

/** Without the lock. */
function without(state: State & { at: 'waiting' | 'checking' | 'following' }, happening: Happening): Step {
  const ours = state.at === 'waiting' ? undefined : state.leader
  switch (happening.is) {
    case 'granted':
      return [{ at: 'rising' }, 'raise']
    case 'announced':
      return happening.leader === ours ? [state] : [{ at: 'waiting' }, 'hello']
    case 'welcomed':
      return state.at === 'waiting' ? [{ at: 'checking', leader: happening.leader }, 'check'] : [state]
    case 'fits':
      return state.at === 'checking' && happening.leader === ours ? [{ at: 'following', leader: happening.leader }, 'follow'] : [state]
    case 'misfits':
      return state.at === 'checking' && happening.leader === ours ? [{ at: 'ended' }, 'quit', 'unqueue', 'fail'] : [state]
    case 'refused':
      return state.at === 'waiting' ? [{ at: 'ended' }, 'unqueue', 'fail'] : [state]
    case 'late':
      return state.at === 'waiting' ? [{ at: 'ended' }, 'unqueue', 'fail'] : [state]
    default:
      return [state]
  }
}
