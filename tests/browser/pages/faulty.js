// The package's own worker, whose storage fails when the channel `faulty` says so: `flush` or `put`, so many times. Answers when it will.

const failing = new BroadcastChannel('faulty')
const left = { flush: 0, put: 0 }
failing.onmessage = ({ data }) => {
  if (data.fail === undefined) return
  left[data.fail] = data.times
  failing.postMessage({ ready: data.fail })
}

const fails = (what) => left[what] > 0 && (left[what] -= 1, true)

if (globalThis.FileSystemSyncAccessHandle !== undefined) {
  const flush = FileSystemSyncAccessHandle.prototype.flush
  FileSystemSyncAccessHandle.prototype.flush = function () {
    if (fails('flush')) throw new DOMException('the disk is gone', 'InvalidStateError')
    return flush.call(this)
  }
}

const put = IDBObjectStore.prototype.put
IDBObjectStore.prototype.put = function (...args) {
  if (fails('put')) throw new DOMException('the disk is full', 'QuotaExceededError')
  return put.apply(this, args)
}

importScripts('/dist/worker.js')
