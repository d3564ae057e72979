// Builds crate/web with the generic suite of backends in it, for the browser tests, into js/suite/ (ignored by git).
//
//   node scripts/suite.mjs

import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { entry, must, root, targetDirectory, wasmEnvironment } from './rust.mjs'

/** Builds it; cargo knows whether there is anything to do. */
export async function buildSuite() {
  const built = path.join(targetDirectory(), 'wasm-suite')
  const args = ['build', path.join(root, 'crate', 'web'), '--dev', '--target', 'web', '--mode', 'no-install', '--no-pack', '--out-dir', built]
  must('wasm-pack', [...args, '--', '--features', 'suite'], await wasmEnvironment())
  const out = path.join(root, 'js', 'suite')
  fs.mkdirSync(out, { recursive: true })
  for (const name of ['coffer_web.js', 'coffer_web_bg.wasm']) fs.copyFileSync(path.join(built, name), path.join(out, name))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await entry(() => buildSuite())
