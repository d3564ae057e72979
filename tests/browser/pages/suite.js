// The generic suite of backends on a real place of this browser, in a dedicated worker: posts how many claims held, or why one did not.

import { deviceSuite, initSync, onPanic } from '/js/suite/coffer_web.js'
import { IndexedDirectory } from '/js/stage/worker/indexeddb.js'
import { OpfsDirectory } from '/js/stage/worker/opfs.js'
import { removed } from '/js/stage/worker/idb.js'
import { removeFromOpfs } from '/js/stage/worker/opfs.js'

const places = {
  opfs: { find: (name) => OpfsDirectory.find(name, true), remove: removeFromOpfs },
  indexeddb: { find: (name) => IndexedDirectory.find(name, true), remove: removed },
}

async function run({ place, filesMax, offsetMax }) {
  const name = `suite-${place}`
  const bytes = await (await fetch('/js/suite/coffer_web_bg.wasm')).arrayBuffer()
  initSync({ module: await WebAssembly.compile(bytes) })
  let panic
  onPanic((message) => {
    panic = message
    postMessage({ panic })
  })
  let directory
  let open = new Map()
  const closeAll = async () => {
    await directory.settle()
    for (const file of open.values()) file.close()
    open = new Map()
    await directory.close()
  }
  const fresh = async () => {
    if (directory !== undefined) await closeAll()
    await places[place].remove(name)
    directory = await places[place].find(name)
  }
  // Everything is closed and opened again before each step, so what a step sees is what was kept.
  const prepare = async (files, names) => {
    const all = new Set([...open.keys(), ...names])
    await closeAll()
    directory = await places[place].find(name)
    for (const file of all) {
      open.set(file, await directory.open(file))
      files.put(file, open.get(file))
    }
  }
  const held = await deviceSuite(fresh, prepare, filesMax, offsetMax)
  await closeAll()
  return held
}

onmessage = ({ data }) => run(data).then((held) => postMessage({ held }), (error) => postMessage({ panic: String(error?.stack ?? error) }))
