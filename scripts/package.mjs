// Makes the publishable package in dist/ from js/src and js/wasm, and bundles the demo page from that package into www/built/.
//
//   dist/index.js        the page's side in one file; its `new URL('./...', import.meta.url)` reaches the user's bundler untouched
//   dist/sync.js         the engine's side without messages, for an app's own worker
//   dist/backup.js, dist/backups.js, dist/formats.js, dist/keyring.js, dist/sealing.js, dist/server.js   what of it few pages use
//   dist/inline.js       the same, with worker and engine in it as text
//   dist/worker.js       the worker's side in one file
//   dist/store.wasm      the engine
//   dist/*.d.ts          the declarations that the entries reach

import * as fs from 'node:fs'
import * as path from 'node:path'
import { entry, must, root } from './rust.mjs'
import { SetupError } from './setup.mjs'

const at = (...parts) => path.join(root, ...parts)

/** The entries a page imports; each has its declarations. */
const entries = ['index', 'inline', 'sync']

/** Parts of the page's side that are files of their own. */
const aside = ['backup', 'backups', 'formats', 'keyring', 'sealing', 'server']

function bundle(webpack, config) {
  return new Promise((resolve, reject) => {
    webpack(config, (error, stats) => {
      if (error) reject(error)
      else if (stats.hasErrors() || stats.hasWarnings()) reject(new SetupError(stats.toString({ all: false, errors: true, warnings: true })))
      else resolve()
    })
  })
}

/** What a bundle of ours has in common: one file, small, with a map that carries its sources. */
const bundled = { absWorkingDir: root, bundle: true, minify: true, sourcemap: true, sourcesContent: true, target: 'es2022', logLevel: 'warning', legalComments: 'none' }

/** Puts worker and engine as text where js/src/payload.d.ts declares them. */
function payload(worker, wasm) {
  // Without its source map, whose address would lead nowhere from a Blob.
  const script = worker.replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n')
  const contents = `export const workerSource = ${JSON.stringify(script)}\nexport const wasmBase64 = ${JSON.stringify(wasm.toString('base64'))}\n`
  return {
    name: 'payload',
    setup(build) {
      build.onResolve({ filter: /^\.\/payload\.js$/ }, () => ({ path: 'payload', namespace: 'payload' }))
      build.onLoad({ filter: /.*/, namespace: 'payload' }, () => ({ contents, loader: 'js' }))
    },
  }
}

/**
 * wasm-bindgen's glue without what it carries for browsers and callers that we do not have: all that have WebAssembly SIMD have these, and we
 * call free(). In the worker, that is; an app's own code may forget an iteration of `coffer-db/sync`.
 */
const glue = {
  name: 'glue',
  setup(build) {
    build.onLoad({ filter: /coffer_web\.js$/ }, ({ path }) => {
      const contents = fs.readFileSync(path, 'utf8')
        .replaceAll(/^if \(Symbol\.dispose\).*$/gm, '')
        .replaceAll(/\(typeof FinalizationRegistry === 'undefined'\)\s*\? \{ register: \(\) => \{\}, unregister: \(\) => \{\} \}\s*: /g, '')
        // Only for messages about what should not be.
        .replace(/^function debugString\(val\) \{$.*?^\}$/ms, 'function debugString(val) {\n  return String(val)\n}')
        // They free what was passed when passing the rest throws, which only an engine does that is out of memory and lost.
        .replaceAll(/^( *)try \{\n((?:(?!\1\}).*\n)*?)\1\} catch \(e\) \{\n(?:\1 +if .*\n)+\1 +throw e;\n\1\}\n/gm, '$2')
        .replace(/^ {4}if \(module !== undefined\) \{$.*?^ {4}\}$/ms, '    ({ module } = module)')
        // What it would say, the types say.
        .replace(/^function _assertClass\(instance, klass\) \{$.*?^\}$/ms, 'function _assertClass() {}')
        .replace(/^if \(!\('encodeInto' in cachedTextEncoder\)\) \{$.*?^\}$/ms, '')
      return { contents: build.initialOptions.format === 'iife' ? unregistered(contents) : contents, loader: 'js' }
    })
  },
}

