// The package's own worker, telling on the channel `watched` what passes between a database worker and its checkpoint worker: that one is at
// a job, and how large its memory was when it was done; and when somebody asked how much room there is. Its address may say more:
//
// room    that there are so many bytes of room
// trap    that the engine of the checkpoint worker traps in the first job that learns, and then in every call
// busy    that the checkpoint worker is so many milliseconds deaf when it begins to learn
// unready that the checkpoint worker does not hear that it is to begin
// late    that the database worker hears of a failure of its checkpoint worker only when a lock that this one gave up would be known to be free

const channel = new BroadcastChannel('watched')
const asked = new URLSearchParams(location.search)
const real = MessagePort.prototype.postMessage
MessagePort.prototype.postMessage = function (message, ...rest) {
  if (message?.kind === 'job') channel.postMessage({ at: message.target === '' ? 'learning' : 'work' })
  if (message?.kind === 'done') channel.postMessage({ at: 'done', heapBytes: message.heapBytes })
  return real.call(this, message, ...rest)
}

const estimate = StorageManager.prototype.estimate
StorageManager.prototype.estimate = async function () {
  const told = await estimate.call(this)
  channel.postMessage({ at: 'estimated' })
  return asked.has('room') ? { ...told, quota: told.usage + Number(asked.get('room')) } : told
}

if (asked.has('trap') || asked.has('busy')) {
  let learns = false
  addEventListener('message', ({ data }) => {
    data?.serve?.addEventListener('message', ({ data: errand }) => {
      if (errand.kind === 'job' && errand.target === '') learns = true
    })
  })
  const disturbed = (call) => (...args) => {
    if (learns && asked.has('trap')) throw new WebAssembly.RuntimeError('unreachable')
    const end = learns ? performance.now() + Number(asked.get('busy')) : 0
    learns = false
    while (performance.now() < end);
    return call(...args)
  }
  const Instance = WebAssembly.Instance
  WebAssembly.Instance = function (module, imports) {
    const { exports } = new Instance(module, imports)
    return { exports: Object.fromEntries(Object.entries(exports).map(([name, value]) => [name, typeof value === 'function' ? disturbed(value) : value])) }
  }
}

if (asked.has('unready')) {
  addEventListener('message', ({ data }) => {
    data?.serve?.addEventListener('message', (event) => {
      if (event.data.kind !== 'begin') return
      event.stopImmediatePropagation()
      channel.postMessage({ at: 'begin' })
    })
  })
}

// What a port brings and what a lock tells come by different ways, and WebKit's locks are often the faster.
if (asked.has('late')) {
  const lateMs = 1000
  const late = new WeakSet()
  addEventListener('message', ({ data }) => {
    data?.helper?.addEventListener('message', (event) => {
      if (event.data.kind !== 'failed' || late.has(event)) return
      event.stopImmediatePropagation()
      channel.postMessage({ at: 'late' })
      const again = new MessageEvent('message', { data: event.data })
      late.add(again)
      setTimeout(() => event.target.dispatchEvent(again), lateMs)
    })
  })
}

importScripts('/dist/worker.js')
