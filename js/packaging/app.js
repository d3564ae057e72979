// What every fixture builds: opens a persistent, encrypted database by the package's name, adds a row, and shows how many there are.

import { open, passphrase } from 'coffer-db'

async function visit() {
  const db = await open('packaging', { key: passphrase('correct horse'), kdf: 'pbkdf2' })
  await db.exec('create table if not exists visit(at text)')
  await db.run('insert into visit values (?)', [new Date()])
  const { visits } = await db.get('select count(*) as visits from visit')
  // What the page's file loads only when it is used has to be found too.
  let bytes = 0
  await db.backup(new WritableStream({ write: (chunk) => void (bytes += chunk.length) }), { format: 'sql' })
  await db.close()
  if (bytes === 0) throw new Error('the backup is empty')
  return visits
}

let started = false

/** Once, however often a framework asks. */
export function start() {
  if (started) return
  started = true
  visit().then(
    (visits) => (window.shown = { visits }),
    (error) => (window.shown = { error: `${error.code ?? error.name}: ${error.message}` }),
  )
}

// A framework that renders on a server imports this there too, where nothing may happen.
if (typeof window !== 'undefined') start()