function unregistered(glue) {
  return glue.replaceAll(/^.*\b\w+Finalization\.(?:un)?register\(.*\n/gm, '').replaceAll(/^const \w+Finalization = [^;]*;\n/gm, '')
}

/**
 * Properties that only what is in the same file touches: no message has them, no browser and nothing that is stored, and the engine is not
 * told them by name. They get short names.
 */
const inside = new RegExp(`^(?:__(?:wbg_ptr|destroy_into_raw|wrap|unwrap)|${[
  'abandonJob', 'admit', 'aside', 'attempts', 'autocommit', 'away', 'backupChore', 'become', 'borrow', 'caller', 'checkpointChore', 'compactChore', 'connectReader', 'cursors', 'cutFrom', 'deadline',
  'decryptChore', 'directory', 'dirty', 'discard', 'dismiss', 'encryptChore', 'engine', 'exportChore', 'findRequest', 'foretell', 'giveBack', 'importChore',
  'installJob', 'intoBytes', 'isAtWork', 'keepCommit', 'lacks', 'lastCommit', 'lend', 'maintain', 'nextFiles', 'onUpkeep', 'openAll', 'openThese', 'openWanted',
  'prepareNext', 'putBack', 'refresh', 'releaseCommit', 'remote', 'removed', 'resized', 'restoreChore', 'rotateChore', 'runMany', 'setRequest', 'setsAt', 'settled', 'supply', 'takeBack',
  'takeJob', 'tell', 'transactions', 'turned', 'unseen', 'usable', 'verifyChore', 'watches', 'wentBack', 'writes',
].join('|')})$`)

/** The same on the page's side, whose files share them. */
const insidePage = new RegExp(`^(?:${[
  'administer', 'ahead', 'away', 'byte', 'carry', 'drop', 'ended', 'flag', 'finish', 'heed', 'isFinalized', 'joins', 'losses', 'moves', 'openFrom', 'over', 'own', 'plainOf', 'plainOfNew', 'register', 'rejoin', 'rekey', 'restart',
  'secretOf', 'state', 'take', 'tell', 'transact',
].join('|')})$`)

/** What runs beside the engine, in one file. */
async function beside(esbuild, terser, name, format) {
  await esbuild({ ...bundled, entryPoints: [`js/src/${name}.ts`], outfile: `dist/${name}.js`, format, plugins: [glue], mangleProps: inside })
  return smaller(terser, name, format)
}

/** A second minifier after the first takes another 3 % off what is downloaded. */
async function smaller(terser, name, format, more = {}) {
  const file = at('dist', `${name}.js`)
  const sourceMap = { content: fs.readFileSync(`${file}.map`, 'utf8'), includeSources: true, url: `${name}.js.map` }
  const { code, map } = await terser(fs.readFileSync(file, 'utf8'), { module: format === 'esm', compress: { passes: 2, ecma: 2022, sequences: false, comparisons: false, conditionals: false, ...more }, sourceMap })
  const text = leftAlone(code)
  fs.writeFileSync(file, text)
  fs.writeFileSync(`${file}.map`, map)
  return text
}

/** The import() that loads a user's module when it runs (worker/verbs.ts), marked so that users' bundlers do not look for the module. */
function leftAlone(script) {
  return script.replace(/\bimport\((?=[\w$]+\))/, 'import(/* webpackIgnore: true *//* turbopackIgnore: true *//* @vite-ignore */')
}

/** Copies a declaration file and those it refers to. */
function declare(from, to, name) {
  const target = path.join(to, name)
  if (fs.existsSync(target)) return
  const text = fs.readFileSync(path.join(from, name), 'utf8')
  fs.writeFileSync(target, text)
  for (const [, other] of text.matchAll(/(?:from|import\()\s*'\.\/([\w-]+)\.js'/g)) declare(from, to, `${other}.d.ts`)
}

await entry(async () => {
  if (!fs.existsSync(at('js', 'wasm', 'store.wasm'))) throw new SetupError('there is no js/wasm/store.wasm yet: run node scripts/wasm.mjs, or npm run build')
  // Imported here, so that a missing node_modules is the set-up's line and not a stack trace.
  const { build } = await import('esbuild')
  const { minify } = await import('terser')
  const { default: webpack } = await import('webpack')
  const { demo } = await import('../webpack.config.js')

  for (const folder of ['dist', 'js/stage', 'www/built']) fs.rmSync(at(folder), { recursive: true, force: true })
  fs.mkdirSync(at('dist'))
  const tsc = at('node_modules', 'typescript', 'bin', 'tsc')
  // The bundler drops types without looking at them: these two look. What the second leaves in js/stage, the browser tests import.
  must(process.execPath, [tsc, '-p', at('js', 'tsconfig.page.json')])
  must(process.execPath, [tsc, '-p', at('js', 'tsconfig.worker.json')])
  must(process.execPath, [tsc, '-p', at('js', 'tsconfig.sync.json')])
  for (const name of entries) declare(at('js', 'stage'), at('dist'), `${name}.d.ts`)

  const worker = await beside(build, minify, 'worker', 'iife')
  if (/\bimport\.meta\b|\bimport\s*\((?!\/\*)/.test(worker)) throw new SetupError('dist/worker.js is not self-contained: it has import.meta or import()')
  const wasm = fs.readFileSync(at('js', 'wasm', 'store.wasm'))
  fs.writeFileSync(at('dist', 'store.wasm'), wasm)

  // What few pages use is loaded when it is used. These import nothing, so they share no code with the page's file that would be there twice.
  const pages = [...aside, 'index']
  const paged = { ...bundled, outdir: 'dist', format: 'esm', external: aside.map((name) => `./${name}.js`), mangleProps: insidePage }
  const { mangleCache } = await build({ ...paged, entryPoints: ['js/src/index.ts'], mangleCache: {} })
  await build({ ...paged, entryPoints: aside.map((name) => `js/src/${name}.ts`), mangleCache })
  for (const name of pages) await smaller(minify, name, 'esm', { hoist_funs: true })
  const page = fs.readFileSync(at('dist', 'index.js'), 'utf8')
  for (const literal of ['new URL("./worker.js",import.meta.url)', 'new URL("./store.wasm",import.meta.url)']) {
    if (!page.includes(literal)) throw new SetupError(`dist/index.js lacks ${literal}, the only form that users' bundlers recognise`)
  }
  const sync = await beside(build, minify, 'sync', 'esm')
  if (!sync.includes('new URL("./store.wasm",import.meta.url)')) throw new SetupError('dist/sync.js does not find the wasm beside it')
  // A map of it would hold the engine once more.
  await build({ ...bundled, sourcemap: false, entryPoints: ['js/src/inline.ts'], outfile: 'dist/inline.js', format: 'esm', plugins: [payload(worker, wasm)] })

  await bundle(webpack, demo)
  for (const name of ['index.html', 'passkey.html', 'style.css', 'icon.svg']) fs.copyFileSync(at('www', name), at('www', 'built', name))
})
