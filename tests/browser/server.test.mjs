// The package on a server, where there is no browser: importing it does nothing, opening says so.

import assert from 'node:assert/strict'
import { test } from 'node:test'

test('the package can be imported where there are no workers, and open says what is missing', async () => {
  const { CofferError, open } = await import('coffer-db')
  await assert.rejects(open('notes', { backend: 'memory' }), (error) => error instanceof CofferError && error.code === 'unsupported')
})

test('the exports of the package are what is documented', async () => {
  const names = ['CofferError', 'destroy', 'inspect', 'list', 'open', 'passphrase', 'rawKey', 'restore', 'webCryptoKey', 'wrappedBy']
  assert.deepEqual(Object.keys(await import('coffer-db')).sort(), names)
})
