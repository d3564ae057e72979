// Workers killed in the middle of a commit, and inside wasm: nothing that was acknowledged is lost, whatever the moment.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { engines, launch, placesOf, served } from './launch.mjs'

const site = served()
/** Takes requests and answers none. */
const never = served({
  start: async () => {
    const server = createServer(() => undefined)
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const close = () => {
      server.closeAllConnections()
      server.close()
    }
    return { address: `http://127.0.0.1:${server.address().port}/`, close }
  },
})

/** How many workers are killed in each way. In the test runs of every day fewer than proves much: COFFER_KILLS=50 is the proof. */
const kills = Number(process.env.COFFER_KILLS ?? 16)

/** Where in a commit a worker dies: around each write and flush of a file, and around each part of a transaction. */
const moments = { opfs: ['write', 'half', 'written', 'flushed'], indexeddb: ['put', 'complete'] }

/** What each look at a database must show; gives the deaths in between. */
function inspect(lanes) {
  const deaths = []
  for (const seen of lanes) {
    for (const { death, acknowledged, sent, n, most, check } of seen) {
      if (death !== undefined) deaths.push(death)
      else {
        assert.equal(check, 'ok')
        assert.equal(n, most, 'rows were lost in the middle')
        assert.ok(n >= acknowledged && n <= sent, `${acknowledged} acknowledged, ${n} there, ${sent} sent`)
      }
    }
  }
  return deaths
}

for (const engine of engines) {
  test(`${engine}: killed workers`, { timeout: 600_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/kill.html`)
    await page.waitForFunction(() => window.killAll !== undefined)

    for (const backend of placesOf(engine)) {
      await t.test(`${backend}: workers killed in mid-commit lose nothing that was acknowledged`, async () => {
        const options = { kills, moments: moments[backend], never: never.address }
        const deaths = inspect(await page.evaluate(([backend, options]) => window.killAll('inMidCommit', backend, options), [backend, options]))
        assert.deepEqual(deaths.filter((death) => !death.endsWith(': inside')), [])
        assert.deepEqual([deaths.length, new Set(deaths).size], [kills, moments[backend].length])
      })

      await t.test(`${backend}: workers killed inside wasm lose nothing that was acknowledged`, async () => {
        const deaths = inspect(await page.evaluate(([backend, options]) => window.killAll('insideWasm', backend, options), [backend, { kills }]))
        assert.deepEqual(deaths, Array.from({ length: kills }, () => 'stuck'))
      })
    }

    await t.test('no page error was left over', () => assert.deepEqual(complaints, []))
  })
}
