// The example page of a database that a passkey opens, with an authenticator that the browser plays itself.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startDemo } from './demo.mjs'
import { engines, launch, served, virtualAuthenticator } from './launch.mjs'

const site = served({ start: startDemo })

const entries = () => [...document.querySelectorAll('#entries li')].map((item) => item.textContent)

for (const engine of engines) {
  test(`${engine}: a diary is opened by its passkey, and by no other`, { timeout: 120_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    // Passkeys belong to a name; an address of digits has none.
    await page.goto(`${site.address.replace('127.0.0.1', 'localhost')}passkey.html`)
    await page.waitForFunction(() => document.querySelector('#create')?.onclick !== null)
    const device = await virtualAuthenticator(engine, page)
    if (device === undefined) {
      // Without one, the page is there and says what is wrong.
      assert.equal(await page.evaluate(() => document.querySelector('#state-text').textContent), 'Locked')
      return
    }
    const reload = async () => {
      await page.reload()
      await page.waitForFunction(() => document.querySelector('#create')?.onclick !== null)
    }
    await page.click('#create')
    await page.waitForFunction(() => document.querySelector('#state').dataset.state === 'ready' || !document.querySelector('#error').hidden)
    assert.equal(await page.evaluate(() => document.querySelector('#error').textContent), '')
    await page.evaluate(() => {
      document.querySelector('#entry').value = 'what only I may read'
      document.querySelector('#form').requestSubmit()
    })
    await page.waitForFunction(() => document.querySelectorAll('#entries li').length === 1)

    await reload()
    assert.deepEqual(await page.evaluate(entries), [])
    await page.click('#unlock')
    await page.waitForFunction(() => document.querySelectorAll('#entries li').length === 1)
    assert.deepEqual(await page.evaluate(entries), ['what only I may read'])
    await page.click('#lock')
    await page.waitForFunction(() => document.querySelector('#state').dataset.state === 'locked')
    assert.deepEqual(await page.evaluate(entries), [])

    // Another passkey computes something else.
    await device.forget()
    await reload()
    await page.click('#create')
    await page.waitForFunction(() => !document.querySelector('#error').hidden)
    assert.match(await page.evaluate(() => document.querySelector('#error').textContent), /^wrong_key: /)
    assert.deepEqual(complaints, [])
  })
}
