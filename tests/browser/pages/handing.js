// The package's own worker, telling on the channel `handing` of each message with bytes in it how many those were, and how many of them were
// handed over: gone from here once they are sent. Whoever says `told` is answered when all that was sent before has been told.

const channel = new BroadcastChannel('handing')
channel.onmessage = () => channel.postMessage('told')
const bytesIn = (value, found = []) => {
  if (ArrayBuffer.isView(value)) found.push(value)
  else if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) bytesIn(part, found)
  return found
}
const { postMessage } = self
self.postMessage = (messages, transfer) => {
  const lengths = bytesIn(messages).map((bytes) => [bytes, bytes.length])
  postMessage.call(self, messages, transfer)
  const sum = (some) => some.reduce((sum, [, length]) => sum + length, 0)
  const all = sum(lengths)
  if (all > 0) channel.postMessage({ all, over: sum(lengths.filter(([bytes]) => bytes.length === 0)) })
}

importScripts('/dist/worker.js')
