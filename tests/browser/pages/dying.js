// The package's own worker, which stops dead inside a chosen call on a file: it tells the page, and the call does not return until the page
// ends the worker. Nothing that the worker may still do after that reaches a file or the page.
//
//   dying.js?at=half&after=7&channel=NAME&never=ADDRESS    in the 7th write, with half of its bytes written

const options = new URL(location.href).searchParams
const at = options.get('at')
let left = Number(options.get('after'))
let dead = false
const channel = new BroadcastChannel(options.get('channel'))

/** To be called at each chance to die; at the last one it does not return in time. */
function chance() {
  left -= 1
  if (left === 0) die()
}

function die() {
  dead = true
  channel.postMessage('now')
  // An answer that never comes: the one way to stand still that costs no processor. Ended with the worker.
  const request = new XMLHttpRequest()
  request.open('GET', options.get('never'), false)
  try {
    request.send()
  } finally {
    living()
  }
}

function living() {
  if (dead) throw new Error('this worker is dead')
}

function wrap(prototype, name, call) {
  const real = prototype[name]
  prototype[name] = function (...args) {
    living()
    return call((...args) => real.apply(this, args), ...args)
  }
}

const post = self.postMessage
self.postMessage = (...args) => {
  if (!dead) post.apply(self, args)
}

if (typeof FileSystemSyncAccessHandle === 'function') {
  wrap(FileSystemSyncAccessHandle.prototype, 'write', (real, data, where) => {
    if (at === 'write') chance()
    if (at === 'half' && left === 1) real(data.subarray(0, data.length >> 1), where)
    if (at === 'half') chance()
    const count = real(data, where)
    if (at === 'written') chance()
    return count
  })
  wrap(FileSystemSyncAccessHandle.prototype, 'flush', (real) => {
    real()
    if (at === 'flushed') chance()
  })
  wrap(FileSystemSyncAccessHandle.prototype, 'truncate', (real, length) => real(length))
}

wrap(IDBObjectStore.prototype, 'put', (real, ...args) => {
  if (at === 'put') chance()
  return real(...args)
})
wrap(IDBDatabase.prototype, 'transaction', (real, ...args) => {
  const transaction = real(...args)
  // Before those who wait for it hear that it is complete.
  if (at === 'complete' && transaction.mode === 'readwrite') transaction.addEventListener('complete', chance)
  return transaction
})

importScripts('/dist/worker.js')
