// What it costs to cross from the page to the worker and back, apart from what SQLite and the files cost.

import { connectPackage, connectRemote, timed } from './page.js'

const wide = `
create table wide(a integer primary key, b integer, c real, d text, e text, f text, g text, h text);
insert into wide with recursive n(i) as (select 1 union all select i + 1 from n where i < %)
select i, i * 7919 % 100003, i / 7.0, 'customer ' || (i % 977), 'street ' || (i * 31 % 5003), 'paid', '2026-11-' || (1 + i % 28), printf('note %d of nobody in particular', i) from n`

const wideRows = 'select a, b, c, d, e, f, g, h from wide'

/** Milliseconds of each of `reps` runs, taken in turn. */
async function interleaved(reps, works) {
  const times = Object.fromEntries(Object.keys(works).map((name) => [name, []]))
  // The first round is for the compilers.
  for (let rep = -1; rep < reps; rep += 1) {
    for (const [name, work] of Object.entries(works)) {
      const { ms } = await timed(async () => void (await work()))
      if (rep >= 0) times[name].push(ms)
    }
  }
  return times
}

/** All rows of a table read to the page: in Coffer's wire form, and as structured clones of the objects that the same engine makes in its worker. */
export async function rowsToPage(count, reps) {
  const mine = await connectPackage('coffer-plain', 'seam-rows')
  const cloned = await connectRemote('coffer-plain', 'seam-rows-cloned')
  try {
    for (const handle of [mine, cloned]) await handle.exec(wide.replace('%', String(count)))
    const check = (rows) => {
      if (rows.length !== count || rows[count - 1].a !== count || Object.keys(rows[0]).length !== 8) throw new Error('rows are missing')
    }
    return await interleaved(reps, { wire: async () => check(await mine.all(wideRows, [])), cloned: async () => check(await cloned.all(wideRows, [])) })
  } finally {
    await mine.close()
    await cloned.close()
  }
}

const insertSmall = 'insert into small(body) values (?)'

/** Small writes asked for all at once, under relaxed durability; beside them sql.js does as many in a loop of its worker's and in one transaction. */
export async function concurrentRuns(count, reps, contenders) {
  const handle = await connectPackage('coffer', 'seam-runs', { durability: 'relaxed' })
  const memory = contenders.includes('sqljs') ? await connectRemote('sqljs', 'seam-loop') : undefined
  try {
    for (const one of [handle, memory]) await one?.exec('create table small(id integer primary key, body text)')
    const times = await interleaved(reps, {
      runs: () => Promise.all(Array.from({ length: count }, (_, index) => handle.run(insertSmall, [`body ${index}`]))),
      ...(memory !== undefined && { loop: () => memory.loop(insertSmall, count) }),
    })
    const { total } = await handle.get('select count(*) as total from small', [])
    if (total !== count * (reps + 1)) throw new Error(`${total} rows arrived`)
    return times
  } finally {
    await handle.close()
    await memory?.close()
  }
}

/** One row asked for, and waited for, again and again; and messages that ask for nothing. */
export async function roundTrips(count, reps) {
  const handle = await connectPackage('coffer', 'seam-get')
  const bare = await connectRemote('coffer-plain', 'seam-ping')
  try {
    await handle.exec("create table small(id integer primary key, body text); insert into small(body) values ('one'), ('two')")
    return await interleaved(reps, {
      get: async () => {
        for (let index = 0; index < count; index += 1) await handle.get('select body from small where id = ?', [1 + (index & 1)])
      },
      ping: async () => {
        for (let index = 0; index < count; index += 1) await bare.ping()
      },
    })
  } finally {
    await handle.close()
    await bare.close()
  }
}
