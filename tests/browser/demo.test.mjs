// The demo page as `npm start` serves it: a person opens it, presses Run and sees rows that SQLite made in the page's worker.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startDemo } from './demo.mjs'
import { engines, launch, served } from './launch.mjs'

const site = served({ start: startDemo })

/** What the result table shows: one array of cell texts per row. */
function readRows() {
  return [...document.querySelectorAll('#rows tbody tr')].map((line) => [...line.cells].map((cell) => cell.textContent))
}

for (const engine of engines) {
  test(`${engine}: Run shows the rows of the statement`, { timeout: 90_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(site.address)
    await page.waitForFunction(() => document.getElementById('engine').dataset.state === 'ready' && !document.getElementById('run').disabled)

    await page.evaluate(() => {
      document.getElementById('sql').value = "select 6 * 7 as answer, 'strong' || 'box' as word, null as absent"
    })
    await page.click('#run')
    await page.waitForFunction(() => document.querySelector('#rows th')?.textContent === 'answer')
    assert.deepEqual(await page.evaluate(readRows), [['42', 'strongbox', 'null']])

    const version = await page.evaluate(() => document.getElementById('engine-text').textContent)
    assert.match(version, /^SQLite 3\.\d+\.\d+ in a worker$/)
    assert.deepEqual(complaints, [])
  })

  test(`${engine}: every example of the page runs`, { timeout: 90_000 }, async (t) => {
    const { page, close } = await launch(engine)
    t.after(close)
    await page.goto(site.address)
    await page.waitForFunction(() => document.querySelectorAll('#rows tbody tr').length > 0)
    const count = await page.evaluate(() => document.querySelectorAll('#examples button').length)
    assert.ok(count > 3)
    for (let index = 0; index < count; index += 1) {
      await page.evaluate((nth) => {
        document.getElementById('rows').replaceChildren()
        document.querySelectorAll('#examples button')[nth].click()
      }, index)
      await page.waitForFunction(() => document.querySelectorAll('#rows tbody tr').length > 0 || !document.getElementById('error').hidden)
      assert.equal(await page.evaluate(() => document.getElementById('error').hidden && 'no error'), 'no error')
    }
  })

  test(`${engine}: a mistake in the SQL is shown and the page goes on`, { timeout: 90_000 }, async (t) => {
    const { page, close } = await launch(engine)
    t.after(close)
    await page.goto(site.address)
    await page.waitForFunction(() => document.querySelectorAll('#rows tbody tr').length > 0)
    const ask = async (sql) => {
      await page.evaluate((text) => {
        document.getElementById('sql').value = text
      }, sql)
      await page.click('#run')
    }
    await ask('select * from missing')
    await page.waitForFunction(() => !document.getElementById('error').hidden)
    assert.equal(await page.evaluate(() => document.getElementById('error').textContent), 'sqlite: no such table: missing')
    await ask('select 1 as one')
    await page.waitForFunction(() => document.querySelector('#rows th')?.textContent === 'one')
    assert.equal(await page.evaluate(() => document.getElementById('error').hidden), true)
  })
}
