// Runs the bench in one Chromium with a profile on disk, and gives its figures as one plain object. What it is told decides how long that takes.

import * as os from 'node:os'
import { launch } from '../../tests/browser/launch.mjs'
import { serve } from '../../scripts/files.mjs'
import { processorMs } from './cpu.mjs'
import { workloads } from './work.js'

export const peers = ['sahpool', 'sahpool-wal', 'sqljs']
export const own = ['coffer-plain', 'coffer']

/**
 * @param {{ contenders: string[], reps: number, size: 'full' | 'quick', wanted?: string[], views?: string[], seam?: boolean, start?: boolean, cpu?: boolean, say?: (line: string) => void }} asked
 */
export async function measure({ contenders, reps, size, wanted = workloads.map(({ name }) => name), views = ['page', 'worker'], seam = true, start = true, cpu = false, say = () => undefined }) {
  const sizes = Object.fromEntries(workloads.map((workload) => [workload.name, workload[size]]))
  const site = await serve('.')
  const { page, complaints, close } = await launch('chromium')
  const fresh = async () => {
    await page.goto(`${site.address}bench/browser/index.html`)
    await page.waitForFunction(() => globalThis.bench !== undefined)
  }
  try {
    if (cpu) await page.exposeFunction('processorMs', processorMs)
    await fresh()
    const browser = await page.evaluate(() => /Chrom\w*\/[\d.]+/.exec(navigator.userAgent)?.[0] ?? navigator.userAgent)
    const outcome = { machine: `${os.cpus().length} cores, ${os.cpus()[0]?.model ?? 'unknown'}, ${os.platform()}`, browser, date: new Date().toISOString().slice(0, 10), reps, sizes, versions: {}, views: {} }
    for (const view of views) {
      const samples = {}
      // The first round is for the compilers, and counts for nothing.
      const rounds = size === 'full' ? reps + 1 : reps
      for (let round = 0; round < rounds; round += 1) {
        const { results, versions } = await page.evaluate((options) => globalThis.bench.repeat(options), { view, contenders, sizes, wanted, rotate: round })
        Object.assign(outcome.versions, versions)
        say(`${view}, round ${round}: ${JSON.stringify(results)}`)
        if (round < rounds - reps) continue
        for (const [name, byContender] of Object.entries(results)) {
          for (const [contender, ms] of Object.entries(byContender)) ((samples[name] ??= {})[contender] ??= []).push(ms)
        }
      }
      outcome.views[view] = samples
    }
    if (start) outcome.start = await measureStart(page, fresh, contenders, size === 'full' ? Math.max(reps, 5) : reps, size === 'full' ? 20_000 : 1000)
    if (seam) {
      await fresh()
      const [rows, runs, gets] = size === 'full' ? [100_000, 10_000, 2000] : [2000, 500, 50]
      outcome.seam = { rows, runs, gets, times: {} }
      for (const [work, count] of [['rowsToPage', rows], ['concurrentRuns', runs], ['roundTrips', gets]]) {
        Object.assign(outcome.seam.times, await page.evaluate(([name, count, reps, contenders]) => globalThis.bench[name](count, reps, contenders), [work, count, size === 'full' ? Math.max(reps, 5) : reps, contenders]))
      }
      say(`seam: ${JSON.stringify(outcome.seam.times)}`)
    }
    if (complaints.length > 0) throw new Error(`the page failed: ${complaints.join('; ')}`)
    return outcome
  } finally {
    await close()
    await site.close()
  }
}

/** Each start in a page of its own, so that nobody finds code or a module that is loaded already. */
async function measureStart(page, fresh, contenders, reps, rows) {
  for (const contender of contenders) {
    if (contender === 'sqljs') continue
    await fresh()
    await page.evaluate(([contender, rows]) => globalThis.bench.makeForStart(contender, globalThis.bench.orders(rows)), [contender, rows])
  }
  const samples = Object.fromEntries(contenders.map((contender) => [contender, []]))
  for (let rep = -1; rep < reps; rep += 1) {
    for (const contender of contenders) {
      await fresh()
      const ms = await page.evaluate((contender) => globalThis.bench.firstRow(contender), contender)
      if (rep >= 0) samples[contender].push(ms)
    }
  }
  return samples
}
