// The package's own worker, telling on the channel `watched` what passes between a database worker and its checkpoint worker: that one is at
// a job, and how large its memory was when it was done; and when somebody asked how much room there is,
// which is what `room` of its address says, if anything.

const channel = new BroadcastChannel('watched')
const real = MessagePort.prototype.postMessage
MessagePort.prototype.postMessage = function (message, ...rest) {
  if (message?.kind === 'job') channel.postMessage({ at: 'work' })
  if (message?.kind === 'done') channel.postMessage({ at: 'done', heapBytes: message.heapBytes })
  if (message?.kind === 'learnt') channel.postMessage({ at: 'learnt', bytes: message.dictionary?.length ?? 0 })
  return real.call(this, message, ...rest)
}

const estimate = StorageManager.prototype.estimate
StorageManager.prototype.estimate = async function () {
  const told = await estimate.call(this)
  const room = new URLSearchParams(location.search).get('room')
  channel.postMessage({ at: 'estimated' })
  return room === null ? told : { ...told, quota: told.usage + Number(room) }
}

importScripts('/dist/worker.js')
