// A static file server for the demo page and the browser tests. Sends no special headers: the package must work without them.

import { createReadStream, statSync } from 'node:fs'
import { createServer } from 'node:http'
import * as path from 'node:path'

const types = {
  '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.mjs': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8',
  '.json': 'application/json', '.map': 'application/json', '.svg': 'image/svg+xml', '.wasm': 'application/wasm',
}

function find(folder, address) {
  try {
    const wanted = path.join(folder, decodeURIComponent(new URL(address, 'http://here').pathname))
    if (wanted !== folder && !wanted.startsWith(folder + path.sep)) return undefined
    const file = statSync(wanted).isDirectory() ? path.join(wanted, 'index.html') : wanted
    return { file, size: statSync(file).size }
  } catch {
    return undefined
  }
}

/** Serves `folder` on 127.0.0.1; port 0 takes any free one. Rejects if the port is taken. @returns {Promise<{ address: string, close: () => Promise<void> }>} */
export function serve(folder, port = 0) {
  const server = createServer((request, response) => {
    const found = find(path.resolve(folder), request.url ?? '/')
    if (found === undefined || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n')
      return
    }
    response.writeHead(200, { 'content-type': types[path.extname(found.file)] ?? 'application/octet-stream', 'content-length': found.size, 'cache-control': 'no-cache' })
    if (request.method === 'HEAD') response.end()
    else createReadStream(found.file).pipe(response)
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => {
      const close = () => new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      })
      resolve({ address: `http://127.0.0.1:${server.address().port}/`, close })
    })
  })
}
