// Builds crate/web for the browser (profile `wasm` of Cargo.toml: fat LTO, for size where speed is not lost) with a standard library that
// is compiled for it, then wasm-bindgen and wasm-opt. Leaves in js/wasm/ the glue that js/src/host.ts imports and store.wasm, and beside
// what wasm-bindgen made a list of the functions in it: a trap names only numbers.
//
//   node scripts/wasm.mjs [--dev]     --dev: the standard library as it comes, no LTO and no wasm-opt, for the edit-and-try loop

import * as fs from 'node:fs'
import * as path from 'node:path'
import { functionNames, functions, shortened, withBodies, withExports, withFunctionNames, withOneStart, withoutCustom, withTraps } from './exports.mjs'
import { withoutAlignment } from './instructions.mjs'
import { byLikeness } from './layout.mjs'
import { entry, must, root, targetDirectory, wasmEnvironment } from './rust.mjs'
import { unreached } from './unreached.mjs'

/** The features that Rust's wasm32 target and our +simd128 let the compiler use; wasm-opt refuses a module that uses one it was not told of. */
const features = ['simd', 'bulk-memory', 'bulk-memory-opt', 'mutable-globals', 'nontrapping-float-to-int', 'sign-ext', 'reference-types', 'multivalue', 'call-indirect-overlong']

const triple = 'wasm32-unknown-unknown'

/**
 * The standard library comes compiled for speed, with the words of every panic. Compiled anew it is for size, and a panic is a trap.
 * The flags are those of a compiler that is not released yet; RUSTC_BOOTSTRAP lets the released one take them (docs/decisions/0015).
 */
const library = ['-Zbuild-std=std,panic_abort', '-Zbuild-std-features=optimize_for_size']
const flags = [
  '-Zunstable-options', '-Cpanic=immediate-abort', '-Zlocation-detail=none', '-Zfmt-debug=none',
  // What makes loops longer for the sake of registers and additions that a wasm engine chooses anew anyway.
  '-Cllvm-args=-disable-lsr', '-Cllvm-args=-enable-pre=0', '-Cllvm-args=-enable-load-pre=0',
]

/**
 * What wasm-opt may do. Not -O: it makes code shorter and less regular, and gzip would have 2 % more to carry. What assigns a local the
 * value that it has already goes first when locals have been shared, and again when parameters that are always the same have become such.
 */
const passes = [
  '--duplicate-function-elimination', '--dce', '--remove-unused-module-elements', '--optimize-instructions', '--remove-unused-brs', '--remove-unused-names', '--merge-blocks',
  '--coalesce-locals', '--rse', '--vacuum', '--dae-optimizing', '--coalesce-locals', '--rse', '--vacuum', '--optimize-instructions', '--vacuum', '--reorder-locals',
  '--duplicate-function-elimination',
]

await entry(async (args) => {
  const dev = args.includes('--dev')
  const env = await wasmEnvironment()
  const built = path.join(targetDirectory(), 'wasm-pack')
  if (dev) {
    must('wasm-pack', ['build', path.join(root, 'crate', 'web'), '--dev', '--target', 'web', '--mode', 'no-install', '--no-pack', '--out-dir', built], env)
  } else {
    // Not wasm-pack: a library that is also one for Rust (its tests link it so) is compiled without LTO, and only `cargo rustc` can ask for one kind.
    const kind = ['--package', 'coffer-web', '--lib', '--crate-type', 'cdylib', '--profile', 'wasm', '--target', triple]
    must('cargo', ['rustc', ...kind, ...library], { ...env, RUSTC_BOOTSTRAP: '1', CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS: flags.join(' ') })
    // The page says where the bytes come from (js/src/wasm.ts); the glue must not look for them.
    must('wasm-bindgen', [path.join(targetDirectory(), triple, 'wasm', 'coffer_web.wasm'), '--out-dir', built, '--target', 'web', '--omit-default-module-path'], env)
  }

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
  const optimised = (module, passes) => {
    const [from, to] = [path.join(built, 'from.wasm'), path.join(built, 'to.wasm')]
    fs.writeFileSync(from, module)
    must(process.execPath, [path.join(root, 'node_modules', 'binaryen', 'bin', 'wasm-opt'), ...passes, '-g', ...features.map((name) => `--enable-${name}`), from, '-o', to], env)
    return fs.readFileSync(to)
  }
  const called = withExports(fs.readFileSync(wasm), (name) => new RegExp(`\\bwasm\\.${name}\\b`).test(glue))
  const small = withBodies(optimised(withTraps(called, unreached.map(({ names }) => names)), passes), withoutAlignment)
  const { imported, bodies } = functions(small)
  const names = new Map(functionNames(small))
  const order = byLikeness(bodies).map((body) => imported + body)
  // wasm-opt sorts by name, so each is called by its place.
  const placed = order.map((index, place) => [index, String(place).padStart(6, '0')])
  const laid = optimised(withFunctionNames(small, placed), ['--reorder-functions-by-name'])
  fs.writeFileSync(path.join(built, 'functions.txt'), order.map((index, place) => `${imported + place} ${names.get(index) ?? ''}\n`).join(''))
  const short = shortened(withoutCustom(laid), glue)
  fs.writeFileSync(store, short.module)
  fs.writeFileSync(path.join(out, 'coffer_web.js'), withOneStart(short.glue))
})
