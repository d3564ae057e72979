// Proves that the package works as users get it: packs it, installs the tarball into each fixture project, builds that, opens it in
// Chromium, and wants the row of the first visit to be there in the second. Installs from the npm registry, so it is no part of npm test.
//
//   node js/packaging/run.mjs [NAME...]    after npm run build

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import { createServer } from 'node:http'
import * as os from 'node:os'
import * as path from 'node:path'
import { serve } from '../../scripts/files.mjs'
import { entry, root } from '../../scripts/rust.mjs'
import { SetupError, ensure } from '../../scripts/setup.mjs'
import { fixtures } from './fixtures.mjs'

function run(folder, command, args) {
  const done = spawnSync(command, args, { cwd: folder, encoding: 'utf8' })
  if (done.status !== 0) throw new SetupError(`${command} ${args.join(' ')} failed:\n${done.stdout}${done.stderr}`)
  return done.stdout
}

const npm = (folder, ...args) => run(folder, 'npm', [...args, '--no-audit', '--no-fund', '--loglevel=error'])

/** A project of its own, with the tarball and its bundler installed, built. Returns the folder to serve. */
function project(folder, tarball, fixture) {
  const dependencies = { 'coffer-db': `file:${tarball}`, ...fixture.install }
  const app = fs.readFileSync(path.join(root, 'js', 'packaging', 'app.js'), 'utf8')
  const name = fixture.imports ?? (fixture.inline === true ? 'coffer-db/inline' : 'coffer-db')
  const files = { 'package.json': JSON.stringify({ name: 'fixture', private: true, type: 'module', dependencies }), 'app.js': app.replace("'coffer-db'", `'${name}'`), ...fixture.files }
  for (const [file, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    fs.writeFileSync(path.join(folder, file), text)
  }
  npm(folder, 'install')
  if (fixture.build !== undefined) run(folder, 'npx', ['--no-install', ...fixture.build])
  return path.join(folder, fixture.served)
}

/** The same files with a Content-Security-Policy. */
async function guarded(site, policy) {
  const server = createServer(async (request, response) => {
    const answer = await fetch(new URL(request.url, site.address))
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type'), 'content-security-policy': policy })
    response.end(Buffer.from(await answer.arrayBuffer()))
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { address: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() }
}

/** What the page shows at the first visit and after a reload. */
async function visit(launch, folder, policy) {
  const files = await serve(folder)
  const site = policy === undefined ? files : await guarded(files, policy)
  const { page, close } = await launch('chromium')
  const shown = []
  try {
    await page.goto(site.address)
    for (let count = 0; count < 2; count += 1) {
      if (count > 0) await page.reload()
      await page.waitForFunction(() => window.shown !== undefined)
      shown.push(await page.evaluate(() => window.shown.error ?? window.shown.visits))
    }
    return shown
  } finally {
    await close()
    if (site !== files) site.close()
    await files.close()
  }
}

const countWasm = (folder) => fs.readdirSync(folder, { recursive: true }).filter((name) => String(name).endsWith('.wasm')).length

await entry(async (names) => {
  Object.assign(process.env, await ensure('test'))
  const { launch } = await import('../../tests/browser/launch.mjs')
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'coffer-packaging-'))
  let failed = 0
  const report = (name, fault) => {
    failed += fault === undefined ? 0 : 1
    process.stdout.write(`${fault === undefined ? 'ok' : 'FAILED'} ${name}${fault === undefined ? '' : `: ${fault}`}\n`)
  }
  try {
    const tarball = path.join(work, npm(root, 'pack', '--pack-destination', work).trim().split('\n').at(-1))
    for (const fixture of fixtures.filter(({ name }) => names.length === 0 || names.includes(name))) {
      try {
        const folder = path.join(work, fixture.name)
        const served = project(folder, tarball, fixture)
        const shown = await visit(launch, served, fixture.policy)
        const wasm = countWasm(served)
        if (shown.join() !== '1,2') report(fixture.name, `the visits were ${shown.join(' and ')}`)
        else report(fixture.name, wasm === (fixture.inline === true ? 0 : 1) ? undefined : `the project has ${wasm} wasm files`)
      } catch (error) {
        report(fixture.name, error.message)
      }
    }
    if (names.length === 0 || names.includes('node')) {
      const folder = path.join(work, 'node')
      project(folder, tarball, { files: {}, served: '.' })
      const script = "import('coffer-db').then(({ open }) => open('x')).catch((error) => console.log(error.code))"
      const said = run(folder, process.execPath, ['--input-type=module', '--eval', script]).trim()
      report('node', said === 'unsupported' ? undefined : `open said ${said}`)
    }
  } finally {
    fs.rmSync(work, { recursive: true, force: true })
  }
  if (failed > 0) process.exitCode = 1
})
