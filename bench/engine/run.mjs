// Builds the engine's bench for the browser, runs its page in Chromium and prints the table.
//
//   npm run bench:engine

import * as fs from 'node:fs'
import * as http from 'node:http'
import * as path from 'node:path'
import { launch } from '../../tests/browser/launch.mjs'
import { entry, must, root, targetDirectory, wasmEnvironment } from '../../scripts/rust.mjs'

const types = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' }

function serve(folder) {
  const server = http.createServer((request, response) => {
    const name = path.basename(new URL(request.url ?? '/', 'http://localhost').pathname) || 'index.html'
    const file = path.join(folder, name)
    if (!fs.existsSync(file)) return response.writeHead(404).end()
    response.writeHead(200, { 'content-type': types[path.extname(name)] ?? 'text/plain' }).end(fs.readFileSync(file))
  })
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

const text = (us) => (us < 1000 ? `${us.toFixed(1)} us` : `${(us / 1000).toFixed(1)} ms`)

await entry(async () => {
  const env = await wasmEnvironment()
  Object.assign(process.env, env)
  const folder = path.join(targetDirectory(), 'bench-engine')
  must('wasm-pack', ['build', path.join(root, 'bench', 'engine'), '--profile', 'wasm', '--target', 'web', '--mode', 'no-install', '--no-pack', '--no-opt', '--out-dir', folder], env)
  for (const name of ['index.html', 'worker.js']) fs.copyFileSync(path.join(root, 'bench', 'engine', 'page', name), path.join(folder, name))
  const server = await serve(folder)
  const { page, close } = await launch('chromium')
  try {
    await page.goto(`http://127.0.0.1:${server.address().port}/`)
    await page.waitForFunction(() => globalThis.finished || globalThis.failed, undefined, { timeout: 600_000 })
    const { results, failed } = await page.evaluate(() => ({ results: globalThis.results, failed: globalThis.failed }))
    if (failed !== undefined) throw new Error(failed)
    for (const { title, median, least } of results) console.log(`${title.padEnd(40)} median ${text(median).padStart(10)}   fastest ${text(least).padStart(10)}`)
    if (process.argv.includes('--screenshot')) await page.screenshot({ path: path.join(folder, 'page.png') })
  } finally {
    await close()
    server.close()
  }
})
