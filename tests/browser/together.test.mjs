// Runs that are asked for at once share commits, and nobody can tell: each is answered as if it had run by itself.

import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { serve } from '../../scripts/files.mjs'
import { engines, launch } from './launch.mjs'

let site
before(async () => (site = await serve('.')))
after(() => site.close())

/** Tests by name. Each function runs in the page; what it returns is compared. `make` opens a database in memory. */
const cases = {
  'ten thousand runs at once are few commits, each tells its own row and changes, and commits are told once each': {
    run: async ({ make }) => {
      const db = await make()
      await db.exec('create table t(x integer primary key, y text); create table u(x)')
      const events = []
      db.on('commit', ({ tables }) => events.push(tables.join()))
      const before = (await db.storageInfo()).last_commit_id
      const insert = (index) => db.run('insert into t(y) values (?)', [`row ${index}`])
      const update = (index) => db.run('update t set y = y || ? where x <= ?', ['!', index % 7])
      const done = await Promise.all(Array.from({ length: 10_000 }, (_, index) => (index % 100 === 99 ? update(index) : insert(index))))
      const commits = (await db.storageInfo()).last_commit_id - before
      let rowid = 0
      const right = done.every(({ changes, lastInsertRowid }, index) => (index % 100 === 99 ? changes === index % 7 && lastInsertRowid === rowid : changes === 1 && lastInsertRowid === (rowid += 1)))
      return { right, few: commits < 1000, told: events.length === commits, tables: [...new Set(events)], n: (await db.get('select count(*) as n from t')).n }
    },
    gives: { right: true, few: true, told: true, tables: ['t'], n: 9900 },
  },

  'one that fails undoes itself and no other': {
    run: async ({ make, outcome }) => {
      const db = await make()
      await db.exec('create table t(x integer primary key, y check (y > 0)); insert into t values (3, 1)')
      const asked = [
        ...[1, 2, 3, 4].map((x) => db.run('insert into t values (?, 1)', [x])),
        // It fails at its second row, and takes its first with it.
        db.run('insert into t values (10, 1), (11, 0)'),
        db.run('insert into t values (?)', [5]),
        db.run('insert into nowhere values (1)'),
        db.run('insert into t values (?, ?)', [1]),
        db.run('insert into t values (5, 1)'),
      ]
      return [await Promise.all(asked.map(outcome)), (await db.query('select x from t')).map(({ x }) => x)]
    },
    gives: [['fine', 'fine', 'constraint', 'fine', 'constraint', 'sqlite', 'sqlite', 'sqlite', 'fine'], [1, 2, 3, 4, 5]],
  },

  'one that rolls back, or fails and keeps what it did, does that to itself only': {
    run: async ({ make, outcome }) => {
      const db = await make()
      await db.exec(`create table t(x integer primary key); insert into t values (50);
        create trigger no before insert on t when new.x = 70 begin select raise(rollback, 'no'); end`)
      const asked = Array.from({ length: 90 }, (_, x) => {
        const how = x === 50 ? 'or rollback' : ''
        return x === 60 ? db.run('insert or fail into t values (100), (101), (50), (102)') : db.run(`insert ${how} into t values (?)`, [x])
      })
      const failed = (await Promise.all(asked.map(outcome))).flatMap((code, x) => (code === 'fine' ? [] : [`${x} ${code}`]))
      const { n, more } = await db.get('select count(*) as n, sum(x > 99) as more from t')
      return { failed, n, more }
    },
    // 90 without those at 60 and 70, and two of what failed at 60.
    gives: { failed: ['50 constraint', '60 constraint', '70 constraint'], n: 90, more: 2 },
  },

  'a row that a deferred foreign key lacks is missed at once, though the next run would bring it': {
    run: async ({ make, outcome }) => {
      const db = await make()
      await db.exec(`pragma foreign_keys = on; create table parent(x integer primary key);
        create table child(x references parent deferrable initially deferred)`)
      const asked = [
        db.run('insert into parent values (1)'),
        db.run('insert into child values (1)'),
        db.run('insert into child values (2)'),
        db.run('insert into parent values (2)'),
        db.run('insert into child values (2)'),
      ]
      return [await Promise.all(asked.map(outcome)), (await db.get('select count(*) as n from child')).n]
    },
    gives: [['fine', 'fine', 'constraint', 'fine', 'fine'], 2],
  },

  'what cannot share a transaction runs by itself, in its place': {
    run: async ({ make, outcome }) => {
      const db = await make()
      await db.exec('create table t(x)')
      const insert = (x) => db.run('insert into t values (?)', [x])
      const asked = [
        insert(1), insert(2), db.run('create table u(x)'), db.run('insert into u select x from t'), db.run('vacuum'), insert(3), db.run('pragma user_version = 7'),
        db.run("attach ':memory:' as other"), db.run('create table other.v(x)'), insert(4), db.run('begin'), insert(5), insert(6), db.run('rollback'), insert(7),
        db.run('begin'), insert(8), db.run('commit'), db.run('select 1'), db.run('-- a remark\ninsert into t values (9)'), insert(10),
      ]
      const codes = await Promise.all(asked.map(outcome))
      return { codes: [...new Set(codes)], t: (await db.query('select x from t')).map(({ x }) => x), u: (await db.query('select x from u')).length, ...(await db.get('pragma user_version')) }
    },
    gives: { codes: ['fine'], t: [1, 2, 3, 4, 7, 8, 9, 10], u: 2, user_version: 7 },
  },

  'one that is given up by its signal is not done, and those beside it are': {
    run: async ({ make }) => {
      const db = await make()
      await db.exec('create table t(x)')
      const [early, late] = [new AbortController(), new AbortController()]
      const asked = Array.from({ length: 300 }, (_, x) => db.run('insert into t values (?)', [x], x === 100 ? { signal: early.signal } : x === 200 ? { signal: late.signal } : {}))
      early.abort()
      const done = await Promise.allSettled(asked)
      late.abort()
      const rows = (await db.query('select x from t')).map(({ x }) => x)
      return { failed: done.flatMap(({ reason }, x) => (reason === undefined ? [] : [`${x} ${reason.name}`])), n: rows.length, gone: rows.includes(100), kept: rows.includes(200) }
    },
    gives: { failed: ['100 AbortError'], n: 299, gone: false, kept: true },
  },

  'one that a signal stops in the middle takes only itself back': {
    run: async ({ make }) => {
      const db = await make()
      await db.exec('create table t(x)')
      const slow = new AbortController()
      const endless = 'insert into t with recursive n(i) as (select 0 union all select i + 1 from n) select i from n'
      const asked = [...[1, 2].map((x) => db.run('insert into t values (?)', [x])), db.run(endless, [], { signal: slow.signal }), ...[3, 4].map((x) => db.run('insert into t values (?)', [x]))]
      setTimeout(() => slow.abort(), 300)
      const done = await Promise.allSettled(asked)
      return [done.map(({ status, reason }) => reason?.name ?? status), (await db.query('select x from t')).map(({ x }) => x)]
    },
    gives: [['fulfilled', 'fulfilled', 'AbortError', 'fulfilled', 'fulfilled'], [1, 2, 3, 4]],
  },

  'what is asked between them sees those before, and nothing of those after': {
    run: async ({ make }) => {
      const db = await make()
      await db.exec('create table t(x)')
      const counts = []
      const asked = []
      for (let x = 0; x < 3000; x += 1) {
        asked.push(db.run('insert into t values (?)', [x]))
        if (x % 1000 === 999) asked.push(db.get('select count(*) as n from t').then(({ n }) => counts.push(n)))
      }
      await Promise.all(asked)
      return counts
    },
    gives: [1000, 2000, 3000],
  },

  'a live query misses none of them in the end': {
    run: async ({ make, until }) => {
      const db = await make()
      await db.exec('create table t(x); create table other(x)')
      const states = []
      db.live('select count(*) as n from t', [], ([{ n }]) => void states.push(n))
      await until(() => states.length === 1)
      await Promise.all(Array.from({ length: 2000 }, (_, x) => db.run(x % 2 === 0 ? 'insert into t values (?)' : 'insert into other values (?)', [x])))
      await until(() => states.at(-1) === 1000)
      return states.every((n, index) => index === 0 || n > states[index - 1])
    },
    gives: true,
  },

  'they wait for a transaction together, and are refused together when their time is up': {
    run: async ({ make, outcome }) => {
      const db = await make({ busyTimeout: 300 })
      await db.exec('create table t(x)')
      const insert = (x) => db.run('insert into t values (?)', [x])
      let asked
      await db.transaction(async (tx) => {
        await tx.run('insert into t values (0)')
        asked = [1, 2, 3].map(insert)
      })
      const waited = await Promise.all(asked.map(outcome))
      const refused = await db.transaction(() => Promise.all([4, 5, 6].map(insert).map(outcome)))
      return [waited, refused, (await db.query('select x from t')).map(({ x }) => x)]
    },
    gives: [['fine', 'fine', 'fine'], ['busy', 'busy', 'busy'], [0, 1, 2, 3]],
  },

  'a function of the page that is not there yet is waited for, and no run is done twice': {
    run: async ({ make }) => {
      const db = await make()
      await db.exec('create table t(x)')
      const defining = db.function('twice', (x) => x * 2)
      await Promise.all([defining, ...[1, 2, 3].map((x) => db.run('insert into t values (twice(?))', [x]))])
      return (await db.query('select x from t')).map(({ x }) => x)
    },
    gives: [2, 4, 6],
  },

  'what was asked before the end is done, and what comes after is refused': {
    run: async ({ make, outcome }) => {
      const db = await make()
      await db.exec('create table t(x)')
      const asked = Array.from({ length: 5000 }, (_, x) => outcome(db.run('insert into t values (?)', [x])))
      const closing = db.close()
      const after = [1, 2].map((x) => outcome(db.run('insert into t values (?)', [x])))
      await closing
      return [[...new Set(await Promise.all(asked))], await Promise.all(after)]
    },
    gives: [['fine'], ['closed', 'closed']],
  },
}

for (const engine of engines) {
  test(`${engine}: runs at once`, { timeout: 240_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/plain.html`)
    await page.waitForFunction(() => window.coffer !== undefined)
    for (const [name, { run, gives }] of Object.entries(cases)) {
      await t.test(name, { timeout: 60_000 }, async () => {
        const seen = await page.evaluate(`window.tried(${run.toString()})`)
        assert.deepEqual(seen, gives)
      })
    }
    assert.deepEqual(complaints, [])
  })
}
