// Starts the browsers of the machine for a test: a fresh profile on disk each, closed and removed afterwards; and the server of its pages.
// A persistent profile, because an ordinary Playwright context is like a private window, where OPFS is kept in memory.

import { mkdtemp, rm } from 'node:fs/promises'
import * as os from 'node:os'
import * as path from 'node:path'
import { after, before } from 'node:test'
import { chromium } from 'playwright-core'
import puppeteer from 'puppeteer-core'
import { chromiumArguments } from '../../scripts/browsers.mjs'
import { serve } from '../../scripts/files.mjs'
import { launchWebKit } from './webkit.mjs'

/**
 * Each engine: how it is started, and the places where a database can be in it. WebKitGTK has no synchronous file handles (only Apple's
 * ports have), so OPFS is no place there; it runs when it is named, since not every test was seen to pass in it yet.
 */
const known = {
  chromium: { start: launchChromium, places: ['opfs', 'indexeddb'], names: true, authenticator: true, allow: grantInChromium },
  firefox: { start: launchFirefox, places: ['opfs', 'indexeddb'], names: true, allow: () => undefined },
  webkit: { start: startWebKit, places: ['indexeddb'], onlyByName: true, keepsFiles: true },
}

const wanted = process.env.COFFER_ENGINE

/** The engines this run covers: those that every machine is to have, or the one that COFFER_ENGINE names. */
export const engines = Object.keys(known).filter((name) => (wanted === undefined ? known[name].onlyByName !== true : wanted === name))

/** Where a database can be kept in an engine, best first. */
export const placesOf = (engine) => known[engine].places

/** Whether an engine has synchronous file handles: OPFS as a place, and what is measured or read through it. */
export const hasSyncHandles = (engine) => placesOf(engine).includes('opfs')

/** Whether an engine may keep a database of IndexedDB open, until the page goes, for a worker that was ended at its work. */
export const keepsFiles = (engine) => known[engine].keepsFiles === true

/** Whether a page gets handles of files from OPFS, which sessions of WebKit's driver refuse, since they are like private windows. */
export const hasFileHandles = hasSyncHandles

/**
 * Serves the repository, or what `start` does, for the tests of a file: from before the first to after the last, and not at all for none, since
 * nothing would end it. Its address is known when a test runs.
 */
export function served({ start = () => serve('.'), tests = true } = {}) {
  let site
  if (tests) {
    before(async () => (site = await start()))
    after(() => site.close())
  }
  return {
    get address() {
      return site.address
    },
  }
}

function program(variable) {
  const file = process.env[variable]
  if (!file) throw new Error(`${variable} is not set: run the tests through npm test, or export what node scripts/setup.mjs --print-env prints`)
  return file
}

/**
 * Opens a page in a browser of its own. The drivers' pages are used through what they have in common: goto, evaluate, waitForFunction,
 * click, screenshot, close. `newPage` opens a further tab, `complaints` collects the errors of all of them. With `hidden` it is a private
 * window; a session of WebKit's driver always is one.
 */
export async function launch(engine, { hidden = false } = {}) {
  const profile = await mkdtemp(path.join(os.tmpdir(), `coffer-${engine}-`))
  const { browser, page } = await known[engine].start(profile, hidden)
  const complaints = []
  const watched = (page) => {
    page.on('pageerror', (error) => complaints.push(String(error)))
    return page
  }
  const close = async () => {
    await browser.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
  return { page: watched(page), complaints, newPage: async () => watched(await browser.newPage()), close }
}

const viewport = { width: 1280, height: 860 }

/** A name of this machine that is no secure context without https, as `localhost` is; undefined where a browser cannot be told so. */
const insecureHost = 'insecure.test'

/** The same site under an address that makes its pages insecure. */
export const insecurely = (engine, address) => (known[engine].names === true ? address.replace(/127\.0\.0\.1|localhost/, insecureHost) : undefined)

async function launchChromium(profile, hidden) {
  const options = { executablePath: program('CHROMIUM'), headless: true, args: [...chromiumArguments, `--host-resolver-rules=MAP ${insecureHost} 127.0.0.1`] }
  if (!hidden) {
    const browser = await chromium.launchPersistentContext(profile, { ...options, viewport })
    return { browser, page: browser.pages()[0] ?? (await browser.newPage()) }
  }
  const browser = await chromium.launch(options)
  const window = await browser.newContext({ viewport })
  return { browser: { newPage: () => window.newPage(), close: () => browser.close() }, page: await window.newPage() }
}

async function launchFirefox(profile, hidden) {
  // A person would be asked whether a site may keep its data; here it always may.
  const persistence = { 'dom.storageManager.prompt.testing': true, 'dom.storageManager.prompt.testing.allow': true }
  const extraPrefsFirefox = { 'network.dns.localDomains': insecureHost, ...persistence, ...(hidden && { 'browser.privatebrowsing.autostart': true }) }
  const browser = await puppeteer.launch({ browser: 'firefox', executablePath: program('FIREFOX'), headless: true, userDataDir: profile, defaultViewport: viewport, protocolTimeout: 900_000, extraPrefsFirefox })
  return { browser, page: await browser.newPage() }
}

/** Lets pages of an address keep their data when room is short, as their user would; gives whether the engine can be told so. */
export async function allowPersistence(engine, page, address) {
  const { allow } = known[engine]
  await allow?.(page, new URL(address).origin)
  return allow !== undefined
}

async function grantInChromium(page, origin) {
  const session = await page.context().newCDPSession(page)
  await session.send('Browser.grantPermissions', { origin, permissions: ['durableStorage'] })
}

/** A passkey device that the browser plays, with PRF, and how to have it forget its passkeys; undefined where the driver has none. */
export async function virtualAuthenticator(engine, page) {
  if (known[engine].authenticator !== true) return undefined
  const session = await page.context().newCDPSession(page)
  await session.send('WebAuthn.enable')
  const options = { protocol: 'ctap2', ctap2Version: 'ctap2_1', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true, hasPrf: true }
  const { authenticatorId } = await session.send('WebAuthn.addVirtualAuthenticator', { options })
  return { forget: () => session.send('WebAuthn.clearCredentials', { authenticatorId }) }
}

function startWebKit(profile) {
  return launchWebKit(profile, { driver: program('WEBKITDRIVER'), display: program('XVFB') })
}
