// Where a workload's time goes, function by function: Chromium's profiler on the page and its workers, with the names of Coffer's wasm
// functions, which the module that ships has not. For whoever mends a hot path. The package has to be built.
//
//   node bench/browser/profile.mjs WORKLOAD [--contender NAME] [--view page|worker] [--rounds N] [--top N] [--callers TEXT]
//
//   --callers TEXT   of the functions whose name has TEXT: who called them, for how long
//
// What it prints is time by itself, in microseconds for each of the workload's operations, one table for each thread. A sample is taken every
// 100 us, so that what is below a microsecond is noise.

import * as fs from 'node:fs'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import { launch } from '../../tests/browser/launch.mjs'
import { serve } from '../../scripts/files.mjs'
import { entry, targetDirectory } from '../../scripts/rust.mjs'
import { SetupError } from '../../scripts/setup.mjs'
import { own, peers } from './measure.mjs'
import { workloads } from './work.js'

/** The protocol's sessions of a page and of each worker that it has or will have. */
async function threads(page) {
  const session = await page.context().newCDPSession(page)
  const all = new Map([['page', (method, params) => session.send(method, params)]])
  const waiting = new Map()
  let last = 0
  session.on('Target.receivedMessageFromTarget', ({ message }) => {
    const { id, result, error } = JSON.parse(message)
    const { resolve, reject } = waiting.get(id) ?? {}
    waiting.delete(id)
    if (error !== undefined) reject?.(new Error(error.message))
    else resolve?.(result)
  })
  session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
    const send = (method, params = {}) =>
      new Promise((resolve, reject) => {
        const id = ++last
        waiting.set(id, { resolve, reject })
        session.send('Target.sendMessageToTarget', { sessionId, message: JSON.stringify({ id, method, params }) }).catch(reject)
      })
    all.set(`${targetInfo.type} ${all.size}: ${path.basename(targetInfo.url)}`, send)
  })
  await session.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false })
  return all
}

/** The names of the module that is served, by what the profiler calls them. */
function wasmNames() {
  const file = path.join(targetDirectory(), 'wasm-pack', 'functions.txt')
  if (!fs.existsSync(file)) throw new SetupError('no names of functions: build with npm run build first')
  const lines = fs.readFileSync(file, 'utf8').trim().split('\n').map((line) => line.split(' '))
  return new Map(lines.map(([index, ...name]) => [`wasm-function[${index}]`, name.join(' ') || `function ${index}`]))
}

/** Microseconds by function, and by caller of those whose name has `called` in it. */
function tally(profile, names, called) {
  const named = ({ functionName, url, lineNumber }) => {
    const file = path.basename(url)
    if (names.has(functionName) && file.includes('store.wasm')) return names.get(functionName)
    return `${functionName || '(anonymous)'}${file === '' ? '' : `  ${file}:${lineNumber + 1}`}`
  }
  const byId = new Map(profile.nodes.map((node) => [node.id, node]))
  const parents = new Map()
  for (const node of profile.nodes) for (const child of node.children ?? []) parents.set(child, node.id)
  const self = new Map()
  const callers = new Map()
  const add = (map, key, us) => map.set(key, (map.get(key) ?? 0) + us)
  for (const [index, id] of profile.samples.entries()) {
    const us = profile.timeDeltas[index + 1] ?? 0
    const name = named(byId.get(id).callFrame)
    add(self, name, us)
    if (called === undefined || !name.includes(called)) continue
    const chain = []
    for (let at = parents.get(id); at !== undefined && chain.length < 4; at = parents.get(at)) chain.push(named(byId.get(at).callFrame))
    add(callers, `${name} < ${chain.join(' < ')}`, us)
  }
  return { self, callers }
}

await entry(async (args) => {
  const { values, positionals: [name] } = parseArgs({
    args,
    allowPositionals: true,
    options: { contender: { type: 'string', default: 'coffer' }, view: { type: 'string', default: 'page' }, rounds: { type: 'string', default: '1' }, top: { type: 'string', default: '30' }, callers: { type: 'string' } },
  })
  const workload = workloads.find((workload) => workload.name === name)
  if (workload === undefined) throw new SetupError(`no workload ${name}: ${workloads.map(({ name }) => name).join(', ')}`)
  if (![...peers, ...own].includes(values.contender)) throw new SetupError(`no contender ${values.contender}: ${[...peers, ...own].join(', ')}`)
  const names = wasmNames()
  const site = await serve('.')
  const { page, close } = await launch('chromium')
  try {
    const all = await threads(page)
    await page.goto(`${site.address}bench/browser/index.html`)
    await page.waitForFunction(() => globalThis.bench !== undefined)
    const profiles = new Map()
    /** Of a worker that has ended there comes no answer. */
    const inTime = (answer) => Promise.race([answer, new Promise((resolve) => setTimeout(resolve, 1000))])
    await page.exposeFunction('profileBegins', async () => {
      for (const send of all.values()) {
        await inTime(send('Profiler.enable'))
        await inTime(send('Profiler.setSamplingInterval', { interval: 100 }))
        await inTime(send('Profiler.start'))
      }
    })
    await page.exposeFunction('profileEnds', async () => {
      for (const [thread, send] of all) {
        const stopped = await inTime(send('Profiler.stop'))
        if (stopped !== undefined) profiles.set(thread, stopped.profile)
      }
    })
    const sizes = Object.fromEntries(workloads.map(({ name, full }) => [name, full]))
    const { ms } = await page.evaluate((options) => globalThis.bench.profiled(options), { ...values, name, sizes, rounds: Number(values.rounds) })
    const ops = workload.full * Number(values.rounds)
    console.log(`${name} on ${values.contender}, ${values.view}: ${((ms / ops) * 1000).toFixed(1)} us for each of the ${workload.unit}, while it was profiled`)
    for (const [thread, profile] of profiles) {
      const { self, callers } = tally(profile, names, values.callers)
      const total = [...self].filter(([name]) => !/^\((idle|program|root)\)/.test(name)).reduce((sum, [, us]) => sum + us, 0)
      console.log(`\n${thread}: ${(total / ops).toFixed(1)} us`)
      for (const [name, us] of [...(values.callers === undefined ? self : callers)].sort((a, b) => b[1] - a[1]).slice(0, Number(values.top))) console.log(`${(us / ops).toFixed(1).padStart(9)}  ${name}`)
    }
  } finally {
    await close()
    await site.close()
  }
})
