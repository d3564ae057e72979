// The package's own worker, telling on the channel `watched` what passes between a database worker and its checkpoint worker: that one is at
// a job, and how large its memory was when it was done.

const channel = new BroadcastChannel('watched')
const real = MessagePort.prototype.postMessage
MessagePort.prototype.postMessage = function (message, ...rest) {
  if (message?.kind === 'job') channel.postMessage({ at: 'work' })
  if (message?.kind === 'done') channel.postMessage({ at: 'done', heapBytes: message.heapBytes })
  if (message?.kind === 'learnt') channel.postMessage({ at: 'learnt', bytes: message.dictionary?.length ?? 0 })
  return real.call(this, message, ...rest)
}

importScripts('/dist/worker.js')
