// The package as people get it: packed, its manifest and declarations examined, installed into fixture projects and opened in Chromium, and
// its types asked for by an editor. Installs from the npm registry. What takes too long for here: node js/packaging/run.mjs slow.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import * as path from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { fixtures } from '../../js/packaging/fixtures.mjs'
import { fault, project, run, tryOut, twoVisits, workshop } from '../../js/packaging/projects.mjs'
import { serve } from '../../scripts/files.mjs'
import { root } from '../../scripts/rust.mjs'
import { engines, launch } from './launch.mjs'

// Bundlers differ and engines do not here: what the package does in each engine, the other tests say.
const wanted = { skip: engines.includes('chromium') ? false : 'packaging is tried in Chromium', timeout: 300_000 }

let shop
before(() => {
  if (wanted.skip === false) shop = workshop()
})
after(() => shop?.end())

const tool = (name, ...args) => {
  const done = spawnSync(process.execPath, [path.join(root, name), ...args], { cwd: root, encoding: 'utf8' })
  return done.status === 0 ? '' : `${done.stdout}${done.stderr}`
}

test('publint finds nothing in the packed package', wanted, () => {
  assert.equal(tool('node_modules/publint/src/cli.js', '--strict', shop.tarball), '')
})

// Its worker and its wasm are named by address and never imported, so they have no types (.attw.json).
test('are-the-types-wrong finds nothing in the packed package', wanted, () => {
  assert.equal(tool('node_modules/@arethetypeswrong/cli/dist/index.js', shop.tarball), '')
})

test('the packed package brings nothing else along, runs nothing when it is installed, and names all its files', wanted, () => {
  const folder = project(shop, { name: 'manifest' })
  const installed = JSON.parse(run(folder, 'npm', ['ls', '--all', '--json'])).dependencies
  assert.deepEqual(Object.keys(installed), ['coffer-db'])
  assert.equal(installed['coffer-db'].dependencies, undefined)
  const at = path.join(folder, 'node_modules', 'coffer-db')
  const { type, sideEffects, scripts, exports } = JSON.parse(readFileSync(path.join(at, 'package.json'), 'utf8'))
  assert.deepEqual({ type, sideEffects }, { type: 'module', sideEffects: false })
  assert.deepEqual(Object.keys(scripts ?? {}).filter((name) => /install|prepare/.test(name)), [])
  const named = Object.values(exports).flatMap((target) => (typeof target === 'string' ? [target] : Object.values(target)))
  for (const file of named) assert.ok(readFileSync(path.join(at, file)).length > 0, file)
  // The page's file finds worker and engine by the two expressions that bundlers recognise; the worker looks for nothing.
  const text = (name) => readFileSync(path.join(at, 'dist', name), 'utf8')
  for (const literal of ['new URL("./worker.js",import.meta.url)', 'new URL("./store.wasm",import.meta.url)']) assert.ok(text('index.js').includes(literal), literal)
  assert.ok(!/import\.meta|importScripts|\beval\b|new Function\b/.test(text('worker.js')))
})

for (const fixture of fixtures.filter(({ slow = false }) => !slow)) {
  test(`a project keeps its rows over a reload: ${fixture.name}`, wanted, async () => {
    assert.equal(fault(await tryOut(shop, fixture, launch), fixture), undefined)
  })
}

test('importing does nothing in Node, and opening says why it cannot', wanted, () => {
  const folder = project(shop, { name: 'node' })
  const script = `
    const said = []
    for (const entry of ['coffer-db', 'coffer-db/inline', 'coffer-db/sync']) {
      const { open, openSync } = await import(entry)
      said.push(await (open ?? openSync)('x').then(() => 'opened', (error) => error.name + ' ' + error.code))
    }
    console.log(said.join())`
  assert.equal(run(folder, process.execPath, ['--input-type=module', '--eval', script]).trim(), Array(3).fill('CofferError unsupported').join())
})

/** The README's first example, as it stands there. */
function example() {
  return /^```ts\n(.*?)^```$/ms.exec(readFileSync(path.join(root, 'README.md'), 'utf8'))[1]
}

const compilerOptions = { target: 'ES2022', module: 'ESNext', moduleResolution: 'bundler', lib: ['ES2023', 'DOM', 'DOM.Iterable'], strict: true, noEmit: true, types: [] }

