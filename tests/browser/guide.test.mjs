// Every code sample of the guide runs here, so that none can rot: the `ts` blocks of a page of docs/guide are one module, in their order.
//
// What a sample prints is said beside it: `console.log(notes.length) // 1`. Each such line is compared, and a line that prints without saying
// what fails. A block that starts with `// in a worker` runs as a worker's module of its own.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import ts from 'typescript'
import { engines, hasFileHandles, launch, served } from './launch.mjs'

const folder = new URL('../../docs/guide/', import.meta.url)
const pages = readdirSync(folder).filter((name) => name.endsWith('.md') && name !== 'README.md')

const site = served()

/** The code of a page, block by block. */
function blocks(name) {
  const text = readFileSync(new URL(name, folder), 'utf8')
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map(([, code]) => code)
}

/** What the samples say that they print. */
function promised(code) {
  return [...code.matchAll(/^.*\bconsole\.log\(.*$/gm)].map(([line]) => {
    const said = /\) \/\/ (.+)$/.exec(line)
    assert.ok(said, `a sample prints without saying what: ${line.trim()}`)
    return said[1]
  })
}

/** As a module that a browser can run: without types, and with the package where the test server has it. */
function runnable(code) {
  const { outputText } = ts.transpileModule(code, { compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 } })
  return outputText.replace(/from 'coffer-db(?:\/(\w+))?'/g, (_, entry = 'index') => `from '${site.address}dist/${entry}.js'`)
}

for (const engine of engines) {
  test(`${engine}: every sample of the guide does what it says`, { timeout: 120_000 }, async (t) => {
    const { page, close } = await launch(engine)
    t.after(close)
    // A sample that keeps a file of its own in OPFS needs an engine that lets it.
    const runs = (name) => hasFileHandles(engine) || blocks(name).every((code) => !code.includes('getDirectory('))
    for (const name of pages.filter(runs)) {
      await t.test(name, async () => {
        await page.goto(`${site.address}tests/browser/pages/guide.html`)
        await page.waitForFunction(() => window.runSamples !== undefined)
        const all = blocks(name)
        const inWorkers = all.filter((code) => code.startsWith('// in a worker'))
        const onPage = all.filter((code) => !inWorkers.includes(code)).join('\n')
        const printed = await page.evaluate((codes) => window.runSamples(codes), { page: runnable(onPage), workers: inWorkers.map(runnable) })
        assert.deepEqual(printed, [onPage, ...inWorkers].flatMap(promised))
        assert.ok(all.length > 0, 'the page has no sample')
      })
    }
  })
}
