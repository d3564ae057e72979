// The package's own worker, whose engine traps when it is a checkpoint worker: with a bare trap, which says nothing, as in the engine that is
// published. Told on the channel `trapping`: `trapped`, and `again` for each call into the instance after that.
//
//   trapping.js?call=3    in the third call of the engine after it has said that it is ready

/** A module whose one function is `unreachable`. */
const unreachable = new WebAssembly.Module(
  new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 0x60, 0, 0, 3, 2, 1, 0, 7, 5, 1, 1, 0x74, 0, 0, 10, 5, 1, 3, 0, 0, 0x0b]),
)
const trap = new WebAssembly.Instance(unreachable).exports.t

const channel = new BroadcastChannel('trapping')
const call = Number(new URL(location.href).searchParams.get('call'))
let calls = 0
let ready = false

const { Instance } = WebAssembly
WebAssembly.Instance = function (...args) {
  const wrapped = ([name, real]) => {
    if (typeof real !== 'function') return [name, real]
    return [
      name,
      (...args) => {
        if (ready && (calls += 1) === call) {
          channel.postMessage('trapped')
          trap()
        }
        if (ready && calls > call) channel.postMessage('again')
        return real(...args)
      },
    ]
  }
  return { exports: Object.fromEntries(Object.entries(new Instance(...args).exports).map(wrapped)) }
}

const { postMessage } = MessagePort.prototype
MessagePort.prototype.postMessage = function (message, ...rest) {
  // Only a checkpoint worker says so.
  if (message?.kind === 'ready') ready = true
  return postMessage.call(this, message, ...rest)
}

importScripts('/dist/worker.js')
