// How the engine gets to where it runs: fetched and compiled once for a page, however many workers use it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, launch, placesOf, served } from './launch.mjs'

const site = served()

for (const engine of engines) {
  test(`${engine}: the engine is compiled once on the page, and no worker compiles or fetches anything`, { timeout: 120_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/checkpoint.html`)
    await page.waitForFunction(() => window.coffer !== undefined)
    const seen = await page.evaluate(async (backend) => {
      const { fill, open } = window.coffer
      const told = []
      const begun = []
      let heard = () => undefined
      new BroadcastChannel('compiling').onmessage = ({ data }) => {
        if (data === 'begun') begun.push(data)
        else told.push(data)
        heard()
      }
      const onPage = []
      for (const name of ['compile', 'compileStreaming']) {
        const real = WebAssembly[name]
        WebAssembly[name] = (...args) => {
          onPage.push(name)
          return real.apply(WebAssembly, args)
        }
      }
      const worker = () => new Worker('/tests/browser/pages/compiling.js')
      const [one, two] = await Promise.all(['one', 'two'].map((name) => open(`loaded ${name}`, { backend, worker })))
      // A third worker, for a checkpoint.
      await one.exec('create table t(id integer primary key, body text); pragma wal_autocheckpoint = 300')
      const third = new Promise((resolve) => (heard = () => begun.length === 3 && resolve()))
      const folded = new Promise((resolve) => one.on('checkpoint', resolve))
      await fill(one, 4)
      await third
      await folded
      const rows = [(await one.get('select count(*) as n from t')).n, (await two.get('select 1 as n')).n]
      await one.close()
      await two.close()
      const fetched = performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('/store.wasm')).length
      return { rows, workers: begun.length, told, onPage: onPage.length, fetched }
    }, placesOf(engine)[0])
    assert.deepEqual(seen, { rows: [4000, 1], workers: 3, told: [], onPage: 1, fetched: 1 })
    assert.deepEqual(complaints, [])
  })
}
