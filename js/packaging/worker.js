// The worker of own-worker.js.

import { openSync, rawKey } from 'coffer-db/sync'

async function visit() {
  const db = await openSync('packaging', { key: rawKey(new Uint8Array(32).fill(7)) })
  db.exec('create table if not exists visit(at text)')
  db.transaction((tx) => tx.run('insert into visit values (?)', [new Date()]))
  const { visits } = db.get('select count(*) as visits from visit')
  await db.close()
  return visits
}

visit().then(
  (visits) => postMessage({ visits }),
  (error) => postMessage({ error: `${error.code ?? error.name}: ${error.message}` }),
)
