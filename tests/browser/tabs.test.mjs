// Many tabs on one database: that they share it, that it passes from hand to hand, and that what was asked is done once, whoever dies.
//
// A tab is an iframe here: a realm of its own with workers of its own, which end when it is taken away, in any engine and under any driver.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, launch, placesOf, served } from './launch.mjs'

const site = served()

/** So many tabs move money between accounts while one after another is closed, often the one that leads, and another opened. */
const transfers = (tabs) => ({
  tabs,
  run: async (name, options, rounds, tabs) => {
    const { pause, random, settles, tab } = window.tabs
    const draw = random(11)
    const accounts = 20
    const codes = {}
    const wrong = []
    const openOne = async () => {
      const place = await tab()
      const db = await settles(place.open(name, options))
      return { place, db, alive: true }
    }
    const first = await openOne()
    await first.db.exec('create table account(id integer primary key, balance integer); create table moved(tab, n)')
    await first.db.batch(Array.from({ length: accounts }, (_, id) => ({ sql: 'insert into account values (?, 100)', params: [id] })))
    const all = [first, ...(await Promise.all(Array.from({ length: tabs - 1 }, openOne)))]
    let moves = 0
    const work = async (one) => {
      while (one.alive) {
        const [from, to] = [draw(accounts), draw(accounts)]
        try {
          await settles(one.db.transaction(async (tx) => {
            const { balance } = await tx.get('select balance from account where id = ?', [from])
            const sum = Math.min(balance, draw(30))
            await tx.run('update account set balance = balance - ? where id = ?', [sum, from])
            await tx.run('update account set balance = balance + ? where id = ?', [sum, to])
          }, { retries: 10 }))
          moves += 1
        } catch (error) {
          if (!one.alive) return
          codes[error.code ?? error.message] = (codes[error.code ?? error.message] ?? 0) + 1
        }
        const { total } = await settles(one.db.get('select sum(balance) as total from account')).catch((error) => ({ total: one.alive ? error.message : accounts * 100 }))
        if (total !== accounts * 100) wrong.push(total)
      }
    }
    const working = all.map((one) => work(one))
    for (let round = 0; round < rounds; round += 1) {
      await pause(100 + draw(200))
      const index = round % 3 === 0 ? all.findIndex(({ db }) => db.leader === 'self') : draw(all.length)
      const one = all[Math.max(0, index)]
      one.alive = false
      one.place.close()
      const next = await openOne()
      all[all.indexOf(one)] = next
      working.push(work(next))
    }
    for (const one of all) one.alive = false
    // Those of closed tabs never settle: their realm is gone.
    await settles(Promise.all(working.slice(-1)))
    const { db } = all.at(-1)
    const { total } = await settles(db.get('select sum(balance) as total from account'))
    const check = Object.values(await settles(db.get('pragma integrity_check')))[0]
    const leaders = all.filter(({ db }) => db.leader === 'self').length
    for (const { place } of all) place.close()
    return { total, wrong, check, leaders, moves, codes }
  },
  check: ({ total, wrong, check, leaders, moves, codes }, t) => {
    t.diagnostic(`${moves} transfers, refused: ${JSON.stringify(codes)}`)
    assert.deepEqual({ total, wrong, check, leaders }, { total: 2000, wrong: [], check: 'ok', leaders: 1 })
    assert.ok(moves > 20)
  },
})

