// What every fixture builds: opens a persistent database by the package's name, adds a row, and shows how many there are.

import { open } from 'coffer-db'

async function main() {
  const db = await open('packaging')
  await db.exec('create table if not exists visit(at text)')
  await db.run('insert into visit values (?)', [new Date()])
  const { visits } = await db.get('select count(*) as visits from visit')
  await db.close()
  return visits
}

main().then(
  (visits) => (window.shown = { visits }),
  (error) => (window.shown = { error: `${error.code ?? error.name}: ${error.message}` }),
)
