// The demo's server as `npm start` starts it, in a process of its own.

import { spawn } from 'node:child_process'

/** Starts it on a free port and waits for the address that it prints. */
export function startDemo() {
  const server = spawn(process.execPath, ['scripts/serve.mjs', '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => server.once('exit', resolve))
  const close = () => {
    server.kill()
    return ended
  }
  return new Promise((resolve, reject) => {
    let printed = ''
    server.stdout.setEncoding('utf8')
    server.stdout.on('data', (text) => {
      printed += text
      const address = /http:\/\/\S+/.exec(printed)?.[0]
      if (address !== undefined && printed.includes('\n')) resolve({ address, close })
    })
    void ended.then((code) => reject(new Error(`the demo's server ended with code ${code} before it printed an address`)))
  })
}
