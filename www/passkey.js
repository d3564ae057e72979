// An example: a database whose key a passkey wraps. What the passkey computes of a fixed input (its PRF output) never leaves the page; of it
// comes a key that cannot be exported, and that key wraps the random one under which the database is sealed.

import { CofferError, open, webCryptoKey } from 'coffer-db'

const name = 'passkey-diary'
const element = (id) => document.getElementById(id)
const page = Object.fromEntries(['state', 'state-text', 'create', 'unlock', 'lock', 'form', 'entry', 'entries', 'error'].map((id) => [id, element(id)]))

/** The same input each time, so that the same output comes; whatever else the passkey is used for has another. */
const input = new TextEncoder().encode('coffer example: the key of a diary')

function state(kind, text) {
  page.state.dataset.state = kind
  page['state-text'].textContent = text
}

/** Makes a passkey that can compute a PRF. What it computes is asked for when it is used. */
async function makePasskey() {
  const made = await navigator.credentials.create({
    publicKey: {
      challenge: crypto.getRandomValues(new Uint8Array(32)),
      rp: { name: 'Coffer' },
      user: { id: crypto.getRandomValues(new Uint8Array(16)), name: 'diary', displayName: 'Diary' },
      pubKeyCredParams: [{ type: 'public-key', alg: -7 }, { type: 'public-key', alg: -257 }],
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      extensions: { prf: {} },
    },
  })
  if (made.getClientExtensionResults().prf?.enabled !== true) throw new Error('this authenticator has no PRF: choose another one, or use a passphrase')
}

/** Has the person use the passkey, and gives the key that comes of it. */
async function keyOfPasskey() {
  const used = await navigator.credentials.get({
    publicKey: { challenge: crypto.getRandomValues(new Uint8Array(32)), userVerification: 'required', extensions: { prf: { eval: { first: input } } } },
  })
  const output = used.getClientExtensionResults().prf?.results?.first
  if (output === undefined) throw new Error('this passkey computes no PRF: make one here')
  const material = await crypto.subtle.importKey('raw', output, 'HKDF', false, ['deriveKey'])
  const derivation = { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(), info: new TextEncoder().encode('wrap the key of a database') }
  return crypto.subtle.deriveKey(derivation, material, { name: 'AES-GCM', length: 256 }, false, ['encrypt', 'decrypt'])
}

let db

async function unlock() {
  db = await open(name, { key: webCryptoKey(await keyOfPasskey()) })
  await db.exec('create table if not exists entry(id integer primary key, body text not null)')
  state('ready', 'Unlocked')
  page.form.hidden = false
  page.lock.disabled = false
  page.create.disabled = page.unlock.disabled = true
  db.live('select body from entry order by id desc limit 100', [], (rows) => {
    page.entries.replaceChildren(...rows.map(({ body }) => Object.assign(document.createElement('li'), { textContent: body })))
  })
}

async function lock() {
  await db?.close()
  db = undefined
  state('locked', 'Locked')
  page.form.hidden = true
  page.lock.disabled = true
  page.create.disabled = page.unlock.disabled = false
  page.entries.replaceChildren()
}

/** Does something, and says what was wrong with it. */
function told(work) {
  return async (event) => {
    event?.preventDefault()
    page.error.hidden = true
    try {
      await work()
    } catch (error) {
      page.error.textContent = error instanceof CofferError ? `${error.code}: ${error.message}` : error.message
      page.error.hidden = false
    }
  }
}

page.create.onclick = told(async () => {
  await makePasskey()
  await unlock()
})
page.unlock.onclick = told(unlock)
page.lock.onclick = told(lock)
page.form.onsubmit = told(async () => {
  await db.run('insert into entry(body) values (?)', [page.entry.value])
  page.entry.value = ''
})

if (!('credentials' in navigator) || typeof PublicKeyCredential === 'undefined') {
  page.create.disabled = page.unlock.disabled = true
  page.error.textContent = 'this browser has no passkeys, or the page is not secure: serve it over https, or from localhost'
  page.error.hidden = false
}
