// The package's own worker, with every call on a file of OPFS counted, and the bytes that reads give: told on the channel `calls`, and
// begun anew with each answer.

const counts = {}
const count = (name, more) => {
  counts[name] = (counts[name] ?? 0) + more
}
for (const name of ['read', 'write', 'flush', 'truncate', 'getSize']) {
  const real = FileSystemSyncAccessHandle.prototype[name]
  FileSystemSyncAccessHandle.prototype[name] = function (...args) {
    count(name, 1)
    const given = real.apply(this, args)
    if (name === 'read') count('bytesRead', given)
    return given
  }
}

const channel = new BroadcastChannel('calls')
channel.onmessage = () => {
  channel.postMessage({ ...counts })
  for (const name of Object.keys(counts)) delete counts[name]
}

importScripts('/dist/worker.js')
