// The same bytes everywhere: what the native command writes a browser opens, in each place where it keeps files, and the other way round.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { after, before, test } from 'node:test'
import { root, targetDirectory } from '../../scripts/rust.mjs'
import { engines, launch, placesOf, served } from './launch.mjs'

const words = 'correct horse battery staple'
const hex = '2a'.repeat(32)

const site = served()
let work
before(async () => {
  const built = spawnSync('cargo', ['build', '--quiet', '--package', 'coffer'], { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  assert.equal(built.status, 0, 'the native command could not be built')
  work = mkdtempSync(path.join(os.tmpdir(), 'coffer-interop-'))
  writeFileSync(path.join(work, 'key'), Buffer.from(hex, 'hex'))
})
after(() => rmSync(work, { recursive: true, force: true }))

/** Runs the native command and gives what it prints. */
function coffer(...args) {
  const program = path.join(targetDirectory(), 'debug', 'coffer')
  const done = spawnSync(program, args, { encoding: 'utf8', cwd: work, env: { ...process.env, WORDS: words } })
  assert.equal(done.status, 0, `coffer ${args.join(' ')}: ${done.stderr}`)
  return done.stdout
}

const answers = (name, options, sql) => JSON.parse(coffer('query', name, sql, ...options, '--format', 'json'))

/** The files of a native database as texts that can travel to a page. */
function readNative(name) {
  const folder = path.join(work, name)
  return Object.fromEntries(readdirSync(folder).filter((file) => /^(manifest|(log|seg)-\d+)$/.test(file)).map((file) => [file, readFileSync(path.join(folder, file), 'base64')]))
}

function writeNative(name, files) {
  const folder = path.join(work, name)
  mkdirSync(folder)
  for (const [file, text] of Object.entries(files)) writeFileSync(path.join(folder, file), text, 'base64')
}

const schema = `create table note(id integer primary key, body text not null, picture blob);
create index note_by_body on note(body);
create virtual table found using fts5(body)`
const rows = `insert into note(body, picture) with recursive n(i) as (select 1 union all select i + 1 from n where i <= 700)
select printf('note %d, %s', i, hex(i * 7919)), zeroblob(i % 90) from n;
insert into found select body from note`
const summary = "select count(*) as n, sum(length(body)) as bytes, sum(id * length(picture)) as pictures, (select count(*) from found where found match 'note') as found from note"
const check = 'pragma integrity_check'

/** Ways to make a database, natively and in a page. */
const kinds = [
  { kind: 'plain', init: [], options: [], secret: {} },
  { kind: 'with a raw key', init: ['--key-file', 'key'], options: ['--key-file', 'key'], secret: { hex } },
  { kind: 'with a passphrase', init: ['--passphrase-env', 'WORDS'], options: ['--passphrase-env', 'WORDS'], secret: { words } },
]

for (const engine of engines) {
  test(`${engine}: the same bytes everywhere`, { timeout: 240_000 }, async (t) => {
    const { page, complaints, close } = await launch(engine)
    t.after(close)
    await page.goto(`${site.address}tests/browser/pages/interop.html`)
    await page.waitForFunction(() => window.interop !== undefined)
    const put = (place, name, files) => page.evaluate(([place, name, files]) => window.interop.put(place, name, files), [place, name, files])
    const take = (place, name) => page.evaluate(([place, name]) => window.interop.take(place, name), [place, name])
    const ask = (place, name, secret, queries, options) => page.evaluate((asked) => window.interop.ask(...asked), [place, name, secret, queries, options ?? {}])

    for (const place of placesOf(engine)) {
      for (const { kind, init, options, secret } of kinds) {
        await t.test(`${place}, ${kind}: a native database opens in the page, goes on there, and comes back`, async () => {
          const name = `${engine}-${place}-${kind}`.replaceAll(' ', '-')
          coffer('init', name, ...init)
          // Part of it in segments, part of it still in the log.
          for (const sql of [...schema.split(';\n'), ...rows.split(';\n')]) coffer('query', name, sql, ...options)
          coffer('compact', name, ...options)
          coffer('query', name, "update note set body = 'rewritten after the segment' where id % 50 = 0", ...options)
          const native = readNative(name)
          await put(place, name, native)

          const expected = answers(name, options, summary)
          const read = await ask(place, name, secret, [summary, check], { readonly: true })
          assert.deepEqual(read, [expected, [{ integrity_check: 'ok' }]])
          assert.deepEqual(await take(place, name), native, 'reading changed bytes')

          await ask(place, name, secret, ["insert into note(body) values ('written in the page')", 'delete from note where id = 3'])
          writeNative(`${name}-back`, await take(place, name))
          const [back] = answers(`${name}-back`, options, `${summary} where id > 0`)
          assert.equal(back.n, expected[0].n)
          assert.deepEqual(answers(`${name}-back`, options, "select count(*) as n from note where body = 'written in the page'"), [{ n: 1 }])
          assert.match(coffer('verify', `${name}-back`, '--deep', ...options), /^ok: /)
        })
      }

      await t.test(`${place}: a database made in the page is a native one`, async () => {
        const name = `${engine}-${place}-made`
        await ask(place, name, { hex }, [...schema.split(';\n'), ...rows.split(';\n')], { create: 'new' })
        const [seen] = await ask(place, name, { hex }, [summary])
        writeNative(name, await take(place, name))
        assert.deepEqual(answers(name, ['--key-file', 'key'], summary), seen)
        assert.match(coffer('verify', name, '--deep', '--key-file', 'key'), /^ok: /)
      })
    }

    if (placesOf(engine).length > 1) await t.test('a database is copied from place to place by its files, and back, byte for byte', async () => {
      for (const { kind, secret } of kinds) {
        const [name, other] = [`moved ${kind}`, `moved on ${kind}`]
        await ask('opfs', name, secret, [...schema.split(';\n'), ...rows.split(';\n')], { create: 'new' })
        const files = await take('opfs', name)
        await put('indexeddb', other, files)
        const [inOpfs] = await ask('opfs', name, secret, [summary], { readonly: true })
        const [inIndexed] = await ask('indexeddb', other, secret, [summary], { readonly: true })
        assert.deepEqual(inIndexed, inOpfs)
        assert.deepEqual(await take('indexeddb', other), files)
        // What is committed in the one is committed in the other when it comes back.
        await ask('indexeddb', other, secret, ["insert into note(body) values ('while it was away')"])
        const grown = await take('indexeddb', other)
        await put('opfs', other, grown)
        const [found, sound] = await ask('opfs', other, secret, ["select count(*) as n from note where body = 'while it was away'", check])
        assert.deepEqual([found, sound], [[{ n: 1 }], [{ integrity_check: 'ok' }]])
      }
    })

    await t.test('no page error was left over', () => assert.deepEqual(complaints, []))
  })
}
