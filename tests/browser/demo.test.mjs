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

/** The page as a visitor sees it: its words, what is wrong, and how much is drawn. */
function look() {
  const text = (id) => document.getElementById(id).textContent
  return {
    state: document.getElementById('engine').dataset.state, error: document.getElementById('error').hidden ? '' : text('error'),
    tables: [...document.querySelectorAll('#schema button span:first-child')].map((span) => span.textContent),
    figures: Object.fromEntries([...document.querySelectorAll('#figures dt')].map((term) => [term.textContent, term.nextElementSibling.textContent])),
    squares: document.querySelectorAll('#map rect').length, parts: document.querySelectorAll('#bars rect').length,
    // Nothing may be wider than the window.
    fits: document.documentElement.scrollWidth <= window.innerWidth,
  }
}

/** All that the page does by itself is done; what state it is in is told last. */
const shown = () =>
  document.querySelectorAll('#rows tbody tr').length > 0 && !document.getElementById('run').disabled && document.querySelectorAll('#map rect').length > 0
  && document.getElementById('engine').dataset.state !== 'loading'

for (const engine of engines) {
  test(`${engine}: the page stays what its visitor made of it, in every tab, and shows no error`, { timeout: 120_000 }, async (t) => {
    const { page, newPage, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(site.address)
    await page.waitForFunction(shown)
    const first = await page.evaluate(look)
    assert.deepEqual([first.state, first.error, first.tables, first.fits], ['ready', '', ['customer', 'note', 'place', 'purchase'], true])
    assert.ok(first.squares > 10 && first.parts > 1, `${first.squares} pages and ${first.parts} parts are drawn`)
    assert.match(first.figures['kept in'], /^(OPFS|IndexedDB)$/)
    assert.match(first.figures.stored, /^[1-9][\d.]* KB$/)
    assert.ok((await page.screenshot()).length > 20_000, 'the page is empty')

    const ask = async (page, sql, answer) => {
      await page.evaluate((text) => (document.getElementById('sql').value = text), sql)
      await page.click('#run')
      await page.waitForFunction(`[...document.querySelectorAll('#rows td')].map((cell) => cell.textContent).join() === ${JSON.stringify(answer)}`)
    }
    await ask(page, "insert into note values ('Mine', 'my own words') returning title", 'Mine')
    await page.goto(site.address)
    await page.waitForFunction(shown)
    await ask(page, "select body from note where title = 'Mine'", 'my own words')

    const second = await newPage()
    await second.goto(site.address)
    await second.waitForFunction(shown)
    await ask(second, "update customer set city = 'the second tab' where id = 1 returning id", '1')
    await ask(page, 'select city from customer where id = 1', 'the second tab')
    await ask(second, 'create table made_elsewhere(x)', '')
    await page.waitForFunction(() => [...document.querySelectorAll('#schema button')].some((button) => button.textContent.startsWith('made_elsewhere')))
    await page.click('#reset')
    await second.waitForFunction(() => ![...document.querySelectorAll('#schema button')].some((button) => button.textContent.startsWith('made_elsewhere')))
    assert.deepEqual((await second.evaluate(look)).tables, first.tables)
    for (const tab of [page, second]) assert.equal((await tab.evaluate(look)).error, '')
    assert.deepEqual(complaints, [])
  })

  test(`${engine}: Run shows the rows of the statement`, { timeout: 90_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(site.address)
    await page.waitForFunction(() => document.getElementById('engine').dataset.state === 'ready' && document.querySelectorAll('#rows tbody tr').length > 0 && !document.getElementById('run').disabled)

    await page.evaluate(() => {
      document.getElementById('sql').value = "select 6 * 7 as answer, 'strong' || 'box' as word, null as absent"
    })
    await page.click('#run')
    await page.waitForFunction(() => document.querySelector('#rows th')?.textContent === 'answer')
    assert.deepEqual(await page.evaluate(readRows), [['42', 'strongbox', 'null']])

    const version = await page.evaluate(() => document.getElementById('engine-text').textContent)
    assert.match(version, /^SQLite 3\.\d+\.\d+ in a worker, kept in (OPFS|IndexedDB)$/)
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
