// SQLite is compiled by two crates; the flags that both read must not drift apart.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { wasmBindgenVersion } from '../../scripts/tools.mjs'

/** What only a browser can do without: code that no file there can reach, and functions that nobody calls. */
const unreachable = ' SQLITE_OMIT_WAL SQLITE_OMIT_TRACE SQLITE_OMIT_DESERIALIZE SQLITE_UNTESTABLE -Dsqlite3_os_init=coffer_os_init'

test('SQLite is compiled with the same flags natively and for wasm', () => {
  const config = readFileSync('.cargo/config.toml', 'utf8')
  const flags = (name) => new RegExp(`^${name} = "(.+)"$`, 'm').exec(config)?.[1]
  assert.ok(flags('LIBSQLITE3_FLAGS')?.includes('SQLITE_ENABLE_FTS5'))
  assert.equal(flags('SQLITE_WASM_RS_FLAGS'), `${flags('LIBSQLITE3_FLAGS')}${unreachable}`)
})

test('the glue generator has the version of the library', () => {
  const pinned = /^wasm-bindgen = "=([\d.]+)"$/m.exec(readFileSync('crate/web/Cargo.toml', 'utf8'))?.[1]
  assert.equal(wasmBindgenVersion, pinned)
})
