// Makes the publishable package in dist/ from js/src and js/wasm, and bundles the demo page from that package into www/built/.
//
//   dist/index.js ...    the page's side, as tsc emits it: its `new URL('./...', import.meta.url)` must reach the user's bundler untouched
//   dist/worker.js       the worker's side in one file
//   dist/store.wasm      the engine
//   dist/payload.js      worker and engine as text, for dist/inline.js

import * as fs from 'node:fs'
import * as path from 'node:path'
import { entry, must, root } from './rust.mjs'
import { SetupError } from './setup.mjs'

const at = (...parts) => path.join(root, ...parts)

function bundle(webpack, config) {
  return new Promise((resolve, reject) => {
    webpack(config, (error, stats) => {
      if (error) reject(error)
      else if (stats.hasErrors() || stats.hasWarnings()) reject(new SetupError(stats.toString({ all: false, errors: true, warnings: true })))
      else resolve()
    })
  })
}

await entry(async () => {
  if (!fs.existsSync(at('js', 'wasm', 'store.wasm'))) throw new SetupError('there is no js/wasm/store.wasm yet: run node scripts/wasm.mjs, or npm run build')
  // Imported here, so that a missing node_modules is the set-up's line and not a stack trace.
  const { default: webpack } = await import('webpack')
  const { demo, worker } = await import('../webpack.config.js')

  for (const folder of ['dist', 'js/stage', 'www/built']) fs.rmSync(at(folder), { recursive: true, force: true })
  const tsc = at('node_modules', 'typescript', 'bin', 'tsc')
  // Comments are for those who read the declarations; the browser downloads only the code.
  must(process.execPath, [tsc, '-p', at('js', 'tsconfig.page.json'), '--emitDeclarationOnly'])
  must(process.execPath, [tsc, '-p', at('js', 'tsconfig.page.json'), '--removeComments', '--declaration', 'false', '--isolatedDeclarations', 'false'])
  must(process.execPath, [tsc, '-p', at('js', 'tsconfig.worker.json')])
  await bundle(webpack, worker)
  fs.copyFileSync(at('js', 'wasm', 'store.wasm'), at('dist', 'store.wasm'))
  const source = fs.readFileSync(at('dist', 'worker.js'), 'utf8')
  if (/\bimport\.meta\b|\bimport\s*\(/.test(source)) throw new SetupError('dist/worker.js is not self-contained: it has import.meta or import()')

  const wasm = fs.readFileSync(at('dist', 'store.wasm')).toString('base64')
  // Without its source map, whose address would lead nowhere from a Blob.
  const inlined = source.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n')
  fs.writeFileSync(at('dist', 'payload.js'), `export const workerSource = ${JSON.stringify(inlined)}\nexport const wasmBase64 = ${JSON.stringify(wasm)}\n`)

  await bundle(webpack, demo)
  for (const name of ['index.html', 'style.css', 'icon.svg']) fs.copyFileSync(at('www', name), at('www', 'built', name))
})
