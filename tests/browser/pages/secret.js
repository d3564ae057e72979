// Looks for a secret in whatever is said. For pages as a script of theirs, for workers by importScripts.

/** Has `found` hear, from now on, of each kind of call by which a realm says something, whenever that has the secret in it. */
self.watchFor = (secret, found) => {
  const text = new TextDecoder('latin1').decode(secret)

  function holds(value, seen = new Set()) {
    if (typeof value === 'string') return value.includes(text)
    if (typeof value !== 'object' || value === null || seen.has(value)) return false
    seen.add(value)
    if (ArrayBuffer.isView(value)) return inBytes(new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
    if (value instanceof ArrayBuffer) return inBytes(new Uint8Array(value))
    if (value instanceof Error && holds(`${value.message} ${value.stack}`, seen)) return true
    return Object.values(value).some((part) => holds(part, seen))
  }

  const watch = (target, name, kind) => {
    const real = target?.[name]
    if (typeof real !== 'function') return
    target[name] = function (...args) {
      if (args.some((arg) => holds(arg))) found(kind)
      return real.apply(this, args)
    }
  }
  for (const kind of ['Worker', 'BroadcastChannel', 'MessagePort']) watch(self[kind]?.prototype, 'postMessage', kind)
  if (typeof WorkerGlobalScope !== 'undefined') watch(self, 'postMessage', 'postMessage')
  for (const name of ['debug', 'error', 'info', 'log', 'warn']) watch(console, name, 'console')

  function inBytes(bytes) {
    for (let at = bytes.indexOf(secret[0]); at >= 0; at = bytes.indexOf(secret[0], at + 1)) {
      let same = 1
      while (same < secret.length && bytes[at + same] === secret[same]) same += 1
      if (same === secret.length) return true
    }
    return false
  }
  return { inBytes }
}
