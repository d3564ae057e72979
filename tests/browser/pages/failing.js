// The package's own worker, whose writing transactions of IndexedDB are aborted by the browser from when the channel `failing` says so.

let failing = false
const real = IDBDatabase.prototype.transaction
IDBDatabase.prototype.transaction = function (stores, mode, options) {
  const transaction = real.call(this, stores, mode, options)
  // When all that belongs to it has been asked for.
  if (failing && mode === 'readwrite') queueMicrotask(() => transaction.abort())
  return transaction
}

const channel = new BroadcastChannel('failing')
channel.onmessage = ({ data }) => {
  if (data !== 'now') return
  failing = true
  channel.postMessage('so be it')
}

importScripts('/dist/worker.js')
