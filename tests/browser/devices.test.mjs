// Every backend passes the one suite: claims about files, on the places that this browser really has.

import assert from 'node:assert/strict'
import { before, test } from 'node:test'
import { buildSuite } from '../../scripts/suite.mjs'
import { engines, launch, placesOf, served } from './launch.mjs'

before(buildSuite)
const site = served()

/** Where files are sparse a far offset costs nothing; in memory it would. */
const limits = {
  opfs: { filesMax: 16, offsetMax: 5 * 2 ** 30 },
  indexeddb: { filesMax: 16, offsetMax: 2 ** 20 },
}

for (const engine of engines) {
  test(`${engine}: every claim about files holds`, { timeout: 240_000 }, async (t) => {
    const { page, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/plain.html`)
    for (const place of placesOf(engine)) {
      await t.test(place, async () => {
        const outcome = await page.evaluate(
          (asked) =>
            new Promise((resolve) => {
              const worker = new Worker('/tests/browser/pages/suite.js', { type: 'module' })
              worker.onmessage = ({ data }) => {
                worker.terminate()
                resolve(data)
              }
              worker.onerror = (event) => resolve({ panic: event.message })
              worker.postMessage(asked)
            }),
          { place, ...limits[place] },
        )
        assert.equal(outcome.panic, undefined)
        assert.ok(outcome.held > 20, `${outcome.held} claims`)
      })
    }
  })
}
