// WebKitGTK for a test: its own driver, spoken to in plain WebDriver, and a display that nobody looks at. Pages have the methods that the
// tests use of the other engines' drivers: goto, evaluate, waitForFunction, click, screenshot, close.
//
// I1  Calls on different pages may overlap, although a session has one current window: a command holds it for `turnMs` at the most.
// I2  What was started is ended by `close`, and by the end of this process.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

/** How long a script may keep other pages of the session waiting. */
const turnMs = 200

/** WebKit turns these on by itself in Safari only. OPFS and its kin are there as they are in Safari's private windows: present, and refused. */
const features = '--features=+FileSystem,+AccessHandle,+FileSystemWritableStream,+StorageAPI,+StorageAPIEstimate'

/** Starts a display and gives its name. */
async function startDisplay(program, started) {
  const server = spawn(program, ['-displayfd', '3', '-screen', '0', '1280x1024x24', '-nolisten', 'tcp'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
  started.push(server)
  const [number] = await Promise.race([once(server.stdio[3], 'data'), failure(server, program)])
  return `:${String(number).trim()}`
}

/** Rejects when a program ends or cannot be started. */
async function failure(child, program) {
  const [code] = await once(child, 'exit')
  throw new Error(`${program} ended with code ${code} before it was ready`)
}

async function freePort() {
  const server = createServer()
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address()
  await once(server.close(), 'close')
  return port
}

/** The environment in which WebKitGTK keeps everything in one folder. */
function homeIn(folder, display) {
  const home = Object.fromEntries(['HOME', 'XDG_DATA_HOME', 'XDG_CACHE_HOME', 'XDG_CONFIG_HOME', 'XDG_RUNTIME_DIR'].map((name) => [name, folder]))
  return { ...process.env, ...home, DISPLAY: display, GDK_BACKEND: 'x11', NO_AT_BRIDGE: '1', LIBGL_ALWAYS_SOFTWARE: '1' }
}

/** Runs in the page: starts a call and keeps what becomes of it for whoever asks. */
function begin(id, source, argument) {
  if (window.driven === undefined) {
    window.driven = { calls: new Map(), complaints: [] }
    window.addEventListener('error', (event) => window.driven.complaints.push(String(event.error ?? event.message)))
    window.addEventListener('unhandledrejection', (event) => window.driven.complaints.push(String(event.reason)))
  }
  const failed = (error) => ({ failed: `${error?.name}: ${error?.message}` })
  const run = async () => {
    // A function's source, or an expression, as the other drivers take them.
    const made = (0, eval)(`(${source}\n)`)
    return { value: await (typeof made === 'function' ? made(argument) : made) }
  }
  window.driven.calls.set(id, run().catch(failed))
}

/** Runs in the page: waits a while for a call, and gives its outcome if it has come. */
function look(id, turn, done) {
  const late = new Promise((resolve) => setTimeout(() => resolve('late'), turn))
  // Whoever navigated meanwhile has lost the call.
  const call = window.driven?.calls.get(id) ?? Promise.resolve({ failed: 'the page was left before the call was done' })
  Promise.race([call, late]).then((outcome) => {
    if (outcome !== 'late') window.driven?.calls.delete(id)
    const complaints = window.driven?.complaints.splice(0) ?? []
    done({ outcome: outcome === 'late' ? 'late' : JSON.stringify(outcome), complaints })
  })
}

class Page {
  #session
  #handle
  #calls = 0
  #hear

  constructor(session, handle) {
    this.#session = session
    this.#handle = handle
  }

  /** Only `pageerror` is told. */
  on(event, listener) {
    if (event === 'pageerror') this.#hear = listener
  }

  goto(url) {
    return this.#command('POST', '/url', { url })
  }

  reload() {
    return this.#command('POST', '/refresh', {})
  }

  async evaluate(code, argument) {
    const id = (this.#calls += 1)
    await this.#run(begin, 'sync', [id, String(code), argument ?? null])
    for (;;) {
      const { outcome, complaints } = await this.#run(look, 'async', [id, turnMs])
      for (const complaint of complaints) this.#hear?.(complaint)
      if (outcome === 'late') continue
      const { value, failed } = JSON.parse(outcome)
      if (failed !== undefined) throw new Error(failed)
      return value
    }
  }

  async waitForFunction(code, { timeout = 30_000 } = {}) {
    for (const deadline = Date.now() + timeout; ; await pause(20)) {
      // A page that is being loaded has none of what is waited for.
      if (await this.evaluate(code).catch(() => false)) return
      if (Date.now() > deadline) throw new Error(`waited ${timeout} ms in vain for ${code}`)
    }
  }

  async click(selector) {
    const element = await this.#command('POST', '/element', { using: 'css selector', value: selector })
    await this.#command('POST', `/element/${Object.values(element)[0]}/click`, {})
  }

  async screenshot() {
    return Buffer.from(await this.#command('GET', '/screenshot'), 'base64')
  }

  /** Closes the tab. */
  close() {
    return this.#command('DELETE', '/window')
  }

  #run(body, kind, args) {
    return this.#command('POST', `/execute/${kind}`, { script: `return (${body}).apply(null, arguments)`, args })
  }

  #command(method, path, body) {
    return this.#session.inTurn(this.#handle, () => this.#session.command(method, path, body))
  }
}

class Session {
  #address
  #current
  #last = Promise.resolve()

  constructor(address, current) {
    this.#address = address
    this.#current = current
  }

  async command(method, path, body) {
    return request(method, this.#address + path, body)
  }

  /** Runs commands with a window as the current one, after those before. */
  inTurn(handle, work) {
    const done = this.#last.then(async () => {
      if (this.#current !== handle) await this.command('POST', '/window', { handle })
      this.#current = handle
      return work()
    })
    this.#last = done.catch(() => undefined)
    return done
  }

  async newPage() {
    const { handle } = await this.inTurn(this.#current, () => this.command('POST', '/window/new', { type: 'tab' }))
    return new Page(this, handle)
  }
}

async function request(method, address, body) {
  const response = await fetch(address, { method, ...(body !== undefined && { body: JSON.stringify(body) }) })
  const { value } = await response.json()
  if (!response.ok) throw new Error(`${method} ${new URL(address).pathname.replace(/^\/session\/[^/]*/, '')}: ${value.error}: ${value.message}`)
  return value
}

/** Ends what was started, last first, however this process ends. */
function ender(started) {
  const end = () => {
    for (const child of started.toReversed()) child.kill()
  }
  process.once('exit', end)
  return async () => {
    process.removeListener('exit', end)
    const ended = started.map((child) => (child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined))
    end()
    await Promise.all(ended)
  }
}

/**
 * Starts the browser with everything it keeps in `folder`. Sessions of its driver are like private windows: shared by their tabs, kept over
 * reloads, gone when they end.
 */
export async function launchWebKit(folder, { driver, display }) {
  const started = []
  const end = ender(started)
  try {
    const port = await freePort()
    const env = homeIn(folder, await startDisplay(display, started))
    const server = spawn(driver, ['-p', String(port)], { env, stdio: ['ignore', 'ignore', 'ignore'] })
    started.push(server)
    const address = `http://127.0.0.1:${port}`
    const lost = failure(server, driver)
    lost.catch(() => undefined)
    const ready = async () => {
      while (!(await request('GET', `${address}/status`).then(({ ready }) => ready, () => false))) await pause(20)
    }
    await Promise.race([ready(), lost])
    const capabilities = { alwaysMatch: { 'webkitgtk:browserOptions': { args: ['--automation', features] }, timeouts: { script: 60_000, pageLoad: 60_000 } } }
    const { sessionId } = await request('POST', `${address}/session`, { capabilities })
    const handle = await request('GET', `${address}/session/${sessionId}/window`)
    const session = new Session(`${address}/session/${sessionId}`, handle)
    const browser = {
      newPage: () => session.newPage(),
      close: async () => {
        await session.command('DELETE', '').catch(() => undefined)
        await end()
      },
    }
    return { browser, page: new Page(session, handle) }
  } catch (error) {
    await end()
    throw error
  }
}
