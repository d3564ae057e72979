// The package's own worker, with every call on a file of OPFS counted: told on the channel `calls`, and begun anew with each answer.

const counts = {}
for (const name of ['read', 'write', 'flush', 'truncate', 'getSize']) {
  const real = FileSystemSyncAccessHandle.prototype[name]
  FileSystemSyncAccessHandle.prototype[name] = function (...args) {
    counts[name] = (counts[name] ?? 0) + 1
    return real.apply(this, args)
  }
}

const channel = new BroadcastChannel('calls')
channel.onmessage = () => {
  channel.postMessage({ ...counts })
  for (const name of Object.keys(counts)) delete counts[name]
}

importScripts('/dist/worker.js')
