// The files of a database as bytes, read and written beside the engine, in any place. The database must be closed: in OPFS so that its
// files can be had, in IndexedDB so that nobody's memory is ahead of them.

import { IndexedDirectory } from '/js/stage/worker/indexeddb.js'

/** The folder of a database in OPFS. */
async function folder(name, create) {
  const all = await (await navigator.storage.getDirectory()).getDirectoryHandle('coffer', { create })
  return all.getDirectoryHandle(encodeURIComponent(name), { create })
}

const places = {
  opfs: {
    async read(name) {
      const files = {}
      for await (const [file, handle] of (await folder(name, false)).entries()) files[file] = new Uint8Array(await (await handle.getFile()).arrayBuffer())
      return files
    },
    async write(name, files) {
      const directory = await folder(name, true)
      for (const [file, bytes] of Object.entries(files)) {
        const stream = await (await directory.getFileHandle(file, { create: true })).createWritable()
        await stream.write(bytes)
        await stream.close()
      }
    },
  },
  indexeddb: {
    async read(name) {
      const directory = await IndexedDirectory.find(name, false)
      const files = {}
      for (const file of await directory.list()) {
        const open = await directory.open(file)
        files[file] = new Uint8Array(open.size())
        open.read(files[file], 0)
      }
      await directory.close()
      return files
    },
    async write(name, files) {
      const directory = await IndexedDirectory.find(name, true)
      for (const [file, bytes] of Object.entries(files)) (await directory.open(file)).write(bytes, 0)
      await directory.settle()
      await directory.close()
    },
  },
}

/** The files of a database: name to bytes. */
export const readFiles = (place, name) => places[place].read(name)

/** Writes files of a database; in IndexedDB the engine's only. */
export const writeFiles = (place, name, files) => places[place].write(name, files)

/** Whether text can be read anywhere in the files of a database. */
export async function isReadable(place, name, text) {
  const needle = new TextEncoder().encode(text)
  const found = (bytes) => {
    for (let at = bytes.indexOf(needle[0]); at >= 0; at = bytes.indexOf(needle[0], at + 1)) if (needle.every((byte, index) => bytes[at + index] === byte)) return true
    return false
  }
  return Object.values(await readFiles(place, name)).some(found)
}
