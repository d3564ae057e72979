// The package's own worker, which can be stopped at a point of a commit: told on a channel named after its address, it stands still there until it is
// ended, as a process does that is killed.
//
//   write     before anything of the commit is stored       written   after that, and before it is flushed
//   fourth    as the first, in the fourth commit from then  flushed   when it is durable, and nobody knows yet
//
// `panic` takes the generator of random numbers away, without which the engine panics in the middle of a commit.

const channel = new BroadcastChannel(`mortal${location.search}`)
let point
let writes = 0
channel.onmessage = ({ data }) => {
  point = data
  writes = 0
  channel.postMessage('set')
}

function reached(name) {
  if (name !== point) return
  channel.postMessage('stopped')
  for (;;);
}

if (typeof FileSystemSyncAccessHandle !== 'undefined') {
  const { write, flush } = FileSystemSyncAccessHandle.prototype
  FileSystemSyncAccessHandle.prototype.write = function (...args) {
    reached('write')
    if ((writes += 1) === 4) reached('fourth')
    return write.apply(this, args)
  }
  FileSystemSyncAccessHandle.prototype.flush = function () {
    reached('written')
    flush.call(this)
    reached('flushed')
  }
}
const { transaction } = IDBDatabase.prototype
IDBDatabase.prototype.transaction = function (stores, mode, options) {
  if (mode !== 'readwrite') return transaction.call(this, stores, mode, options)
  reached('write')
  const begun = transaction.call(this, stores, mode, options)
  begun.addEventListener('complete', () => reached('flushed'))
  queueMicrotask(() => reached('written'))
  return begun
}

const { getRandomValues } = crypto
crypto.getRandomValues = (array) => {
  if (point === 'panic') throw new Error('there is no randomness')
  return getRandomValues.call(crypto, array)
}

importScripts('/dist/worker.js')
