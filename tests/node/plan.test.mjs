// What the set-up would do on machines that nobody has at hand.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { test } from 'node:test'
import { plan } from '../../scripts/plan.mjs'
import { bareTarget, crates, librarySource, programs, wasmTarget } from '../../scripts/tools.mjs'

const complete = {
  platform: 'linux', apt: true, rustup: true, rust: 95, rustupTried: [], givenUp: [], wasmTarget: true, librarySource: '/rust/library/Cargo.lock', bareTarget: true, debianRust: false, linker: false, modules: true,
  programs: Object.fromEntries(Object.keys(programs).map((name) => [name, `/usr/bin/${name}`])),
  crates: Object.fromEntries(Object.entries(crates).map(([command, need]) => [command, need.version])),
}
const nothing = { ...complete, wasmTarget: false, modules: false, programs: {}, crates: {} }
const kinds = (steps) => steps.map((step) => step.kind)
const needed = Object.keys(programs).filter((name) => programs[name].optional !== true)
const optional = Object.keys(programs).filter((name) => !needed.includes(name))

test('a complete machine needs nothing', () => {
  assert.deepEqual(plan(complete, 'test'), [])
})

test('a fresh machine gets everything, rustup asked first, nothing left to a person', () => {
  const steps = plan(nothing, 'test')
  assert.deepEqual(new Set(kinds(steps)), new Set(['apt', 'rustup', 'npm', 'cargo']))
  assert.equal(kinds(steps).filter((kind) => kind === 'apt').length, Object.keys(programs).length)
  assert.ok(steps.every((step) => step.why.length > 10))
})

test('building needs no browser', () => {
  const words = plan(nothing, 'build').map((step) => step.why).join('\n')
  assert.doesNotMatch(words, /chromium|chromedriver|firefox|webkit|xvfb/)
  assert.match(words, /clang/)
})

test('where rustup cannot give the target, the library is built with the Rust of Debian', () => {
  const refused = { ...complete, wasmTarget: false, rustupTried: [wasmTarget] }
  assert.deepEqual(kinds(plan(refused, 'build')), ['apt', 'apt', 'std'])
  assert.deepEqual(kinds(plan({ ...refused, debianRust: true, linker: true }, 'build')), ['std'])
})

test('the bare-metal target is asked for once and can be done without', () => {
  const without = { ...complete, bareTarget: false }
  assert.deepEqual(plan(without, 'test').map((step) => step.name), [bareTarget])
  assert.deepEqual(plan({ ...without, rustupTried: [bareTarget] }, 'test'), [])
  assert.deepEqual(plan(without, 'build'), [])
})

test('the source of the standard library is asked of rustup, then of a person', () => {
  const without = { ...complete, librarySource: undefined }
  assert.deepEqual(plan(without, 'build').map((step) => [step.kind, step.what, step.name]), [['rustup', 'component', librarySource]])
  assert.match(plan({ ...without, rustupTried: [librarySource] }, 'build').map((step) => `${step.kind} ${step.say}`).join(), /^person run: rustup component add rust-src$/)
  assert.deepEqual(kinds(plan({ ...without, rustup: false }, 'build')), ['person'])
})

test('a Rust that was updated makes only the library anew', () => {
  const updated = { ...complete, rustup: false, wasmTarget: false, debianRust: true, linker: true }
  assert.deepEqual(kinds(plan(updated, 'test')), ['std'])
})

test('a tool of another version is installed anew', () => {
  const [step, ...others] = plan({ ...complete, crates: { ...complete.crates, 'wasm-bindgen': '0.2.1' } }, 'build')
  assert.deepEqual([step.kind, step.crate, step.version, others.length], ['cargo', 'wasm-bindgen-cli', crates['wasm-bindgen'].version, 0])
})

for (const [platform, advice] of [['darwin', /brew install llvm/], ['win32', /winget install LLVM\.LLVM/], ['linux', /apt-get install clang/]]) {
  test(`without a package manager of ours, a person on ${platform} is told what to install`, () => {
    const steps = plan({ ...nothing, platform, apt: false, wasmTarget: true }, 'test')
    const persons = steps.filter((step) => step.kind === 'person')
    assert.deepEqual(persons.map((step) => step.what), needed)
    assert.match(persons.map((step) => step.say).join('\n'), advice)
    // What the set-up can do itself it still plans.
    assert.deepEqual(kinds(steps).slice(0, 3), ['npm', 'cargo', 'cargo'])
  })
}

test('what is optional is installed where apt has it, and is never a reason to stop', () => {
  const without = { ...complete, programs: Object.fromEntries(needed.map((name) => [name, `/usr/bin/${name}`])) }
  assert.ok(optional.length > 0)
  assert.deepEqual(plan(without, 'test').map((step) => [step.kind, step.optional]), optional.map((name) => ['apt', name]))
  assert.deepEqual(plan({ ...without, givenUp: optional }, 'test'), [])
  assert.deepEqual(plan({ ...without, apt: false }, 'test'), [])
})

for (const name of needed) {
  test(`without ${name} one clear line says what is missing, what for, and what to do`, () => {
    const lacking = { ...complete, apt: false, programs: { ...complete.programs, [name]: undefined } }
    const steps = plan(lacking, 'test')
    assert.deepEqual(steps.map((step) => [step.kind, step.what, step.why]), [['person', name, programs[name].why]])
    assert.match(steps[0].say, /^install it with your package manager \(Debian: apt-get install \S/)
    assert.doesNotMatch(`${steps[0].why} ${steps[0].say}`, /\n/)
  })
}

test('a missing tool ends the set-up with its line and exit code 1, without a stack', () => {
  // A machine with nothing on it: node, by its path, and an empty search path.
  const empty = mkdtempSync(path.join(os.tmpdir(), 'coffer-empty-'))
  try {
    const done = spawnSync(process.execPath, ['scripts/setup.mjs', '--scope', 'build'], { encoding: 'utf8', env: { PATH: empty, HOME: empty, COFFER_CACHE: empty } })
    assert.equal(done.status, 1)
    const lines = done.stderr.trim().split('\n')
    assert.ok(lines.every((line) => line.startsWith('set-up: ')), done.stderr)
    assert.match(done.stderr, /^set-up: missing: rust \(.+\)\. install it as https:\/\/rustup\.rs says$/m)
    assert.match(done.stderr, /^set-up: missing: clang \(compiles SQLite and zstd for wasm\)\. /m)
    assert.match(lines.at(-1), /^set-up: stopped: please install rust, .*clang.* then run this again$/)
  } finally {
    rmSync(empty, { recursive: true })
  }
})

test('a Rust that is missing or too old is named with its cure', () => {
  assert.match(plan({ ...complete, rust: undefined, rustup: false }, 'build')[0].say, /rustup\.rs/)
  assert.match(plan({ ...complete, rust: 80 }, 'build')[0].say, /rustup update/)
})