/** Tests by name. Each function runs in the page with a database's name and options; what it returns is compared, or checked. */
const cases = {
  'a tab that follows can do all that one can that leads': {
    run: async (name, options) => {
      const { outcome, tab, until } = window.tabs
      const [a, b] = [await tab(), await tab()]
      const leader = await a.open(name, options)
      const db = await b.open(name, options)
      await db.exec('create table t(id integer primary key, body text); create table u(x)')
      const seen = { leaders: [leader.leader, db.leader], about: db.about.coffer === leader.about.coffer }
      seen.run = await db.run("insert into t(body) values ('a')")
      seen.batch = (await db.batch([{ sql: "insert into t(body) values ('b')" }, { sql: 'nonsense' }, { sql: "insert into t(body) values ('c')" }], { onError: 'continue' })).map((item) => item.error?.code ?? item.lastInsertRowid)
      seen.read = await leader.query('select body from t order by id')
      const large = await db.query("with recursive n(i) as (select 0 union all select i + 1 from n where i < 49999) select i, printf('%040d', i) as text from n")
      seen.large = large.length === 50_000 && large.every(({ i, text }, index) => i === index && Number(text) === index)
      let sum = 0
      for await (const { i } of db.iterate('with recursive n(i) as (select 0 union all select i + 1 from n where i < 9999) select i from n', [], { batch: 100 })) sum += i
      seen.sum = sum
      seen.prepared = await (await db.prepare('select count(*) as n from t')).get()
      seen.kept = await db.transaction(async (tx) => {
        await tx.run("insert into t(body) values ('d')")
        await tx.transaction(async (nested) => {
          await nested.run("insert into t(body) values ('e')")
          throw new Error('no')
        }).catch(() => undefined)
        return (await tx.get('select count(*) as n from t')).n
      })
      seen.undone = await outcome(db.transaction(async (tx) => {
        await tx.run("insert into t(body) values ('f')")
        throw new RangeError('no')
      }))
      seen.snapshot = await db.transaction(async (tx) => {
        const before = (await tx.get('select count(*) as n from u')).n
        await leader.run('insert into u values (1)')
        return [before, (await tx.get('select count(*) as n from u')).n, await outcome(tx.run('delete from u'))]
      }, { readonly: true })
      const giveUp = new AbortController()
      setTimeout(() => giveUp.abort(), 100)
      seen.aborted = await outcome(db.query('with recursive n(i) as (select 0 union all select i + 1 from n) select count(*) from n', [], { signal: giveUp.signal }))
      const states = []
      const stop = db.live('select count(*) as n from u', [], ([{ n }]) => void states.push(n))
      await until(() => states.at(-1) === 1)
      await leader.run('insert into u values (2)')
      await until(() => states.at(-1) === 2)
      stop()
      seen.bad = await outcome(db.run('select nothing from nowhere'))
      await db.close()
      seen.closed = await outcome(db.get('select 1'))
      seen.after = (await leader.get('select count(*) as n from t')).n
      await leader.close()
      a.close()
      b.close()
      return seen
    },
    gives: {
      leaders: ['self', 'other'], about: true, run: { changes: 1, lastInsertRowid: 1 }, batch: [2, 'sqlite', 3], read: [{ body: 'a' }, { body: 'b' }, { body: 'c' }], large: true,
      sum: 49_995_000, prepared: { n: 3 }, kept: 4, undone: 'RangeError', snapshot: [0, 0, 'readonly'], aborted: 'AbortError', bad: 'sqlite', closed: 'closed', after: 4,
    },
  },

  'when the tab of the leader is closed another leads in less than 3 s': {
    run: async (name, options) => {
      const { tab } = window.tabs
      const took = []
      let last = await tab()
      let db = await last.open(name, options)
      await db.exec('create table t(x)')
      for (let round = 0; round < 8; round += 1) {
        const next = await tab()
        const follower = await next.open(name, options)
        const heard = new Promise((resolve) => follower.on('leader', ({ leader }) => resolve(leader)))
        const start = performance.now()
        // In every other round the leader closes the database, in the others it just goes.
        if (round % 2 === 0) await db.close()
        last.close()
        await follower.run('insert into t values (?)', [round])
        took.push(performance.now() - start)
        if ((await heard) !== 'self' || follower.leader !== 'self') throw new Error('it does not know that it leads')
        ;[last, db] = [next, follower]
      }
      const { n } = await db.get('select count(*) as n from t')
      await db.close()
      last.close()
      return { took, n }
    },
    check: ({ took, n }, t) => {
      assert.equal(n, 8)
      t.diagnostic(`hand-over: ${took.map((ms) => `${Math.round(ms)} ms`).join(', ')}`)
      assert.ok(Math.max(...took) < 3000, `it took ${took}`)
    },
  },

  'what is in flight when the leader dies is done once, and its caller knows': {
    run: async (name, options, rounds) => {
      const { pause, random, settles, tab } = window.tabs
      const draw = random(7)
      const wrong = []
      const kinds = {}
      let made = 0
      for (let round = 0; round < rounds; round += 1) {
        const [a, b] = [await tab(), await tab()]
        const first = await a.openMortal(name, options)
        // No constraint would hide a row that is written twice.
        if (round === 0) await first.db.exec('create table t(id, part)')
        // A slow engine works at what is asked here for longer than anybody waits for a transaction.
        const db = await b.open(name, { ...options, busyTimeout: 60_000 })
        const asked = []
        const failing = []
        const ask = (kind, rows, call) => {
          const id = ++made
          asked.push(settles(call(id), 60_000).then((value) => ({ id, kind, rows, value }), (error) => ({ id, kind, rows, error: { code: error.code, message: error.message, committed: error.detail?.committed } })))
        }
        const turn = (turn) => {
          ask('run', 1, (id) => db.run('insert into t values (?, 0)', [id]))
          ask('batch', 3, (id) => db.batch([0, 1, 2].map((part) => ({ sql: 'insert into t values (?, ?)', params: [id, part] }))))
          ask('exec', 2, (id) => db.exec(`insert into t values (${id}, 0); insert into t values (${id}, 1)`))
          // Neighbours that share a commit, of which one fails in all of them.
          for (let at = 0; at < 6; at += 1) {
            if (at === 3) failing.push(settles(db.run('insert into t values (?, ?, ?)', [0])).then(() => wrong.push('it did not fail'), () => undefined))
            else ask('together', 1, (id) => db.run('insert into t values (?, 0)', [id]))
          }
          ask('returning', 1, (id) => db.query('insert into t values (?, 0) returning id', [id]))
          if (turn % 4 === 0) {
            ask('transaction', 2, (id) => db.transaction(async (tx) => {
              await tx.run('insert into t values (?, 0)', [id])
              await tx.run('insert into t values (?, 1)', [id])
              return 'done'
            }, { retries: 10 }))
          }
        }
        const point = (options.backend === 'opfs' ? ['any', 'write', 'written', 'flushed', 'fourth'] : ['any', 'write', 'written', 'flushed'])[round % (options.backend === 'opfs' ? 5 : 4)]
        let over = false
        const asking = (async () => {
          for (let count = 0; count < 200 && !over; count += 1) {
            for (let burst = 0; burst < 5; burst += 1) turn(count + burst)
            await pause(draw(4))
          }
        })()
        await pause(draw(20))
        if (point === 'any') await pause(draw(40))
        else await settles((await first.stopAt(point)).stopped)
        over = true
        if (draw(2) === 0) first.kill()
        a.close()
        await asking
        await Promise.all(failing)
        const done = await Promise.all(asked)
        const there = new Map((await settles(db.query('select id, count(*) as n from t group by id'))).map(({ id, n }) => [id, n]))
        for (const { id, kind, rows, value, error } of done) {
          const n = there.get(id) ?? 0
          const how = error === undefined ? 'fine' : `${error.code} ${error.committed}`
          kinds[`${kind} ${how}`] = (kinds[`${kind} ${how}`] ?? 0) + 1
          // A script is no transaction: when nobody knows how far it came, part of it may be there.
          const right = error === undefined ? n === rows : error.committed === true ? n === rows || (kind === 'exec' && n > 0 && n < rows) : error.code === 'worker_lost' && error.committed === false && n === 0
          if (!right) wrong.push({ id, kind, n, rows, value, error })
        }
        await db.close()
        b.close()
      }
      return { wrong: wrong.slice(0, 10), kinds, made }
    },
    check: ({ wrong, kinds, made }, t) => {
      t.diagnostic(`${made} requests: ${JSON.stringify(kinds)}`)
      assert.deepEqual(wrong, [])
      assert.ok(kinds['run fine'] > 0 && kinds['together fine'] > 0)
    },
  },

  'runs that shared the commit in which their leader dies are done once, and each is told what it did': {
    run: async (name, options) => {
      const { settles, tab } = window.tabs
      const seen = {}
      for (const point of ['write', 'written', 'flushed']) {
        const [a, b] = [await tab(), await tab()]
        const first = await a.openMortal(`${name} ${point}`, options)
        await first.db.exec('create table t(x integer primary key, y)')
        const db = await b.open(`${name} ${point}`, options)
        await db.run('insert into t(y) values (0)')
        const { stopped } = await first.stopAt(point)
        const asked = Array.from({ length: 200 }, (_, y) => db.run(y % 2 === 0 ? 'insert into t(y) values (?)' : 'insert into t(y) values (? + 0)', [y + 1]).catch((error) => error))
        await settles(stopped)
        first.kill()
        a.close()
        const done = await settles(Promise.all(asked))
        const rows = await settles(db.query('select x, y from t where y > 0 order by x'))
        const once = rows.length === 200 && rows.every(({ x, y }, index) => y === index + 1 && x === index + 2)
        seen[point] = [once, done.every(({ changes, lastInsertRowid }, index) => changes === 1 && lastInsertRowid === index + 2)]
        await settles(db.close())
        b.close()
      }
      return seen
    },
    gives: { write: [true, true], written: [true, true], flushed: [true, true] },
  },

  'a page whose own worker dies after the commit of its runs learns that they are committed': {
    run: async (name, options) => {
      const { settles, tab } = window.tabs
      const a = await tab()
      const { db, kill, stopAt } = await a.openMortal(name, options)
      await db.exec('create table t(x integer primary key, y)')
      const { stopped } = await stopAt('flushed')
      const asked = Array.from({ length: 50 }, (_, y) => db.run('insert into t(y) values (?)', [y]).then(() => 'told', ({ code, detail }) => `${code} ${detail?.committed}`))
      await settles(stopped)
      kill()
      const told = [...new Set(await settles(Promise.all(asked)))]
      const { n, distinct } = await settles(db.get('select count(*) as n, count(distinct y) as "distinct" from t'))
      await settles(db.close())
      a.close()
      return { told, n, distinct }
    },
    // Some may have been in a later commit, which is not there.
    check: ({ told, n, distinct }) => {
      assert.ok(told.every((one) => ['worker_lost true', 'worker_lost false'].includes(one)) && told.includes('worker_lost true'), told.join())
      assert.ok(n === distinct && n > 0 && n <= 50)
    },
  },

  'ten tabs move money between accounts while tabs are closed at random, and none is made or lost': transfers(10),

  'two tabs do so too': transfers(2),

  'no tab reads anything older than what any of them was told, while leaders come and go': {
    run: async (name, options, rounds) => {
      const { pause, random, settles, tab } = window.tabs
      const draw = random(23)
      let told = 0
      let [writes, reads] = [0, 0]
      const wrong = []
      const openOne = async () => {
        const place = await tab()
        return { place, db: await settles(place.open(name, options)), alive: true }
      }
      const first = await openOne()
      await first.db.exec('create table t(x integer primary key)')
      const write = async (one) => {
        while (one.alive) {
          const done = await settles(one.db.run('insert into t default values')).catch(() => undefined)
          if (done !== undefined) {
            writes += 1
            told = Math.max(told, done.lastInsertRowid)
          }
        }
      }
      const latest = 'select coalesce(max(x), 0) as x from t'
      const ways = [
        (db) => db.get(latest).then(({ x }) => x),
        (db) => db.transaction(async (tx) => (await tx.get(latest)).x, { readonly: true }),
        async (db) => {
          let last = 0
          for await (const { x } of db.iterate('select x from t order by x desc limit 1')) last = x
          return last
        },
      ]
      const read = async (one) => {
        for (let way = 0; one.alive; way = (way + 1) % ways.length) {
          const known = told
          const x = await settles(ways[way](one.db)).catch(() => undefined)
          if (x === undefined) continue
          reads += 1
          if (x < known) wrong.push({ way, known, x })
        }
      }
      const start = (one) => {
        write(one)
        read(one)
        return one
      }
      const all = [start(first)]
      for (let count = 0; count < 3; count += 1) all.push(start(await openOne()))
      for (let round = 0; round < rounds; round += 1) {
        await pause(50 + draw(150))
        const one = all[round % 2 === 0 ? Math.max(0, all.findIndex(({ db }) => db.leader === 'self')) : draw(all.length)]
        one.alive = false
        one.place.close()
        all[all.indexOf(one)] = start(await openOne())
      }
      for (const one of all) one.alive = false
      const { db } = all[0]
      const { n } = await settles(db.get('select count(*) as n from t'))
      for (const { place } of all) place.close()
      return { wrong: wrong.slice(0, 10), reads, writes, kept: n >= writes }
    },
    check: ({ wrong, reads, writes, kept }, t) => {
      t.diagnostic(`${reads} reads beside ${writes} writes`)
      assert.deepEqual({ wrong, kept }, { wrong: [], kept: true })
      assert.ok(reads > 50 && writes > 50)
    },
  },

  'a live query sees the commits of other tabs, and after a hand-over only what is new': {
    run: async (name, options) => {
      const { pause, tab, until } = window.tabs
      const [a, b, c] = [await tab(), await tab(), await tab()]
      const leader = await a.open(name, options)
      await leader.exec('create table t(x); create table other(x)')
      const db = await b.open(name, options)
      const third = await c.open(name, options)
      const states = []
      const errors = []
      db.on('error', ({ code }) => errors.push(code))
      db.live('select count(*) as n from t', [], ([{ n }]) => void states.push(n))
      await until(() => states.length === 1)
      await leader.run('insert into t values (1)')
      await until(() => states.at(-1) === 1)
      await third.run('insert into t values (2)')
      await until(() => states.at(-1) === 2)
      // Many at once are few calls.
      await Promise.all(Array.from({ length: 300 }, (_, x) => leader.run('insert into t values (?)', [x])))
      await until(() => states.at(-1) === 302)
      const coalesced = states.length < 150
      // The leader goes: the same rows are no news.
      const calls = states.length
      const moved = new Promise((resolve) => db.on('leader', resolve))
      a.close()
      await moved
      await db.run('insert into other values (1)')
      await pause(200)
      const repeated = states.length - calls
      await third.run('insert into t values (3)')
      await until(() => states.at(-1) === 303)
      const ascending = states.every((n, index) => index === 0 || n > states[index - 1])
      await third.close()
      await db.close()
      for (const place of [b, c]) place.close()
      return { coalesced, repeated, ascending, errors }
    },
    gives: { coalesced: true, repeated: 0, ascending: true, errors: [] },
  },

  'a tab without the key, of another version or with other wishes is refused and told why': {
    run: async (name, options) => {
      const { key, outcome, tab } = window.tabs
      const [a, b] = [await tab(), await tab()]
      const leader = await a.open(name, { ...options, key: key(1) })
      const tried = (more) => outcome(b.open(name, { ...options, ...more }).then((db) => db.close()))
      const seen = {
        none: await tried({}),
        other: await tried({ key: key(2) }),
        words: await tried({ key: { kind: 'passphrase', words: 'guess' } }),
        right: await tried({ key: key(1) }),
        made: await tried({ key: key(1), create: 'new' }),
        elsewhere: await tried({ key: key(1), backend: options.backend === 'opfs' ? 'indexeddb' : 'opfs' }),
      }
      // The same engine that says it is of another version.
      const bytes = new Uint8Array(await (await fetch('/dist/store.wasm')).arrayBuffer())
      const version = new TextEncoder().encode(leader.about.coffer)
      const later = version.slice()
      later[later.length - 1] += 1
      for (let at = bytes.indexOf(version[0]); at >= 0; at = bytes.indexOf(version[0], at + 1)) if (version.every((byte, index) => bytes[at + index] === byte)) bytes.set(later, at)
      seen.version = await tried({ key: key(1), wasm: bytes })
      const plain = await a.open(`${name} plain`, options)
      seen.keyForPlain = await outcome(b.open(`${name} plain`, { ...options, key: key(1) }))
      seen.leads = [leader.leader, await outcome(leader.get('select 1 as x'))]
      await plain.close()
      await leader.close()
      for (const place of [a, b]) place.close()
      return seen
    },
    gives: { none: 'key_required', other: 'wrong_key', words: 'wrong_key', right: 'fine', made: 'exists', elsewhere: 'locked_elsewhere', version: 'locked_elsewhere', keyForPlain: 'wrong_key', leads: ['self', { x: 1 }] },
  },

  'after a change of keys in one tab the others go on, and whoever has to open the files with the old key is told so': {
    run: async (name, options) => {
      const { key, outcome, settles, tab } = window.tabs
      const seen = []
      for (const [changes, dies] of [['leader', 'closes'], ['follower', 'closes'], ['leader', 'dies'], ['follower', 'dies']]) {
        const place = `${name} ${changes} ${dies}`
        const [a, b, c] = [await tab(), await tab(), await tab()]
        const first = await a.openMortal(place, { ...options, key: key(1) })
        await first.db.exec('create table t(x); insert into t values (1)')
        const second = await b.open(place, { ...options, key: key(1) })
        const [changer, other] = changes === 'leader' ? [first.db, second] : [second, first.db]
        const events = []
        other.on('error', ({ code, message }) => events.push([code, message]))
        other.on('close', () => events.push('close'))
        await changer.keys.change(key(1), key(2))
        await other.run('insert into t values (2)')
        await changer.run('insert into t values (3)')
        // A third one comes in with the new key only.
        const late = [await settles(outcome(c.open(place, { ...options, key: key(1) }))), await settles(outcome(c.open(place, { ...options, key: key(2) }).then((db) => db.close())))]
        // Who leads goes, or its worker dies: one of the two has to open the files anew.
        if (dies === 'closes') {
          await first.db.close()
          a.close()
        } else first.kill()
        // What the dead worker had in hand is told as lost, and what is asked then is answered by the next.
        const asked = async () => {
          const answer = await settles(outcome(first.db.get('select count(*) as n from t')))
          return answer === 'worker_lost' ? settles(outcome(first.db.get('select count(*) as n from t'))) : answer
        }
        const after = {
          first: dies === 'closes' ? 'closed' : await asked(),
          second: await settles(outcome(second.get('select count(*) as n from t'))),
        }
        const again = await settles(c.open(place, { ...options, key: key(2) }))
        const { n } = await settles(again.get('select count(*) as n from t'))
        const check = Object.values(await again.get('pragma integrity_check'))[0]
        seen.push({ changes, dies, late, after, n, check, told: events.filter((event) => event !== 'close' && event[0] !== 'worker_lost') })
        await again.close()
        for (const one of [a, b, c]) one.close()
      }
      return seen
    },
    check: (seen, t) => {
      for (const { changes, dies, late, after, n, check, told } of seen) {
        const what = `the ${changes} changed it, the leader ${dies}: ${JSON.stringify({ after, told })}`
        t.diagnostic(what)
        assert.deepEqual([late, n, check], [['wrong_key', 'fine'], 3, 'ok'], what)
        // Each is served or refused, and whoever changed the key has it.
        const outcomes = { first: after.first.n ?? after.first, second: after.second.n ?? after.second }
        assert.ok(Object.values(outcomes).every((one) => [3, 'wrong_key', 'closed'].includes(one)), what)
        assert.equal(outcomes[changes === 'follower' ? 'second' : 'first'], changes === 'leader' && dies === 'closes' ? 'closed' : 3, what)
        for (const [code, message] of told) {
          assert.equal(code, 'wrong_key')
          assert.match(message, /changed in another tab; open it again/)
        }
      }
    },
  },

  'a tab that only reads does so whoever leads, and never writes': {
    run: async (name, options) => {
      const { outcome, tab } = window.tabs
      const [a, b, c] = [await tab(), await tab(), await tab()]
      const writer = await a.open(name, options)
      await writer.exec('create table t(x); insert into t values (1)')
      const reader = await b.open(name, { ...options, readonly: true })
      const refused = async (db) => [
        (await db.get('select count(*) as n from t')).n, await outcome(db.run('insert into t values (0)')), await outcome(db.exec('delete from t')),
        await outcome(db.query('delete from t returning x')), await outcome(db.batch([{ sql: 'delete from t' }])), await outcome(db.transaction((tx) => tx.run('delete from t'))),
      ]
      const following = await refused(reader)
      a.close()
      // Now it leads, with files that were opened to be read. Then one comes who writes.
      const leading = await refused(reader)
      const other = await c.open(name, options)
      await other.run('insert into t values (2)')
      const after = [...(await refused(reader)), reader.leader, other.leader]
      await other.close()
      await reader.close()
      for (const place of [b, c]) place.close()
      return { following, leading, after }
    },
    gives: {
      following: [1, 'readonly', 'readonly', 'readonly', 'readonly', 'readonly'],
      leading: [1, 'readonly', 'readonly', 'readonly', 'readonly', 'readonly'],
      after: [2, 'readonly', 'readonly', 'readonly', 'readonly', 'readonly', 'self', 'other'],
    },
  },

  'a tab that holds a transaction for ever makes others busy, and is rolled back when it goes': {
    run: async (name, options) => {
      const { outcome, settles, tab } = window.tabs
      const seen = []
      for (const raw of [false, true]) {
        const [a, b] = [await tab(), await tab()]
        const db = await a.open(name, { ...options, busyTimeout: 200 })
        await db.exec('create table if not exists t(x); delete from t')
        const stuck = await b.open(name, options)
        const held = new Promise((resolve) => {
          if (raw) stuck.exec('begin; insert into t values (1)').then(resolve)
          else stuck.transaction(async (tx) => {
            await tx.run('insert into t values (1)')
            resolve()
            await new Promise(() => undefined)
          })
        })
        await held
        const busy = [await outcome(db.run('insert into t values (2)')), await outcome(db.transaction(() => 1)), (await db.get('select count(*) as n from t')).n]
        b.close()
        await settles((async () => {
          while ((await outcome(db.run('insert into t values (3)'))) === 'busy');
        })())
        seen.push(busy, await db.query('select x from t'))
        await db.close()
        a.close()
      }
      return seen
    },
    gives: [['busy', 'busy', 0], [{ x: 3 }], ['busy', 'busy', 0], [{ x: 3 }]],
  },

  'a leader that stands still holds up no opening and no closing for ever, and its end frees everything': {
    run: async (name, options) => {
      const { outcome, settles, tab } = window.tabs
      const [a, b, c] = [await tab(), await tab(), await tab()]
      const first = await a.openMortal(name, options)
      await first.db.exec('create table t(x)')
      const follower = await b.open(name, { ...options, busyTimeout: 100 })
      const { stopped } = await first.stopAt('write')
      const inFlight = outcome(follower.run('insert into t values (1)'))
      await settles(stopped)
      const start = performance.now()
      const opening = await settles(outcome(c.open(name, options)), 30_000)
      const gaveUp = performance.now() - start
      const patient = await b.open(name, { ...options, signal: AbortSignal.timeout(500) }).catch(({ name }) => name)
      // What was asked before is not lost by the wait: it is done as soon as somebody can.
      first.kill()
      a.close()
      const done = await settles(inFlight)
      const third = await settles(c.open(name, options))
      const rows = (await third.query('select x from t')).length
      // A page that closes while its leader stands still is closed.
      const d = await tab()
      const last = await d.openMortal(name, options)
      await follower.close()
      await third.close()
      const fourth = await b.open(name, { ...options, busyTimeout: 100 })
      await settles(fourth.get('select 1'))
      const again = await last.stopAt('write')
      const lost = outcome(fourth.run('insert into t values (2)'))
      await settles(again.stopped)
      await settles(fourth.close(), 10_000)
      const seen = { opening, gaveUp: gaveUp < 15_000, patient, done: done.changes, rows, lost: await settles(lost) }
      for (const place of [b, c, d]) place.close()
      return seen
    },
    gives: { opening: 'locked_elsewhere', gaveUp: true, patient: 'TimeoutError', done: 1, rows: 1, lost: 'closed' },
  },

  'a worker that is ended from outside is replaced, and every call settles': {
    run: async (name, options) => {
      const { outcome, settles, tab } = window.tabs
      const a = await tab()
      const { db, kill, workers } = await a.openMortal(name, options)
      const events = []
      db.on('error', ({ code }) => events.push(code))
      db.on('close', () => events.push('close'))
      await db.exec('create table t(x)')
      const calls = [
        outcome(db.query('with recursive n(i) as (select 0 union all select i + 1 from n) select count(*) from n')),
        outcome(db.transaction((tx) => tx.run('insert into t values (1)'))),
        outcome((async () => { for await (const row of db.iterate('with recursive n(i) as (select 0 union all select i + 1 from n) select i from n')) if (row.i < 0) break })()),
      ]
      await new Promise((resolve) => setTimeout(resolve, 100))
      kill()
      const settled = await settles(Promise.all(calls))
      await settles(db.run('insert into t values (2)'))
      const seen = [settled, await db.query('select x from t where x = 2'), workers(), events]
      await settles(db.close())
      a.close()
      return seen
    },
    check: ([settled, rows, workers, events]) => {
      assert.deepEqual([rows, workers, events], [[{ x: 2 }], 2, ['worker_lost', 'close']])
      assert.equal(settled[0], 'worker_lost')
      assert.ok(settled.every((code) => code === 'worker_lost' || code.changes === 1), JSON.stringify(settled))
    },
  },

  'an engine that panics in the middle of a commit is started again, and what it had acknowledged is there': {
    run: async (name, options) => {
      const { key, outcome, settles, tab } = window.tabs
      const [a, b] = [await tab(), await tab()]
      const { db, stopAt } = await a.openMortal(name, { ...options, key: key(3) })
      const events = []
      db.on('error', ({ code, message }) => events.push(code, message.includes('random generator')))
      db.on('close', () => events.push('close'))
      const follower = await b.open(name, { ...options, key: key(3) })
      await db.exec('create table t(x)')
      for (let x = 0; x < 20; x += 1) await db.run('insert into t values (?)', [x])
      await stopAt('panic')
      // The engine may have some random bytes left, and each script is a commit.
      const poison = Array.from({ length: 50 }, (_, x) => db.exec(`insert into t values (${100 + x})`).then(() => 'fine', ({ code, detail }) => `${code} ${detail?.committed}`))
      const told = await settles(Promise.all(poison))
      const theirs = await settles(outcome(follower.run('insert into t values (1000)')))
      const rows = (await settles(db.query('select x from t order by x'))).map(({ x }) => x)
      const seen = {
        kept: rows.slice(0, 20).every((x, index) => x === index), once: new Set(rows).size === rows.length, theirs: [theirs.changes, rows.includes(1000)],
        lost: told.some((told) => told === 'worker_lost false'),
        known: told.every((told, x) => rows.includes(100 + x) === (told === 'fine' || told === 'worker_lost true')),
        events: [...events],
      }
      await settles(db.close())
      await settles(follower.close())
      for (const place of [a, b]) place.close()
      return seen
    },
    gives: { kept: true, once: true, theirs: [1, true], lost: true, known: true, events: ['worker_lost', true] },
  },

  'an engine that runs out of memory is started again': {
    run: async (name, options) => {
      const { outcome, settles, smallMemory, tab } = window.tabs
      const a = await tab()
      const db = await a.open(name, { ...options, wasm: await smallMemory(800) })
      await db.exec('create table t(x); insert into t values (1)')
      const codes = []
      // Somewhere between what it can give and what it refuses is what it dies of.
      for (let bytes = 4e6; bytes < 9e6 && !codes.includes('worker_lost'); bytes += 2.5e5) codes.push(await settles(outcome(db.get(`select hex(zeroblob(${bytes})) as x`).then(() => 'fine'))))
      const seen = [codes.every((code) => ['fine', 'limit', 'worker_lost'].includes(code)), codes.includes('fine'), await settles(db.query('select x from t'))]
      await settles(db.close())
      a.close()
      return seen
    },
    gives: [true, true, [{ x: 1 }]],
  },

  'commits that were not on the disk when their leader ended are reported as lost, never passed over': {
    run: async (name, options) => {
      const { settles, tab } = window.tabs
      const [a, b] = [await tab(), await tab()]
      const relaxed = { ...options, durability: 'relaxed' }
      const { db, stopAt } = await a.openMortal(name, relaxed)
      await db.exec('create table t(x)')
      const strict = await a.open(name, options)
      await strict.run('insert into t values (0)')
      await strict.close()
      const follower = await b.open(name, relaxed)
      const errors = []
      follower.on('error', ({ code, message }) => errors.push([code, message]))
      const joined = new Promise((resolve) => follower.on('leader', resolve))
      // It stands still before it stores what it has acknowledged: OPFS has it by then, since nothing is held back there.
      const { stopped } = await stopAt(options.backend === 'opfs' ? 'written' : 'write')
      for (let x = 1; x <= 3; x += 1) await follower.run('insert into t values (?)', [x])
      await settles(stopped)
      a.close()
      await settles(joined)
      const rows = (await settles(follower.query('select x from t'))).map(({ x }) => x)
      await follower.close()
      b.close()
      return { rows, errors }
    },
    check: ({ rows, errors }) => {
      assert.equal(rows[0], 0)
      // Either nothing is missing, or it is told how much.
      const missing = 4 - rows.length
      assert.deepEqual(errors.map(([code, message]) => [code, Number(/the last (\d+) commits/.exec(message)?.[1])]), missing === 0 ? [] : [['worker_lost', missing]])
    },
  },

  'what is committed while a tab still tries its passphrase on a new leader is no loss to it': {
    run: async (name, options) => {
      const { settles, tab } = window.tabs
      const places = [await tab(), await tab(), await tab()]
      const opened = []
      for (const place of places) opened.push(await settles(place.open(name, { ...options, key: { kind: 'passphrase', words: 'correct horse battery staple' }, kdf: 'pbkdf2' })))
      const [a, b, c] = opened
      await a.exec('create table t(x)')
      const leaders = []
      const errors = []
      for (const db of [b, c]) {
        db.on('leader', ({ leader }) => leaders.push(leader))
        db.on('error', ({ code, message }) => errors.push(`${code}: ${message}`))
      }
      let acknowledged = 0
      let goesOn = true
      const write = async (db) => {
        while (goesOn) {
          await settles(db.run('insert into t values (1)'))
          acknowledged += 1
        }
      }
      places[0].close()
      const writing = [write(b), write(c)]
      await settles(window.tabs.until(() => leaders.length === 2))
      const { n } = await settles(c.get('select count(*) as n from t'))
      const stale = n < acknowledged - 1
      goesOn = false
      await settles(Promise.all(writing))
      for (const place of places) place.close()
      return { errors, stale, leaders: leaders.sort() }
    },
    gives: { errors: [], stale: false, leaders: ['other', 'self'] },
  },

  'a worker that is lost again and again is given up': {
    run: async (name, options) => {
      const { outcome, settles, tab } = window.tabs
      const a = await tab()
      const { db, kill, workers } = await a.openMortal(name, options)
      const events = []
      db.on('error', ({ code }) => events.push(code))
      db.on('close', () => events.push('close'))
      for (let round = 0; round < 4; round += 1) {
        await settles(outcome(db.get('select 1')))
        kill()
        const made = workers()
        await window.tabs.until(() => workers() > made || events.includes('close'))
      }
      const seen = [await settles(outcome(db.get('select 1'))), workers(), events]
      a.close()
      return seen
    },
    gives: ['worker_lost', 4, ['worker_lost', 'worker_lost', 'worker_lost', 'worker_lost', 'close']],
  },

  'tabs that are reloaded over and over find the database each time': {
    run: async (name, options) => {
      const { settles, tab } = window.tabs
      let acknowledged = 0
      const keeper = await tab()
      const kept = await keeper.open(name, options)
      await kept.exec('create table t(x)')
      for (let round = 0; round < 15; round += 1) {
        const places = await Promise.all([tab(), tab(), tab()])
        const opening = places.map((place) => settles(place.open(name, options)))
        if (round === 5) keeper.close()
        for (const db of await Promise.all(opening)) {
          // Not waited for: they are in flight when the tab goes.
          db.run('insert into t values (1)').then(() => (acknowledged += 1), () => undefined)
          db.run('insert into t values (1)').then(() => (acknowledged += 1), () => undefined)
        }
        const known = acknowledged
        const { n } = await settles((await opening[0]).get('select count(*) as n from t'))
        if (n < known) throw new Error(`${known} acknowledged, ${n} there`)
        for (const place of places) place.close()
      }
      const last = await tab()
      const db = await settles(last.open(name, options))
      const { n } = await db.get('select count(*) as n from t')
      const check = Object.values(await db.get('pragma integrity_check'))[0]
      await db.close()
      last.close()
      return { kept: n >= acknowledged && n <= 90, check }
    },
    gives: { kept: true, check: 'ok' },
  },

  'tabs that make it at once with a key that the caller wraps have one key in the end, and lose nothing': {
    run: async (name, options) => {
      const { outcome, settles, tab, until } = window.tabs
      const masked = (mask) => (bytes) => bytes.map((byte) => byte ^ mask)
      const places = await Promise.all([tab(), tab(), tab()])
      // Each has looked, and found nothing, before any of them goes on.
      let wraps = 0
      const wrapping = (mask) => ({
        kind: 'wrapped',
        wrap: async (bytes) => {
          wraps += 1
          await until(() => wraps >= places.length)
          return masked(mask)(bytes)
        },
        unwrap: masked(mask),
      })
      const key = wrapping(0x5a)
      const opened = await settles(Promise.allSettled(places.map(({ open }) => open(name, { ...options, key }))))
      const codes = opened.map(({ reason }) => reason?.code ?? 'fine')
      const all = opened.flatMap(({ value }) => value ?? [])
      const leaders = all.map(({ leader }) => leader).sort()
      await all[0].exec('create table t(x)')
      await settles(Promise.all(all.map((db, x) => db.run('insert into t values (?)', [x]))))
      // Those that go on open the files by themselves, one after another.
      const counts = []
      let left = all
      while (left.length > 0) {
        for (const db of left) counts.push((await settles(db.get('select count(*) as n from t'))).n)
        const leading = left.find(({ leader }) => leader === 'self')
        const rest = left.filter((db) => db !== leading)
        await leading.close()
        await settles(until(() => rest.length === 0 || rest.some(({ leader }) => leader === 'self')))
        left = rest
      }
      const last = await settles(places[0].open(name, { ...options, key }))
      const { n } = await last.get('select count(*) as n from t')
      const check = Object.values(await last.get('pragma integrity_check'))[0]
      const slots = (await last.keys.list()).length
      await last.close()
      const stranger = await outcome(places[1].open(name, { ...options, key: wrapping(0x11) }))
      for (const place of places) place.close()
      return { codes, leaders, counts: [...new Set(counts)], n, check, slots, wraps, stranger }
    },
    gives: { codes: ['fine', 'fine', 'fine'], leaders: ['other', 'other', 'self'], counts: [3], n: 3, check: 'ok', slots: 1, wraps: 3, stranger: 'wrong_key' },
  },

  'one that comes to what was made a moment ago, and not written to, unwraps the key of that': {
    run: async (name, options) => {
      const { outcome, settles, tab } = window.tabs
      const [a, b] = [await tab(), await tab()]
      const mask = (bytes) => bytes.map((byte) => byte ^ 0x5a)
      let wraps = 0
      const key = { kind: 'wrapped', wrap: (bytes) => ((wraps += 1), mask(bytes)), unwrap: mask }
      const first = await settles(a.open(name, { ...options, key }))
      const coming = b.open(name, { ...options, key })
      const code = await settles(outcome(coming.then(() => undefined)))
      await coming.then((db) => db.close(), () => undefined)
      await first.close()
      for (const place of [a, b]) place.close()
      return { code, wraps }
    },
    gives: { code: 'fine', wraps: 1 },
  },
}

/** How many times a tab is closed or its leader dies. In the test runs of every day fewer than proves much: COFFER_ROUNDS=50 is the proof. */
const rounds = Number(process.env.COFFER_ROUNDS ?? 12)

for (const engine of engines) {
  test(`${engine}: many tabs`, { timeout: 600_000 + rounds * 120_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/tabs.html`)
    await page.waitForFunction(() => window.tabs !== undefined)
    // No header made this page one with shared memory, and none is needed.
    assert.equal(await page.evaluate(() => crossOriginIsolated), false)
    for (const backend of placesOf(engine)) {
      for (const [name, { run, gives, check, tabs }] of Object.entries(cases)) {
        await t.test(`${backend}: ${name}`, { timeout: 120_000 + rounds * 30_000 }, async (t) => {
          const seen = await page.evaluate(`(${run.toString()})(${JSON.stringify(`${backend} ${name}`)}, ${JSON.stringify({ backend })}, ${rounds}, ${tabs})`)
          if (check === undefined) assert.deepEqual(seen, gives)
          else check(seen, t)
        })
      }
    }
    assert.deepEqual(complaints, [])
  })
}
