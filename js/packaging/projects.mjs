// Makes projects that use the package as people get it: packed, installed from the tarball, built by their own tools, opened in Chromium.

import { spawn, spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { createServer } from 'node:http'
import * as os from 'node:os'
import * as path from 'node:path'
import { serve } from '../../scripts/files.mjs'
import { root } from '../../scripts/rust.mjs'

const here = path.join(root, 'js', 'packaging')

export function run(folder, command, args) {
  const done = spawnSync(command, args, { cwd: folder, encoding: 'utf8', shell: process.platform === 'win32', env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' } })
  if (done.status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${done.stdout}${done.stderr}`)
  return done.stdout
}

const npm = (folder, ...args) => run(folder, 'npm', [...args, '--no-audit', '--no-fund', '--loglevel=error', '--prefer-offline'])

/** A folder for projects with the packed package in it; `end` removes it. */
export function workshop() {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'coffer-packaging-'))
  const tarball = path.join(folder, npm(root, 'pack', '--ignore-scripts', '--pack-destination', folder).trim().split('\n').at(-1))
  return { folder, tarball, end: () => fs.rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }) }
}

export function write(folder, files) {
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    fs.writeFileSync(path.join(folder, file), text)
  }
}

/** A project of its own, with the tarball and what else it needs installed. Returns its folder. */
export function project({ folder, tarball }, { name, install = {}, files = {} }) {
  const own = path.join(folder, name.replaceAll(/[^\w.]+/g, '-'))
  const dependencies = { 'coffer-db': `file:${tarball}`, ...install }
  write(own, { 'package.json': JSON.stringify({ name: 'fixture', private: true, type: 'module', dependencies }), ...files })
  npm(own, 'install')
  return own
}

/** A fixture, installed. */
function fixtureProject(shop, fixture) {
  const text = (name) => fs.readFileSync(path.join(here, name), 'utf8')
  const app = text(fixture.app ?? 'app.js').replace("'coffer-db'", `'${fixture.imports ?? 'coffer-db'}'`)
  return project(shop, { ...fixture, files: { 'app.js': app, ...(fixture.app !== undefined && { 'worker.js': text('worker.js') }), ...fixture.files } })
}

/** The same files with a Content-Security-Policy. */
async function guarded(site, policy) {
  const server = createServer(async (request, response) => {
    const answer = await fetch(new URL(request.url, site.address))
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type'), 'content-security-policy': policy })
    response.end(Buffer.from(await answer.arrayBuffer()))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = async () => {
    server.close()
    server.closeAllConnections()
    await site.close()
  }
  return { address: `http://127.0.0.1:${server.address().port}/`, close }
}

async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** A dev server in a process group of its own, which ends with it. */
async function developed(folder, [tool, ...args]) {
  const port = await freePort()
  const program = path.join(folder, 'node_modules', '.bin', tool)
  const child = spawn(program, args.map((word) => (word === 'PORT' ? String(port) : word)), {
    cwd: folder, detached: process.platform !== 'win32', stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' },
  })
  let said = ''
  const ended = new Promise((resolve) => child.once('close', resolve))
  // Such servers say where they are once they answer.
  await new Promise((resolve, reject) => {
    const hear = (text) => {
      said += text
      if (said.includes(String(port)) && /ready|Local/i.test(said)) resolve()
    }
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', hear)
    child.once('error', reject)
    ended.then(() => reject(new Error(`${tool} ended:\n${said}`)))
  })
  const close = async () => {
    process.kill(process.platform === 'win32' ? child.pid : -child.pid, 'SIGKILL')
    await ended
  }
  // By name: vite listens on what `localhost` is first.
  return { address: `http://localhost:${port}/`, close }
}

/** What the page of a site shows at the first visit and after a reload. */
export async function twoVisits(launch, address) {
  const { page, complaints, close } = await launch('chromium')
  const shown = []
  try {
    // A dev server compiles what it is asked for.
    await page.goto(address, { timeout: 180_000 })
    for (let count = 0; count < 2; count += 1) {
      if (count > 0) await page.reload()
      await page.waitForFunction(() => window.shown !== undefined, undefined, { timeout: 60_000 }).catch((error) => {
        throw new Error(`the page showed nothing: ${complaints.join('; ') || error.message}`)
      })
      shown.push(await page.evaluate(() => window.shown.error ?? window.shown.visits))
    }
    return shown
  } finally {
    await close()
  }
}

const countWasm = (folder) => fs.readdirSync(folder, { recursive: true }).filter((name) => String(name).endsWith('.wasm')).length

/** Builds a fixture and visits it twice. Returns what was shown, and how many wasm files what was served had. */
export async function tryOut(shop, fixture, launch) {
  const folder = fixtureProject(shop, fixture)
  if (fixture.build !== undefined) run(folder, path.join(folder, 'node_modules', '.bin', fixture.build[0]), fixture.build.slice(1))
  const served = fixture.dev === undefined ? path.join(folder, fixture.served) : undefined
  const files = served === undefined ? await developed(folder, fixture.dev) : await serve(served)
  const site = fixture.policy === undefined ? files : await guarded(files, fixture.policy)
  try {
    return { shown: await twoVisits(launch, site.address), wasm: served === undefined ? undefined : countWasm(served) }
  } finally {
    await site.close()
  }
}

/** What is wrong with it, or nothing. */
export function fault({ shown, wasm }, fixture) {
  if (shown.join() !== '1,2') return `the visits were ${shown.join(' and ')}`
  const expected = fixture.wasm ?? 1
  return wasm === undefined || wasm === expected ? undefined : `the project has ${wasm} wasm files instead of ${expected}`
}
