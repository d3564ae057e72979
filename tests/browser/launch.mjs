// Starts the browsers of the machine for a test: a fresh profile on disk each, closed and removed afterwards.
// A persistent profile, because an ordinary Playwright context is like a private window, where OPFS is kept in memory.

import { mkdtemp, rm } from 'node:fs/promises'
import * as os from 'node:os'
import * as path from 'node:path'
import { chromium } from 'playwright-core'
import puppeteer from 'puppeteer-core'
import { chromiumArguments } from '../../scripts/browsers.mjs'

const wanted = process.env.COFFER_ENGINE

/** The engines this run covers: all that these tests support, or the one that COFFER_ENGINE names. */
export const engines = ['chromium', 'firefox'].filter((name) => wanted === undefined || wanted === name)

function program(variable) {
  const file = process.env[variable]
  if (!file) throw new Error(`${variable} is not set: run the tests through npm test, or export what node scripts/setup.mjs --print-env prints`)
  return file
}

/**
 * Opens a page in a browser of its own. Both drivers' pages are used through what they have in common: goto, evaluate, waitForFunction,
 * click, screenshot.
 */
export async function launch(engine) {
  const profile = await mkdtemp(path.join(os.tmpdir(), `coffer-${engine}-`))
  const { browser, page } = engine === 'chromium' ? await launchChromium(profile) : await launchFirefox(profile)
  const complaints = []
  page.on('pageerror', (error) => complaints.push(String(error)))
  const close = async () => {
    await browser.close()
    await rm(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
  }
  return { page, complaints, close }
}

async function launchChromium(profile) {
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: program('CHROMIUM'), headless: true, args: chromiumArguments, viewport: { width: 1280, height: 860 },
  })
  return { browser, page: browser.pages()[0] ?? (await browser.newPage()) }
}

async function launchFirefox(profile) {
  const browser = await puppeteer.launch({ browser: 'firefox', executablePath: program('FIREFOX'), headless: true, userDataDir: profile, defaultViewport: { width: 1280, height: 860 } })
  return { browser, page: await browser.newPage() }
}
