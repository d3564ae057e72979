// The package's own worker, telling on the channel `compiling` of each time that it compiles wasm, by whichever way, or fetches anything.

const channel = new BroadcastChannel('compiling')
for (const name of ['compile', 'compileStreaming']) {
  const real = WebAssembly[name]
  WebAssembly[name] = (...args) => {
    channel.postMessage(name)
    return real.apply(WebAssembly, args)
  }
}
WebAssembly.Module = new Proxy(WebAssembly.Module, {
  construct: (Module, args) => {
    channel.postMessage('Module')
    return new Module(...args)
  },
})
const { fetch } = self
self.fetch = (...args) => {
  channel.postMessage('fetch')
  return fetch(...args)
}
channel.postMessage('begun')

importScripts('/dist/worker.js')
