// The package's own worker, looking for a secret in everything that leaves it, and on demand in the memory of its wasm.
//
//   leaky.js?secret=HEX    on the channel `leaky`: whoever says 'where' is told where it was found since the last time, and how often
//                          WebCrypto has stretched something

importScripts('./secret.js')

const secret = Uint8Array.from(new URL(location.href).searchParams.get('secret').match(/../g), (pair) => parseInt(pair, 16))
const places = []
const memories = []
const { Instance } = WebAssembly
WebAssembly.Instance = function (...args) {
  const made = new Instance(...args)
  memories.push(...Object.values(made.exports).filter((one) => one instanceof WebAssembly.Memory))
  return made
}

let stretched = 0
const { deriveBits } = SubtleCrypto.prototype
SubtleCrypto.prototype.deriveBits = function (...args) {
  stretched += 1
  return deriveBits.apply(this, args)
}

const channel = new BroadcastChannel('leaky')
const { inBytes } = self.watchFor(secret, (kind) => places.push(kind))
channel.onmessage = ({ data }) => {
  if (data !== 'where') return
  const bytes = memories.map(({ buffer }) => new Uint8Array(buffer))
  channel.postMessage({ places: places.splice(0), stretched, memories: bytes.length, inMemory: bytes.some(inBytes), looks: bytes.some((one) => one.length > 1e6) })
}

importScripts('/dist/worker.js')