/** A fresh project as Vite's own template has it, with the README's example and nothing else. */
function freshVite(name, main) {
  return project(shop, {
    name,
    install: { vite: '8.3.8' },
    files: {
      'index.html': '<!doctype html><html lang="en"><meta charset="utf-8"><title>fresh</title><script type="module" src="/main.ts"></script></html>\n',
      'tsconfig.json': JSON.stringify({ compilerOptions, include: ['main.ts'] }),
      'main.ts': main,
    },
  })
}

test("the README's ten lines are a persistent encrypted database in a fresh Vite project", wanted, async () => {
  const lines = example()
  assert.ok(lines.split('\n').filter((line) => line.trim() !== '').length <= 10, 'the example is longer than ten lines')
  const tail = "import { inspect } from 'coffer-db'\nconst { encrypted } = await inspect('notes')\nObject.assign(window, { shown: encrypted ? { visits: notes.length } : { error: 'not encrypted' } })\n"
  const folder = freshVite('fresh', lines + tail)
  run(folder, path.join(folder, 'node_modules', '.bin', 'vite'), ['build'])
  // The strictest reader of the declarations: lib checks are on.
  run(folder, process.execPath, [path.join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', '.'])
  const site = await serve(path.join(folder, 'dist'))
  try {
    assert.deepEqual(await twoVisits(launch, site.address), [1, 2])
  } finally {
    await site.close()
  }
})

/** An editor's language server, with one file open in it: asks what may stand at the mark `/*?*\/`. */
async function completions(folder, text) {
  const server = spawn(process.execPath, [path.join(root, 'node_modules', 'typescript', 'lib', 'tsserver.js'), '--disableAutomaticTypingAcquisition'], { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    const file = path.join(folder, 'main.ts')
    const ask = (seq, command, rest) => server.stdin.write(`${JSON.stringify({ seq, type: 'request', command, arguments: { file, ...rest } })}\n`)
    ask(1, 'open', { fileContent: text.replaceAll('/*?*/', '') })
    const marks = text.split('/*?*/').slice(0, -1)
    const answers = new Map()
    let before = ''
    marks.forEach((part, index) => {
      before += part
      ask(index + 2, 'completionInfo', { line: before.split('\n').length, offset: before.length - before.lastIndexOf('\n') })
    })
    for await (const line of createInterface({ input: server.stdout })) {
      if (!line.startsWith('{')) continue
      const { type, request_seq: request, body } = JSON.parse(line)
      if (type === 'response' && request > 1) answers.set(request, (body?.entries ?? []).map(({ name }) => name))
      if (answers.size === marks.length) break
    }
    return marks.map((_, index) => answers.get(index + 2))
  } finally {
    server.kill()
  }
}

test('an editor completes names, options, methods, columns and error codes from the installed package', wanted, async () => {
  const folder = freshVite('editor', example())
  const [exported, options, durability, methods, columns, codes, params] = await completions(folder, `
import { open, CofferError, /*?*/ } from 'coffer-db'
const db = await open('notes', { /*?*/ })
await open('notes', { durability: '/*?*/' })
db./*?*/;
const rows = await db.query<{ id: number; body: string }>('select 1')
rows[0]!./*?*/;
export const wrong = (error: CofferError): boolean => error.code === '/*?*/'
await db.batch([], { /*?*/ })
`)
  const lacks = (found, ...names) => names.filter((name) => !found.includes(name))
  assert.deepEqual(lacks(exported, 'list', 'destroy', 'restore', 'inspect', 'passphrase', 'rawKey', 'webCryptoKey', 'wrappedBy'), [])
  assert.deepEqual(lacks(options, 'key', 'cipher', 'compression', 'pageSize', 'backend', 'durability', 'cacheBytes', 'busyTimeout', 'readonly', 'signal', 'wasm', 'worker'), [])
  assert.deepEqual(durability.sort(), ['relaxed', 'strict'])
  assert.deepEqual(lacks(methods, 'exec', 'run', 'query', 'get', 'sql', 'iterate', 'prepare', 'batch', 'transaction', 'live', 'function', 'backup', 'backups', 'import', 'export',
    'checkpoint', 'compact', 'keys', 'verify', 'storageInfo', 'memoryStats', 'snapshot', 'at', 'on', 'close'), [])
  assert.deepEqual(columns.sort(), ['body', 'id'])
  assert.deepEqual(lacks(codes, 'wrong_key', 'corrupt', 'conflict', 'busy', 'quota', 'constraint', 'sqlite', 'closed', 'worker_lost', 'unsupported'), [])
  assert.deepEqual(params.sort(), ['onError', 'signal'])
})
