// Runs the tests of crate/web as wasm in a headless Chromium's dedicated worker, through wasm-pack and the local chromedriver.

import * as fs from 'node:fs'
import * as path from 'node:path'
import { chromiumArguments } from './browsers.mjs'
import { entry, must, root, wasmEnvironment } from './rust.mjs'

await entry(async (args) => {
  const env = await wasmEnvironment()
  // The test runner reads this file beside the manifest. It names a program of this machine, so it is written anew and not kept in git.
  const options = { 'goog:chromeOptions': { binary: env.CHROMIUM, args: chromiumArguments } }
  fs.writeFileSync(path.join(root, 'crate', 'web', 'webdriver.json'), `${JSON.stringify(options, null, 2)}\n`)
  must('wasm-pack', ['test', '--headless', '--chrome', '--chromedriver', env.CHROMEDRIVER, '--mode', 'no-install', path.join(root, 'crate', 'web'), ...args], env)
})
