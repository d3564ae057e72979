// Builds crate/web for the browser: wasm-pack (profile `wasm` of Cargo.toml: fat LTO, for size where speed is not lost), then wasm-opt. Leaves in js/wasm/ the glue that
// js/src/host.ts imports and store.wasm.
//
//   node scripts/wasm.mjs [--dev]     --dev: no LTO and no wasm-opt, for the edit-and-try loop

import * as fs from 'node:fs'
import * as path from 'node:path'
import { shortened, withExports } from './exports.mjs'
import { entry, must, root, targetDirectory, wasmEnvironment } from './rust.mjs'

/** The features that Rust's wasm32 target and our +simd128 let the compiler use; wasm-opt refuses a module that uses one it was not told of. */
const features = ['simd', 'bulk-memory', 'bulk-memory-opt', 'mutable-globals', 'nontrapping-float-to-int', 'sign-ext', 'reference-types', 'multivalue', 'call-indirect-overlong']

await entry(async (args) => {
  const dev = args.includes('--dev')
  const env = await wasmEnvironment()
  const built = path.join(targetDirectory(), 'wasm-pack')
  must('wasm-pack', ['build', path.join(root, 'crate', 'web'), ...(dev ? ['--dev'] : ['--profile', 'wasm']), '--target', 'web', '--mode', 'no-install', '--no-pack', '--out-dir', built], env)

  const out = path.join(root, 'js', 'wasm')
  fs.rmSync(out, { recursive: true, force: true })
  fs.mkdirSync(out, { recursive: true })
  for (const name of ['coffer_web.js', 'coffer_web.d.ts']) fs.copyFileSync(path.join(built, name), path.join(out, name))
  const wasm = path.join(built, 'coffer_web_bg.wasm')
  const store = path.join(out, 'store.wasm')
  if (dev) {
    fs.copyFileSync(wasm, store)
    return
  }
  const glue = fs.readFileSync(path.join(out, 'coffer_web.js'), 'utf8')
  const called = path.join(built, 'called.wasm')
  fs.writeFileSync(called, withExports(fs.readFileSync(wasm), (name) => new RegExp(`\\bwasm\\.${name}\\b`).test(glue)))
  // Functions in the order of their names: what one generic function was made into for several types lies side by side then, where gzip
  // sees that it is nearly the same. It saves 3 % of the download (docs/decisions/0009).
  must(process.execPath, [path.join(root, 'node_modules', 'binaryen', 'bin', 'wasm-opt'), '-Oz', '--reorder-functions-by-name', '--strip-debug', '--strip-producers', ...features.map((name) => `--enable-${name}`), called, '-o', store], env)
  const short = shortened(fs.readFileSync(store), glue)
  fs.writeFileSync(store, short.module)
  fs.writeFileSync(path.join(out, 'coffer_web.js'), short.glue)
})
