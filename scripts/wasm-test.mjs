// Runs the tests of crate/web as wasm in a headless Chromium's dedicated worker, through wasm-pack and the local chromedriver, and those
// of crate/sqlite that need neither files nor threads, and those of crate/gcm; with `web`, `sqlite` or `gcm` as the first word, only those.

import * as fs from 'node:fs'
import * as path from 'node:path'
import { chromiumArguments } from './browsers.mjs'
import { entry, must, root, wasmEnvironment } from './rust.mjs'

const crates = ['web', 'sqlite', 'gcm']

await entry(async (args) => {
  // Unoptimised wasm on a busy machine takes longer than the runner's 20 seconds for the tests of one binary.
  const env = { WASM_BINDGEN_TEST_TIMEOUT: '300', ...(await wasmEnvironment()) }
  const [chosen, rest] = crates.includes(args[0]) ? [[args[0]], args.slice(1)] : [crates, args]
  for (const crate of chosen) {
    const place = path.join(root, 'crate', crate)
    // The test runner reads this file beside the manifest. It names a program of this machine, so it is written anew and not kept in git.
    const options = { 'goog:chromeOptions': { binary: env.CHROMIUM, args: chromiumArguments } }
    fs.writeFileSync(path.join(place, 'webdriver.json'), `${JSON.stringify(options, null, 2)}\n`)
    must('wasm-pack', ['test', '--headless', '--chrome', '--chromedriver', env.CHROMEDRIVER, '--mode', 'no-install', place, ...rest], env)
  }
})
