// The API of an open database in real browsers: what the page asks, in whatever order, and what becomes of it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, launch, served } from './launch.mjs'

const site = served()

/** Tests by name. Each function runs in the page; what it returns is compared. `make` opens a database in memory. */
const cases = {
  'get gives one row, or none': {
    run: async ({ make }) => {
      const db = await make()
      await db.exec('create table t(id integer primary key, body text); insert into t(body) values (\'a\'), (\'b\')')
      return [await db.get('select body from t order by id desc'), (await db.get('select 1 where 0')) ?? 'none']
    },
    gives: [{ body: 'b' }, 'none'],
  },

  'integers are bigints on request, and never rounded': {
    run: async ({ make }) => {
      const db = await make()
      const show = (row) => Object.values(row).map((value) => `${typeof value} ${value}`)
      const sql = 'select 1 as a, 9007199254740991 as b, 9007199254740993 as c, 1.5 as d'
      return [show(await db.get(sql)), show(await db.get(sql, [], { bigint: true }))]
    },
    gives: [
      ['number 1', 'number 9007199254740991', 'bigint 9007199254740993', 'number 1.5'],
      ['bigint 1', 'bigint 9007199254740991', 'bigint 9007199254740993', 'number 1.5'],
    ],
  },

  'texts come back whole, whatever is in them': {
    run: async ({ make }) => {
      const db = await make()
      const texts = ['', 'ascii', '\ufeffmark', 'stra\u00dfe', '\u{1f512}\u{1f512}', '\u0000zero', 'x'.repeat(100_000)]
      const rows = await db.query('select ? as a, ? as b, ? as c, ? as d, ? as e, ? as f, ? as g', texts)
      const broken = await db.get("select cast(x'61ff62' as text) as bad, 'after' as good")
      return [Object.values(rows[0]).every((text, index) => text === texts[index]), broken]
    },
    gives: [true, { bad: 'a\ufffdb', good: 'after' }],
  },

  'a large result arrives in parts and in order': {
    run: async ({ make }) => {
      const db = await make()
      const rows = await db.query("with recursive n(i) as (select 0 union all select i + 1 from n where i < 49999) select i, printf('%040d', i) as text from n")
      return [rows.length, rows.every(({ i, text }, index) => i === index && Number(text) === index)]
    },
    gives: [50_000, true],
  },

  'iterate streams one state of the database, keeps its pace and ends early': {
    run: async ({ make }) => {
      const db = await make()
      await db.exec('create table t(i); insert into t with recursive n(i) as (select 0 union all select i + 1 from n where i < 9999) select i from n')
      let count = 0
      let sum = 0
      for await (const { i } of db.iterate('select i from t', [], { batch: 100 })) {
        // Neither a commit nor a query of others is held up by the loop, nor seen in it.
        if (count === 0) await db.run('insert into t values (1000000)')
        count += 1
        sum += i
      }
      let seen = 0
      for await (const row of db.iterate('select i from t')) if ((seen = row.i) === 3) break
      // Whoever leaves early leaves nothing behind: as many cursors as one likes, one after another.
      for (let round = 0; round < 50; round += 1) for await (const { i } of db.iterate('select i from t')) if (i >= 0) break
      const { total } = await db.get('select count(*) as total from t')
      return [count, sum, seen, total]
    },
    gives: [10_000, 49_995_000, 3, 10_001],
  },

  'iterate fetches no further than one batch ahead': {
    run: async ({ make }) => {
      const db = await make()
      // An endless query: who fetched all of it would never come back.
      const rows = db.iterate('with recursive n(i) as (select 0 union all select i + 1 from n) select i from n', [], { batch: 10 })
      const first = []
      for (let index = 0; index < 25; index += 1) first.push((await rows.next()).value.i)
      await rows.return()
      return [first.at(-1), await rows.next().then(({ done }) => done), (await db.get('select 7 as n')).n]
    },
    gives: [24, true, 7],
  },

  'a prepared statement tells what it is, runs, and ends': {
    run: async ({ make, outcome }) => {
      const db = await make()
      await db.exec('create table t(id integer primary key, body text)')
      const insert = await db.prepare('insert into t(body) values (:body)')
      const select = await db.prepare('select id, body from t where id >= ?')
      const { lastInsertRowid } = await insert.run({ body: 'a' })
      await insert.run({ body: 'b' })
      const streamed = []
      for await (const row of select.iterate([1])) streamed.push(row.id)
      const seen = [
        [insert.columns, insert.parameters, insert.readonly], [select.columns, select.parameters, select.readonly],
        lastInsertRowid, await select.all([1]), await select.get([2]), streamed,
      ]
      select.finalize()
      seen.push(await outcome(select.all([1])), await outcome(db.prepare('select nothing from nowhere')))
      return seen
    },
    gives: [[[], 1, false], [['id', 'body'], 1, true], 1, [{ id: 1, body: 'a' }, { id: 2, body: 'b' }], { id: 2, body: 'b' }, [1, 2], 'closed', 'sqlite'],
  },

  'a batch is one transaction, and says which statement failed': {
    run: async ({ make, outcome }) => {
      const db = await make()
      await db.exec('create table t(x integer primary key)')
      const insert = (x) => ({ sql: 'insert into t values (?)', params: [x] })
      const done = await db.batch([insert(1), insert(2), { sql: 'update t set x = x + 10' }])
      let index
      const failed = await outcome(db.batch([insert(3), insert(11), insert(4)]).catch((error) => {
        index = error.detail.index
        throw error
      }))
      const went = await db.batch([insert(5), insert(5), insert(6)], { onError: 'continue' })
      const rows = await db.query('select x from t order by x')
      return [done.map(({ changes }) => changes), failed, index, went.map(({ changes, error }) => error?.code ?? changes), rows.map(({ x }) => x)]
    },
    gives: [[1, 1, 2], 'constraint', 1, [1, 'constraint', 1], [5, 6, 11, 12]],
  },

  'a transaction commits when its work returns and rolls back when it throws': {
    run: async ({ make, outcome }) => {
      const db = await make()
      await db.exec('create table t(x)')
      const result = await db.transaction(async (tx) => {
        await tx.run('insert into t values (1)')
        return (await tx.get('select count(*) as n from t')).n
      })
      const thrown = await db.transaction(async (tx) => {
        await tx.run('insert into t values (2)')
        throw new RangeError('changed my mind')
      }).catch((error) => error.message)
      let kept
      await db.transaction((tx) => {
        kept = tx
      })
      return [result, thrown, await db.query('select x from t'), await outcome(kept.run('insert into t values (3)')), await outcome(kept.iterate('select 1').next())]
    },
    gives: [1, 'changed my mind', [{ x: 1 }], 'aborted', 'aborted'],
  },

  'nested transactions are undone alone, side by side too': {
    run: async ({ make }) => {
      const db = await make()
      await db.exec('create table t(x)')
      await db.transaction(async (tx) => {
        await tx.run("insert into t values ('outer')")
        const inner = (name, fails) => tx.transaction(async (nested) => {
          await nested.run('insert into t values (?)', [name])
          await nested.transaction((deep) => deep.run('insert into t values (?)', [`${name} deep`]))
          if (fails) throw new Error('no')
        }).catch(() => undefined)
        await Promise.all([inner('a', false), inner('b', true), inner('c', false)])
      })
      return (await db.query('select x from t order by x')).map(({ x }) => x)
    },
    gives: ['a', 'a deep', 'c', 'c deep', 'outer'],
  },

  'transactions take turns, and what stands alone waits or reads the last commit': {
    run: async ({ make }) => {
      const db = await make()
      await db.exec('create table t(x); insert into t values (0)')
      let inside
      const first = db.transaction(async (tx) => {
        await tx.run('update t set x = 1')
        inside = (await db.get('select x from t')).x
      })
      const alone = db.run('update t set x = x + 10')
      const second = db.transaction((tx) => tx.run('update t set x = x * 2'))
      await Promise.all([first, alone, second])
      return [inside, (await db.get('select x from t')).x]
    },
    gives: [0, 22],
  },

  'a read-only transaction sees one state and refuses to write': {
    run: async ({ make, outcome }) => {
      const db = await make()
      await db.exec('create table t(x); insert into t values (1)')
      return db.transaction(async (tx) => {
        const before = (await tx.get('select x from t')).x
        await db.run('update t set x = 2')
        return [before, (await tx.get('select x from t')).x, (await db.get('select x from t')).x, await outcome(tx.run('update t set x = 3'))]
      }, { readonly: true })
    },
    gives: [1, 1, 2, 'readonly'],
  },

  'read committed sees each commit': {
    run: async ({ make }) => {
      const db = await make()
      await db.exec('create table t(x); insert into t values (1)')
      return db.transaction(async (tx) => {
        const before = (await tx.get('select x from t')).x
        await db.run('update t set x = 2')
        return [before, (await tx.get('select x from t')).x]
      }, { readonly: true, isolation: 'read committed' })
    },
    gives: [1, 2],
  },

  'waiting for a transaction ends with busy': {
    run: async ({ make, outcome }) => {
      const db = await make({ busyTimeout: 50 })
      await db.exec('create table t(x)')
      const seen = await db.transaction(async (tx) => {
        const waited = await outcome(db.run('insert into t values (1)'))
        await tx.run('insert into t values (2)')
        return waited
      })
      return [seen, await db.query('select x from t')]
    },
    gives: ['busy', [{ x: 2 }]],
  },

  'a signal ends what waits, what runs, what streams and what is open': {
    run: async ({ make, outcome }) => {
      const db = await make()
      await db.exec('create table t(x)')
      const endless = 'with recursive n(i) as (select 0 union all select i + 1 from n) select count(*) from n'
      const soon = (ms) => {
        const controller = new AbortController()
        setTimeout(() => controller.abort(), ms)
        return controller.signal
      }
      const seen = [await outcome(db.query('select 1', [], { signal: AbortSignal.abort() }))]
      // Running: SQLite is interrupted in the middle of it. Waiting behind it: it is taken out of the queue.
      const running = outcome(db.query(endless, [], { signal: soon(50) }))
      const waiting = outcome(db.run('insert into t values (1)', [], { signal: soon(10) }))
      seen.push(await running, await waiting)
      const streaming = (async () => {
        for await (const row of db.iterate('with recursive n(i) as (select 0 union all select i + 1 from n) select i from n', [], { signal: soon(50) })) if (row.i < 0) break
      })()
      seen.push(await outcome(streaming))
      const open = db.transaction(async (tx) => {
        await tx.run('insert into t values (2)')
        await new Promise(() => undefined)
      }, { signal: soon(50) })
      seen.push(await outcome(open))
      const busy = db.transaction((tx) => tx.query(endless), { signal: soon(50) })
      seen.push(await outcome(busy), await db.query('select x from t'))
      return seen
    },
    gives: ['AbortError', 'AbortError', 'AbortError', 'AbortError', 'AbortError', 'AbortError', []],
  },

  'a live query shows each state that lasts, through views and triggers, and nothing twice': {
    run: async ({ make, until }) => {
      const db = await make()
      await db.exec('create table a(x); create table b(y); create table other(z); create view v as select (select count(*) from a) as a, (select count(*) from b) as b; create trigger t after insert on a begin insert into b values (new.x); end')
      const states = []
      const stop = db.live('select a, b from v', [], ([row]) => void states.push([row.a, row.b]))
      await until(() => states.length === 1)
      await db.run('insert into a values (1)')
      await until(() => states.length === 2)
      // What it does not read, what does not last and what changes nothing is no news.
      await db.run('insert into other values (1)')
      await db.transaction(async (tx) => {
        await tx.run('insert into a values (2)')
        throw new Error('no')
      }).catch(() => undefined)
      await db.run('update a set x = x')
      // Many commits at once: the last state comes, not necessarily those between.
      await Promise.all(Array.from({ length: 200 }, (_, index) => db.run('insert into b values (?)', [index])))
      await until(() => states.at(-1)[1] === 201)
      const calls = states.length
      stop()
      await db.run('delete from b')
      await db.get('select 1')
      return [states[0], states[1], states.at(-1), calls < 100, states.length === calls]
    },
    gives: [[0, 0], [1, 1], [1, 201], true, true],
  },

  'a live query waits for a slow listener, survives its table and follows the schema': {
    run: async ({ make, until }) => {
      const db = await make()
      await db.exec('create table t(x); create view v as select count(*) as n from t')
      const seen = []
      let release
      const stop = db.live('select n from v', [], async ([row]) => {
        seen.push(row.n)
        await new Promise((resolve) => (release = resolve))
      }, { onError: (error) => void seen.push(error.code) })
      await until(() => seen.length === 1)
      for (let index = 0; index < 5; index += 1) await db.run('insert into t values (1)')
      const whileSlow = seen.length
      release()
      await until(() => seen.length === 2)
      release()
      await db.exec('drop view v')
      await until(() => seen.at(-1) === 'sqlite')
      await db.exec('create table u(x); insert into u values (1), (2), (3); create view v as select count(*) as n from u')
      await until(() => seen.at(-1) === 3)
      release()
      await db.run('insert into u values (4)')
      await until(() => seen.at(-1) === 4)
      stop()
      return [whileSlow, seen]
    },
    gives: [1, [0, 5, 'sqlite', 3, 4]],
  },

  'listeners hear commits with their tables, and the end': {
    run: async ({ make, until }) => {
      const db = await make()
      await db.exec('create table t(x)')
      const heard = []
      const off = db.on('commit', ({ tables }) => heard.push(tables.join()))
      db.on('close', () => heard.push('close'))
      await db.transaction(async (tx) => {
        await tx.run('insert into t values (1)')
        await tx.run('insert into t values (2)')
      })
      await until(() => heard.length === 1)
      off()
      await db.run('insert into t values (3)')
      await db.close()
      return heard
    },
    gives: ['t', 'close'],
  },

  'close waits for what was asked before, and everything after rejects': {
    run: async ({ make, outcome }) => {
      const db = await make()
      await db.exec('create table t(x)')
      const asked = outcome(db.run('insert into t values (1)'))
      const open = db.transaction(async (tx) => {
        await tx.run('insert into t values (2)')
        return 'done'
      })
      const closing = db.close()
      const seen = [await asked, await open, await closing.then(() => 'closed')]
      seen.push(await outcome(db.query('select 1')), await outcome(db.transaction(() => 1)), await outcome(db.iterate('select 1').next()))
      return seen
    },
    gives: ['fine', 'done', 'closed', 'closed', 'closed', 'closed'],
  },

  'a database, and a statement, end with the block that uses them': {
    run: async ({ make, outcome }) => {
      // Where the browser does not know the words yet, a compiler puts the same calls in their place.
      let block
      try {
        block = new Function('open', 'return (async () => { let kept; { await using db = await open(); using statement = await db.prepare("select 1"); kept = { db, statement } } return kept })()')
      } catch {
        block = async (open) => {
          const db = await open()
          const statement = await db.prepare('select 1')
          statement[Symbol.dispose ?? 'undefined']()
          await db[Symbol.asyncDispose ?? 'undefined']()
          return { db, statement }
        }
      }
      const { db, statement } = await block(() => make())
      return [await outcome(db.query('select 1')), await outcome(statement.all())]
    },
    gives: ['closed', 'closed'],
  },

  'nothing hangs when the worker dies': {
    run: async ({ make, outcome }) => {
      let worker
      const db = await make({
        worker: () => {
          worker = new Worker('/dist/worker.js', { type: 'module' })
          return worker
        },
      })
      await db.exec('create table t(x)')
      const heard = []
      db.on('error', (error) => heard.push(error.code))
      db.on('close', () => heard.push('close'))
      const calls = [
        outcome(db.query('with recursive n(i) as (select 0 union all select i + 1 from n) select count(*) from n')),
        outcome(db.transaction((tx) => tx.run('insert into t values (1)'))),
        outcome(db.iterate('select 1').next()),
      ]
      // What a crashed process looks like from the page.
      worker.onerror(new ErrorEvent('error', { message: 'killed' }))
      return [await Promise.all(calls), await outcome(db.run('insert into t values (1)')), await outcome(db.close()), heard]
    },
    gives: [['worker_lost', 'worker_lost', 'worker_lost'], 'worker_lost', 'fine', ['worker_lost', 'close']],
  },

  'ten thousand calls at once all come back': {
    run: async ({ make }) => {
      const db = await make()
      await db.exec('create table t(x integer primary key, y text)')
      const done = await Promise.all(Array.from({ length: 10_000 }, (_, index) => db.run('insert into t(y) values (?)', [`row ${index}`])))
      const { n } = await db.get('select count(*) as n from t')
      return [n, done.every(({ changes, lastInsertRowid }, index) => changes === 1 && lastInsertRowid === index + 1)]
    },
    gives: [10_000, true],
  },
}

for (const engine of engines) {
  test(`${engine}: the API`, { timeout: 240_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/plain.html`)
    await page.waitForFunction(() => window.coffer !== undefined)
    for (const [name, { run, gives }] of Object.entries(cases)) {
      await t.test(name, { timeout: 30_000 }, async () => {
        const seen = await page.evaluate(`window.tried(${run.toString()})`)
        assert.deepEqual(seen, gives)
      })
    }
    assert.deepEqual(complaints, [])
  })
}
