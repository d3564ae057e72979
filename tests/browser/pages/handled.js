// Counts the handles of OPFS in this worker, the bytes that are read and the connections to IndexedDB, and has any step of opening fail on demand: by the order in its
// address, { fail: n } for the nth step and { busy: name, ms, call } to refuse handles by that error, or what another call gives, or by `failAt`.
// The channel `handles` tells the counts.

const counts = { open: 0, most: 0, connections: 0, reads: 0, bytes: 0, writes: 0, steps: 0, failed: '' }
let fail = 0
let busy

function step(what) {
  counts.steps += 1
  if (counts.steps !== fail) return
  counts.failed = what
  throw new DOMException(`${what} was made to fail`, 'UnknownError')
}

const wrap = (target, name, around) => {
  const real = target[name]
  target[name] = function (...args) {
    return around(() => real.apply(this, args), args, this)
  }
}

for (const [target, name] of [
  [StorageManager.prototype, 'getDirectory'],
  [FileSystemDirectoryHandle.prototype, 'getDirectoryHandle'],
  [FileSystemDirectoryHandle.prototype, 'getFileHandle'],
  [FileSystemDirectoryHandle.prototype, 'removeEntry'],
]) {
  wrap(target, name, async (go) => {
    step(name)
    return go()
  })
}
function refuse(call, file) {
  step(call)
  // The library tries a file of its own first, whether there are handles at all.
  if (busy?.call === call && !file.name.startsWith('coffer-probe') && performance.now() < busy.until) throw new DOMException('held by another', busy.name)
}
wrap(FileSystemFileHandle.prototype, 'getFile', async (go, _, file) => {
  refuse('getFile', file)
  return go()
})
wrap(FileSystemFileHandle.prototype, 'createSyncAccessHandle', async (go, _, file) => {
  refuse('createSyncAccessHandle', file)
  const handle = await go()
  counts.open += 1
  counts.most = Math.max(counts.most, counts.open)
  return handle
})
const handles = FileSystemSyncAccessHandle.prototype
wrap(handles, 'close', (go) => {
  counts.open -= 1
  return go()
})
wrap(handles, 'read', (go, [out]) => {
  step('read')
  counts.reads += 1
  counts.bytes += out.byteLength
  return go()
})
wrap(handles, 'write', (go) => {
  step('write')
  counts.writes += 1
  return go()
})
for (const name of ['flush', 'truncate']) {
  wrap(handles, name, (go) => {
    step(name)
    return go()
  })
}
const asked = new WeakMap()
wrap(handles, 'getSize', (go, _, handle) => {
  // One file is asked a hundred times, to see what a call costs: a few of them are as good as all.
  asked.set(handle, (asked.get(handle) ?? 0) + 1)
  if (asked.get(handle) <= 3) step('getSize')
  return go()
})

wrap(IDBFactory.prototype, 'open', (go) => {
  step('open')
  const request = go()
  request.addEventListener('success', () => (counts.connections += 1))
  return request
})
wrap(IDBDatabase.prototype, 'close', (go) => {
  counts.connections -= 1
  return go()
})
wrap(IDBDatabase.prototype, 'transaction', (go) => {
  step('transaction')
  return go()
})
for (const name of ['get', 'getAll', 'getAllKeys', 'put']) {
  wrap(IDBObjectStore.prototype, name, (go, _, store) => {
    const request = go()
    try {
      step(name)
    } catch {
      // As the browser does when its disk fails; never between two calls.
      queueMicrotask(() => store.transaction.abort())
    }
    return request
  })
}

const order = JSON.parse(new URLSearchParams(location.search).get('order') ?? '{}')
fail = order.fail ?? 0
if (order.busy !== undefined) busy = { name: order.busy, call: order.call ?? 'createSyncAccessHandle', until: performance.now() + order.ms }

const channel = new BroadcastChannel('handles')
channel.onmessage = ({ data }) => {
  if (data !== 'count') return
  channel.postMessage({ ...counts })
  counts.most = counts.open
  counts.reads = counts.bytes = counts.writes = 0
}

self.counts = counts
/** Has the nth step from now on fail. */
self.failAt = (nth) => {
  counts.failed = ''
  counts.steps = 0
  fail = nth
}
