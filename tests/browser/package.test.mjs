// The built package in a plain `<script type=module>`, without a bundler: what crosses between page and worker, and what happens when it fails.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { engines, launch, served } from './launch.mjs'

const site = served()

for (const engine of engines) {
  test(`${engine}: the package`, { timeout: 120_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/plain.html`)
    await page.waitForFunction(() => window.coffer !== undefined)

    await t.test('values come back as they were bound', async () => {
      const seen = await page.evaluate(async () => {
        const db = await window.coffer.open('values', { backend: 'memory' })
        const values = [null, 1, -1, 2 ** 31, 1.5, -0, 2 ** 53 - 1, 9007199254740993n, -(2n ** 63n), 'strong\u{1f512}box', new Uint8Array([0, 255, 7]), true, new Date(0)]
        const rows = await Promise.all(values.map((value) => db.get('select :v as v, typeof(:v) as type', { v: value })))
        await db.close()
        return rows.map(({ v, type }) => [typeof v === 'bigint' ? `${v}n` : v instanceof Uint8Array ? [...v].join() : Object.is(v, -0) ? '-0' : v, type])
      })
      assert.deepEqual(seen, [
        [null, 'null'], [1, 'integer'], [-1, 'integer'], [2147483648, 'integer'], [1.5, 'real'], ['-0', 'real'], [9007199254740991, 'integer'],
        ['9007199254740993n', 'integer'], ['-9223372036854775808n', 'integer'], ['strong\u{1f512}box', 'text'], ['0,255,7', 'blob'], [1, 'integer'],
        ['1970-01-01T00:00:00.000Z', 'text'],
      ])
    })

    await t.test('a tagged template binds its values and never splices them', async () => {
      const rows = await page.evaluate(async () => {
        const db = await window.coffer.open('template', { backend: 'memory' })
        await db.exec('create table t(id integer primary key, body text)')
        const evil = "'); drop table t; --"
        const { changes, lastInsertRowid } = await db.run('insert into t(body) values (?), (?)', ['a', evil])
        const found = await db.sql`select id, body from t where body = ${evil}`
        await db.close()
        return { changes, lastInsertRowid, found }
      })
      assert.deepEqual(rows, { changes: 2, lastInsertRowid: 2, found: [{ id: 2, body: "'); drop table t; --" }] })
    })

    await t.test('ten thousand rows arrive in order', async () => {
      const [count, first, last] = await page.evaluate(async () => {
        const db = await window.coffer.open('many', { backend: 'memory' })
        const rows = await db.query("with recursive n(i) as (select 1 union all select i + 1 from n where i < 10000) select i, 'row ' || i as name from n")
        await db.close()
        return [rows.length, rows[0], rows.at(-1)]
      })
      assert.deepEqual([count, first, last], [10_000, { i: 1, name: 'row 1' }, { i: 10_000, name: 'row 10000' }])
    })

    await t.test('a large result leaves the worker in parts, handed over and not copied, and the page reads the first before the last is made', async () => {
      const seen = await page.evaluate(async () => {
        const channel = new BroadcastChannel('handing')
        const told = []
        let complete
        channel.onmessage = ({ data }) => (data === 'told' ? complete() : told.push(data))
        const db = await window.coffer.open('handed', { backend: 'memory', worker: () => new Worker('/tests/browser/pages/handing.js') })
        const rows = (count) => `with recursive n(i) as (select 1 union all select i + 1 from n where i < ${count}) select i, hex(zeroblob(200)) as body from n`
        const asked = performance.now()
        const all = await db.query(rows(20_000))
        const whole = performance.now() - asked
        await new Promise((resolve) => {
          complete = resolve
          channel.postMessage('told')
        })
        const parts = told.splice(0).filter(({ all }) => all > 10_000)
        const began = performance.now()
        let first
        let count = 0
        for await (const { i } of db.iterate(rows(1_000_000_000))) {
          first ??= performance.now() - began
          count = i
          if (i === 1000) break
        }
        // Whoever breaks off is not made to wait for what nobody will read.
        const { one } = await db.get('select 1 as one')
        await db.close()
        channel.close()
        return { rows: all.length, parts: parts.length, bytes: parts.reduce((sum, { all }) => sum + all, 0), copied: parts.filter(({ all, over }) => over !== all).length, sooner: first < whole, count, one }
      })
      assert.deepEqual({ ...seen, parts: seen.parts > 10, bytes: seen.bytes > 8e6 }, { rows: 20_000, parts: true, bytes: true, copied: 0, sooner: true, count: 1000, one: 1 })
    })

    await t.test('a column may be called anything', async () => {
      const seen = await page.evaluate(async () => {
        const db = await window.coffer.open('names', { backend: 'memory' })
        const row = await db.get(`select x'01' as "__proto__", 2 as "constructor", 3 as "a b", 4 as "", 5 as n, 6 as n`)
        await db.close()
        return [Object.keys(row), Object.getPrototypeOf(row) === Object.prototype, row.n]
      })
      assert.deepEqual(seen, [['__proto__', 'constructor', 'a b', '', 'n'], true, 6])
    })

    await t.test('an error has its code, its place and its class', async () => {
      const seen = await page.evaluate(async () => {
        const { CofferError, open } = window.coffer
        const db = await open('errors', { backend: 'memory' })
        await db.exec('create table t(x integer primary key) strict; insert into t values (1)')
        const failure = async (promise) => {
          try {
            await promise
            return 'no error'
          } catch (error) {
            return [error instanceof CofferError, error.code, error.resultCode ?? null, error.sql ?? null, error.offset ?? null]
          }
        }
        const list = [
          await failure(db.query('select 1 fro t where')),
          await failure(db.run('insert into t values (?)', [1])),
          await failure(db.query('select ?', [])),
        ]
        await db.close()
        await db.close()
        list.push(await failure(db.query('select 1')))
        return list
      })
      assert.deepEqual(seen, [
        [true, 'sqlite', 1, 'select 1 fro t where', 13],
        [true, 'constraint', 1555, 'insert into t values (?)', null],
        [true, 'sqlite', null, 'select ?', null],
        [true, 'closed', null, null, null],
      ])
    })

    await t.test('a mistake in the calling code throws TypeError before anything is sent', async () => {
      const name = await page.evaluate(async () => {
        const db = await window.coffer.open('mistakes', { backend: 'memory' })
        let outcome = 'nothing'
        try {
          db.query('select ?', [{}]).catch(() => undefined)
        } catch (error) {
          outcome = error.name
        }
        await db.close()
        return outcome
      })
      assert.equal(name, 'TypeError')
    })

    await t.test('an engine that traps ends its worker, says so, and another can be opened', async () => {
      const seen = await page.evaluate(async () => {
        const { open } = window.coffer
        const code = (promise) => promise.then(() => 'no error', (error) => error.code)
        const db = await open('small', { backend: 'memory', wasm: await window.smallMemory(40) })
        const codes = [
          // A value too large for its memory is refused and the engine goes on; parameters that it cannot even receive are its end.
          await code(db.query('select zeroblob(64 * 1024 * 1024)')),
          await code(db.query('select 1')),
          ...(await Promise.all([code(db.query('select length(?)', [new Uint8Array(64 << 20)])), code(db.query('select 2'))])),
          await code(db.query('select 3')),
          await code(db.close()),
        ]
        const next = await open('next', { backend: 'memory' })
        codes.push(await next.get('select 4 as n').then(({ n }) => n))
        await next.close()
        return codes
      })
      assert.deepEqual(seen, ['limit', 'no error', 'worker_lost', 'worker_lost', 'worker_lost', 'no error', 4])
    })

    await t.test('the engine is fetched and compiled once on the page, and posted to each worker', async () => {
      const seen = await page.evaluate(async () => {
        // A page of its own, in which nothing was opened before.
        const frame = document.createElement('iframe')
        frame.src = '/tests/browser/pages/empty.html'
        await new Promise((resolve) => {
          frame.onload = resolve
          document.body.append(frame)
        })
        const compiling = ['compile', 'compileStreaming', 'instantiate', 'instantiateStreaming', 'Module']
        const counting = (scope) => {
          const counts = []
          for (const name of compiling) {
            const real = scope.WebAssembly[name]
            // What is given a module that is compiled compiles nothing.
            scope.WebAssembly[name] = new Proxy(real, {
              apply: (target, self, args) => (args[0] instanceof scope.WebAssembly.Module || counts.push(name), Reflect.apply(target, self, args)),
              construct: (target, args) => (counts.push(name), Reflect.construct(target, args)),
            })
          }
          return counts
        }
        const onPage = counting(frame.contentWindow)
        const channel = new BroadcastChannel('compiled')
        const source = `const compiling = ${JSON.stringify(compiling)}; const counts = (${counting})(self)
          const channel = new BroadcastChannel('compiled'); channel.onmessage = ({ data }) => data === 'count' && channel.postMessage(counts); importScripts('${location.origin}/dist/worker.js')`
        const address = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }))
        const script = frame.contentDocument.createElement('script')
        script.type = 'module'
        script.textContent = `import { open } from '/dist/index.js'; window.open2 = open; dispatchEvent(new Event('ready'))`
        const ready = new Promise((resolve) => frame.contentWindow.addEventListener('ready', resolve))
        frame.contentDocument.head.append(script)
        await ready
        const worker = () => new Worker(address)
        const databases = await Promise.all(['one', 'two', 'three'].map((name) => frame.contentWindow.open2(name, { backend: 'memory', worker })))
        const sum = await Promise.all(databases.map((db) => db.get('select 1 as n')))
        const inWorkers = await new Promise((resolve) => {
          const heard = []
          channel.onmessage = ({ data }) => heard.push(data) === 3 && resolve(heard)
          channel.postMessage('count')
        })
        const fetched = frame.contentWindow.performance.getEntriesByType('resource').filter(({ name }) => name.endsWith('.wasm')).length
        for (const db of databases) await db.close()
        frame.remove()
        return { sum: sum.length, onPage: onPage.length, inWorkers, fetched }
      })
      assert.deepEqual(seen, { sum: 3, onPage: 1, inWorkers: [[], [], []], fetched: 1 })
    })

    // Whoever watches a page for errors would hear of one that the app was told of already.
    await t.test('a worker whose script fails is told by the call, and is no error of the page', async () => {
      const seen = await page.evaluate(async () => {
        const heard = []
        const hear = ({ message }) => heard.push(message)
        addEventListener('error', hear)
        const broken = URL.createObjectURL(new Blob(["throw new Error('it is broken')"], { type: 'text/javascript' }))
        const told = await window.coffer.open('broken', { backend: 'memory', worker: () => new Worker(broken) }).catch(({ code, message }) => [code, message])
        await new Promise((resolve) => setTimeout(resolve))
        removeEventListener('error', hear)
        return [told[0], told[1].includes('it is broken'), heard]
      })
      assert.deepEqual(seen, ['worker_lost', true, []])
    })

    // Before the next one, which makes browsers complain on purpose.
    await t.test('no page error was left over', () => assert.deepEqual(complaints, []))

    await t.test('a worker or an engine that cannot be had rejects instead of hanging', async () => {
      const codes = await page.evaluate(async () => {
        const { open } = window.coffer
        const code = (promise) => promise.then(() => 'opened', (error) => error.code ?? error.name)
        const aborted = new AbortController()
        aborted.abort()
        return [
          await code(open('a', { backend: 'memory', wasm: new URL('/missing.wasm', location.href) })),
          await code(open('b', { backend: 'memory', worker: () => new Worker('/missing.js') })),
          await code(open('c', { backend: 'memory', signal: aborted.signal })).then((name) => (name === 20 ? 'AbortError' : name)),
          await code(open('d', { backend: 'memory', wasm: await WebAssembly.compileStreaming(fetch('/dist/store.wasm')) }).then((db) => db.close())),
        ]
      })
      assert.deepEqual(codes, ['worker_lost', 'worker_lost', 'AbortError', 'opened'])
    })
  })
}
