// The package's own worker, with the writing transactions of IndexedDB counted: told on the channel `transactions`, begun anew each time.

let counts = { begun: 0, complete: 0, strict: 0 }
const real = IDBDatabase.prototype.transaction
IDBDatabase.prototype.transaction = function (stores, mode, options) {
  const transaction = real.call(this, stores, mode, options)
  if (mode === 'readwrite') {
    counts.begun += 1
    if (options?.durability === 'strict') counts.strict += 1
    transaction.addEventListener('complete', () => (counts.complete += 1))
  }
  return transaction
}

const channel = new BroadcastChannel('transactions')
channel.onmessage = () => {
  channel.postMessage(counts)
  counts = { begun: 0, complete: 0, strict: 0 }
}

importScripts('/dist/worker.js')
