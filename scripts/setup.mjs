// Makes this machine able to build and test Coffer: finds each tool, installs what is missing, says what and why, and hands out the
// environment the tools need. Knows nothing of how the project is built.
//
//   node scripts/setup.mjs [--scope build|test]   install what is missing
//   node scripts/setup.mjs --print-env            the same, then KEY=VALUE lines on standard output
//   node scripts/setup.mjs --dry-run              say what would be installed, install nothing
//
// I1  With nothing missing it installs nothing, and the stamp lets it skip the looking: well under a second.
// I2  The stamp is believed only while its inputs (these scripts, the lock file, PATH) hash the same and the things it names exist.
// I3  A thing that cannot be had is one line that names it, its use and the cure. Never a stack trace.
//
// Nothing here is imported from node_modules: this runs before they exist.

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import * as fs from 'node:fs'
import * as os from 'node:os'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { plan } from './plan.mjs'
import { bareTarget, crates, linker, nodeMajorMin, programs, wasmTarget as target } from './tools.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const cache = process.env.COFFER_CACHE ?? path.join(process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), '.cache'), 'coffer')
const toolBin = path.join(cache, 'tools', 'bin')
const wasmBin = path.join(cache, 'wasm-rust', 'bin')
const debianBin = '/usr/bin'
const executable = process.platform === 'win32' ? '.exe' : ''

/** The set-up ends with a sentence for a person; whoever runs it prints the message and no stack. */
export class SetupError extends Error {}

const say = (line) => process.stderr.write(`set-up: ${line}\n`)

function run(command, args, options = {}) {
  const done = spawnSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], maxBuffer: 1 << 28, ...options })
  return { ok: done.status === 0, text: done.stdout ?? '', complaint: (done.stderr ?? '') || String(done.error?.message ?? '') }
}

/** As `run`, while others run. */
function runBeside(command, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options })
    const texts = ['', '']
    for (const [index, stream] of [child.stdout, child.stderr].entries()) stream.setEncoding('utf8').on('data', (text) => (texts[index] += text))
    child.once('error', (error) => resolve({ ok: false, text: '', complaint: error.message }))
    child.once('close', (code) => resolve({ ok: code === 0, text: texts[0], complaint: texts[1] }))
  })
}

/** Runs one installer; on failure throws its last lines, which are where such programs say what was wrong. */
async function install(command, args, options = {}) {
  const done = await runBeside(command, args, options)
  if (!done.ok) throw new SetupError(`${[command, ...args].join(' ')} failed: ${lastLine(done.complaint || done.text)}`)
}

function lastLine(text) {
  const lines = text.trim().split('\n').filter((line) => line.trim() !== '')
  const line = lines.findLast((text) => /^(error|E:|npm error|fatal)/.test(text)) ?? lines.at(-1) ?? 'no message'
  return line.length > 160 ? `${line.slice(0, 160)}...` : line
}

// ---- looking

function inPath(names) {
  const folders = [toolBin, ...(process.env.PATH ?? '').split(path.delimiter)]
  for (const name of names) {
    for (const folder of folders) {
      const file = path.join(folder, name + executable)
      if (folder !== '' && isFile(file)) return file
    }
  }
  return undefined
}

function isFile(file) {
  try {
    return fs.statSync(file).isFile()
  } catch {
    return false
  }
}

function findProgram(need) {
  const named = process.env[need.variable]
  if (named) return path.isAbsolute(named) ? (isFile(named) ? named : undefined) : inPath([named])
  const places = (need.places?.[process.platform] ?? []).map((place) => (Array.isArray(place) ? path.join(process.env[place[0]] ?? '', ...place.slice(1)) : place))
  for (const file of [...need.names.map((name) => inPath([name])), ...places]) {
    if (file === undefined || !isFile(file)) continue
    if (need.proof === undefined || run(file, need.proof.args).text.includes(need.proof.text)) return file
  }
  return undefined
}

/** Whether this rustc makes a wasm library by itself: standard library, its bitcode and linker included. */
function linksWasm(rustc, env) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'coffer-probe-'))
  try {
    const source = path.join(folder, 'probe.rs')
    fs.writeFileSync(source, '#[unsafe(no_mangle)] pub extern "C" fn probe(n: u32) -> usize { n.to_string().len() }\n')
    return run(rustc, ['--edition=2024', '--crate-type=cdylib', '--target', target, '-Copt-level=1', '-Clto=fat', '--out-dir', folder, source], { env }).ok
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** The lock file of the standard library's source, if the source is there. */
function libraryLock(sysroot) {
  const file = path.join(sysroot, 'lib', 'rustlib', 'src', 'rust', 'library', 'Cargo.lock')
  return isFile(file) ? file : undefined
}

function hasTarget(rustc, name) {
  return fs.existsSync(path.join(run(rustc, ['--print', 'sysroot']).text.trim(), 'lib', 'rustlib', name, 'lib'))
}

function lockHash() {
  const file = path.join(root, 'package-lock.json')
  return isFile(file) ? createHash('sha256').update(fs.readFileSync(file)).digest('hex') : ''
}

const moduleStamp = path.join(root, 'node_modules', '.coffer-lock')
const modulesCurrent = () => isFile(moduleStamp) && fs.readFileSync(moduleStamp, 'utf8') === lockHash()

/** The compiler the standard library in Debian's sysroot was built by; `rustc -vV` names version and commit. */
function stdStamp(sysroot) {
  return path.join(sysroot, 'lib', 'rustlib', target, 'built-by')
}

function debianRust() {
  const rustc = path.join(debianBin, 'rustc')
  if (process.platform !== 'linux' || !isFile(rustc) || !isFile(path.join(debianBin, 'cargo'))) return undefined
  const about = run(rustc, ['-vV']).text
  const minor = Number(/^release: 1\.(\d+)/m.exec(about)?.[1])
  const sysroot = run(rustc, ['--print', 'sysroot']).text.trim()
  if (!(minor >= 95) || !fs.existsSync(path.join(sysroot, 'lib', 'rustlib', 'src', 'rust', 'library'))) return undefined
  return { rustc, about, sysroot, host: /^host: (.+)$/m.exec(about)[1] }
}

function debianStdCurrent(debian) {
  const stamp = stdStamp(debian.sysroot)
  return isFile(stamp) && fs.readFileSync(stamp, 'utf8') === debian.about && linksWasm(debian.rustc)
}

function look({ targets, givenUp }) {
  const rustc = inPath(['rustc'])
  const minor = rustc === undefined ? undefined : Number(/^rustc 1\.(\d+)/.exec(run(rustc, ['-V']).text)?.[1] ?? 0)
  const own = rustc !== undefined && linksWasm(rustc)
  const debian = own ? undefined : debianRust()
  const fallback = debian !== undefined && debianStdCurrent(debian)
  const sysroot = own ? run(rustc, ['--print', 'sysroot']).text.trim() : debian?.sysroot
  const admin = process.platform !== 'linux' ? undefined : administrator()
  return {
    platform: process.platform,
    apt: admin !== undefined && inPath(['apt-get']) !== undefined,
    admin,
    rustup: inPath(['rustup']) !== undefined,
    rust: minor || undefined,
    rustupTried: targets,
    givenUp,
    wasmTarget: own || fallback,
    librarySource: sysroot === undefined ? undefined : libraryLock(sysroot),
    bareTarget: own && hasTarget(rustc, bareTarget),
    wasmFromDebian: !own && fallback,
    debian,
    debianRust: debian !== undefined,
    linker: inPath(linker.names) !== undefined,
    programs: Object.fromEntries(Object.entries(programs).map(([name, need]) => [name, findProgram(need)])),
    crates: Object.fromEntries(Object.keys(crates).map((command) => [command, crateVersion(command)])),
    modules: modulesCurrent(),
  }
}

/** How to run a command as the administrator without being asked for a password; undefined where that is impossible. */
function administrator() {
  if (process.getuid() === 0) return []
  return run('sudo', ['-n', 'true']).ok ? ['sudo', '-n'] : undefined
}

function crateVersion(command) {
  const file = inPath([command])
  return file === undefined ? undefined : /(\d+\.\d+\.\d+)/.exec(run(file, ['--version']).text)?.[1]
}

// ---- installing

function asAdministrator(facts, command, args) {
  const [first, ...rest] = [...(facts.admin ?? []), command, ...args]
  return install(first, rest, { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } })
}

let aptListsFresh = false

/** All that apt is to install, in one call: most of its time goes into what it does once at the end. */
async function apt(steps, facts, tried) {
  if (!aptListsFresh) {
    say('apt-get update (the lists of what can be installed)')
    await asAdministrator(facts, 'apt-get', ['update', '-qq'])
    aptListsFresh = true
  }
  const all = []
  for (const step of steps) {
    // Tried once, whatever it brings.
    if (step.optional !== undefined) tried.givenUp.push(step.optional)
    const packages = step.choices.find((choice) => run('apt-cache', ['show', '--no-all-versions', ...choice]).ok)
    if (packages !== undefined) {
      say(`apt-get install ${packages.join(' ')} (${step.why})`)
      all.push(...packages)
    } else if (step.optional !== undefined) say(`apt has no ${step.choices.join(' or ')}, going on without (${step.why})`)
    else throw new SetupError(`apt has none of: ${step.choices.map((choice) => choice.join(' ')).join(', ')} (needed for ${step.why})`)
  }
  if (all.length > 0) await asAdministrator(facts, 'apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...all])
}

/** Where Debian's Rust can stand in, a network that leads nowhere may cost less than a minute; elsewhere rustup is the only way. */
async function rustup(step, facts, tried) {
  tried.targets.push(step.name)
  say(`rustup ${step.what} add ${step.name} (${step.why})`)
  const done = await runBeside('rustup', [step.what, 'add', step.name], { timeout: facts.apt ? 45_000 : 900_000, killSignal: 'SIGKILL' })
  if (!done.ok) say(`rustup could not give it, going on without: ${lastLine(done.complaint)}`)
}

/**
 * Builds the standard library for wasm from the source package and puts it where that compiler looks, as if rustup had brought it.
 * `test` is among the crates because test binaries need it; bitcode is embedded because the release profile uses fat LTO.
 */
async function buildStd(step, facts) {
  const debian = facts.debian ?? debianRust()
  if (debian === undefined) throw new SetupError(`Debian's Rust packages did not bring a compiler of 1.95 or newer with its source (needed for ${step.why})`)
  say(`building the standard library for ${target} from source, about a minute (${step.why})`)
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'coffer-std-'))
  try {
    fs.mkdirSync(path.join(folder, 'src'))
    fs.writeFileSync(path.join(folder, 'Cargo.toml'), '[package]\nname = "coffer_std_probe"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n')
    fs.writeFileSync(path.join(folder, 'src', 'lib.rs'), '#![no_std]\n')
    const env = { ...process.env, RUSTC: debian.rustc, RUSTC_BOOTSTRAP: '1', RUSTFLAGS: '-Cembed-bitcode=yes', CARGO_TARGET_DIR: path.join(folder, 'target') }
    delete env.RUSTUP_TOOLCHAIN
    delete env.CARGO_ENCODED_RUSTFLAGS
    await install(path.join(debianBin, 'cargo'), ['build', '--release', '-Zbuild-std=std,panic_abort,test', '--target', target], { cwd: folder, env })
    const built = path.join(folder, 'target', target, 'release', 'deps')
    const libraries = fs.readdirSync(built).filter((name) => name.endsWith('.rlib') && !name.startsWith('libcoffer_std_probe'))
    const home = path.join(debian.sysroot, 'lib', 'rustlib', target)
    const lib = path.join(home, 'lib')
    const hostBin = path.join(debian.sysroot, 'lib', 'rustlib', debian.host, 'bin')
    await asAdministrator(facts, 'rm', ['-rf', home])
    await asAdministrator(facts, 'mkdir', ['-p', lib, hostBin])
    await asAdministrator(facts, 'cp', [...libraries.map((name) => path.join(built, name)), lib])
    if (!isFile(path.join(hostBin, 'rust-lld'))) await asAdministrator(facts, 'ln', ['-sf', inPath(linker.names), path.join(hostBin, 'rust-lld')])
    // The stamp comes last: a half-copied library is built again.
    fs.writeFileSync(path.join(folder, 'built-by'), debian.about)
    await asAdministrator(facts, 'cp', [path.join(folder, 'built-by'), stdStamp(debian.sysroot)])
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** Objects that both tools need are compiled once: they share a folder until both are there. */
const toolsTarget = path.join(cache, 'tools-target')

async function cargoInstall(step) {
  say(`cargo install ${step.crate} ${step.version}, one to three minutes (${step.why})`)
  // Optimised lightly: the tool runs for seconds, and compiling it is what a person waits for.
  const env = {
    ...process.env, CARGO_TARGET_DIR: toolsTarget,
    CARGO_PROFILE_RELEASE_OPT_LEVEL: '1', CARGO_PROFILE_RELEASE_LTO: 'off', CARGO_PROFILE_RELEASE_CODEGEN_UNITS: '16', CARGO_PROFILE_RELEASE_DEBUG: '0',
  }
  await install('cargo', ['install', '--quiet', '--force', '--root', path.join(cache, 'tools'), '--version', `=${step.version}`, step.crate], { env, cwd: os.tmpdir() })
}

async function npm(step) {
  say(`npm ci (${step.why})`)
  const quiet = ['--no-audit', '--no-fund', '--loglevel=error']
  await install(process.platform === 'win32' ? 'npm.cmd' : 'npm', ['ci', ...quiet], { cwd: root, shell: process.platform === 'win32' })
  fs.writeFileSync(moduleStamp, lockHash())
}

/** What changes the system: one thing after another. */
async function changeSystem(steps, facts, tried) {
  const packages = steps.filter((step) => step.kind === 'apt')
  const targets = steps.filter((step) => step.kind === 'rustup')
  // What rustup is asked for comes by another way than packages, or not at all.
  const asked = targets.reduce((before, step) => before.then(() => rustup(step, facts, tried)), Promise.resolve())
  if (packages.length > 0) await apt(packages, facts, tried)
  await asked
  for (const step of steps) if (step.kind === 'std') await buildStd(step, facts)
}

/** What only fills folders of ours. */
async function fillFolders(steps) {
  for (const step of steps) await (step.kind === 'npm' ? npm(step) : cargoInstall(step))
  fs.rmSync(toolsTarget, { recursive: true, force: true })
}

const fillsFolders = (step) => step.kind === 'npm' || step.kind === 'cargo'

/**
 * Looks and installs until nothing is missing. Two rounds are the rule at most: the second exists because what rustup could not give is
 * planned anew. A round that leaves the same step to do means that its installer reported success and brought nothing. What fills our own
 * folders goes on beside what changes the system, as soon as there is a compiler.
 */
async function settle(scope) {
  const tried = { targets: [], givenUp: [] }
  let filling
  for (let round = 0; ; round += 1) {
    const facts = look(tried)
    const steps = plan(facts, scope)
    if (steps.length === 0) return facts
    const persons = steps.filter((step) => step.kind === 'person')
    for (const step of persons) say(`missing: ${step.what} (${step.why}). ${step.say}`)
    if (persons.length > 0) throw new SetupError(`stopped: please install ${persons.map((step) => step.what).join(', ')} as said above, then run this again`)
    if (round === 4) throw new SetupError(`still missing after installing: ${steps.map((step) => step.why).join('; ')}`)
    const system = steps.filter((step) => !fillsFolders(step))
    if (filling === undefined && (system.length === 0 || facts.programs.cc !== undefined)) {
      filling = fillFolders(steps.filter(fillsFolders))
      // Its failure is told when its turn to be waited for comes.
      filling.catch(() => undefined)
    }
    if (system.length > 0) await changeSystem(system, facts, tried)
    else {
      await filling
      filling = undefined
    }
  }
}

// ---- the environment

function environment(facts) {
  const env = {
    PATH: [toolBin, process.env.PATH].join(path.delimiter),
    COFFER_WASM_BIN: facts.wasmFromDebian ? linkWasmRust() : '',
    CC_wasm32_unknown_unknown: facts.programs.clang,
    AR_wasm32_unknown_unknown: facts.programs.ar,
    COFFER_SETUP: '1',
  }
  for (const name of ['chromium', 'chromedriver', 'firefox', 'webkitdriver', 'xvfb']) if (facts.programs[name] !== undefined) env[programs[name].variable] = facts.programs[name]
  return env
}

/** A folder with nothing but the Rust that knows wasm, so that putting it first in PATH changes no other program. */
function linkWasmRust() {
  fs.mkdirSync(wasmBin, { recursive: true })
  for (const name of ['rustc', 'cargo', 'rustdoc', 'cargo-clippy', 'clippy-driver']) {
    const link = path.join(wasmBin, name)
    fs.rmSync(link, { force: true })
    if (isFile(path.join(debianBin, name))) fs.symlinkSync(path.join(debianBin, name), link)
  }
  return wasmBin
}

// ---- the stamp

function stampFile(scope) {
  const hash = createHash('sha256')
  for (const name of ['plan.mjs', 'setup.mjs', 'tools.mjs']) hash.update(fs.readFileSync(path.join(root, 'scripts', name)))
  // A search path that already starts with our tools (a set-up inside a set-up) is the same search path.
  const search = (process.env.PATH ?? '').split(path.delimiter).filter((folder) => folder !== toolBin)
  hash.update(JSON.stringify([scope, search, Object.values(programs).map((need) => process.env[need.variable] ?? '')]))
  return path.join(cache, `setup-${hash.digest('hex').slice(0, 16)}.json`)
}

/** What must still be as it was for the stamp to count: the files it names, with the size of the compilers (a changed compiler is a changed size). */
function witnesses(facts, env) {
  const files = [...Object.values(facts.programs), ...Object.keys(crates).map((command) => inPath([command])), inPath(['rustc'])]
  files.push(facts.librarySource)
  if (facts.wasmFromDebian) files.push(stdStamp(facts.debian.sysroot), path.join(debianBin, 'rustc'), path.join(env.COFFER_WASM_BIN, 'rustc'))
  return files.filter((file) => file !== undefined).map((file) => [file, fs.statSync(file).size, fs.statSync(file).mtimeMs])
}

function readStamp(file) {
  try {
    const stamp = JSON.parse(fs.readFileSync(file, 'utf8'))
    const holds = stamp.witnesses.every(([name, size, mtime]) => fs.statSync(name).size === size && fs.statSync(name).mtimeMs === mtime)
    return holds && modulesCurrent() ? stamp.env : undefined
  } catch {
    return undefined
  }
}

/** Brings the machine to where `scope` works and returns the environment variables to run under. @param {'build' | 'test'} scope */
export async function ensure(scope) {
  if (Number(process.versions.node.split('.')[0]) < nodeMajorMin) throw new SetupError(`Node ${nodeMajorMin} or newer is needed, this is ${process.version}: https://nodejs.org`)
  const file = stampFile(scope)
  const known = readStamp(file)
  if (known !== undefined) return { ...known, PATH: [toolBin, process.env.PATH].join(path.delimiter) }
  const facts = await settle(scope)
  const env = environment(facts)
  fs.mkdirSync(cache, { recursive: true })
  const draft = `${file}.${process.pid}`
  fs.writeFileSync(draft, JSON.stringify({ env, witnesses: witnesses(facts, env) }))
  fs.renameSync(draft, file)
  return env
}

async function main(args) {
  const scope = args.includes('--scope') ? args[args.indexOf('--scope') + 1] : 'test'
  if (scope !== 'build' && scope !== 'test') throw new SetupError('usage: node scripts/setup.mjs [--scope build|test] [--print-env | --dry-run]')
  if (args.includes('--dry-run')) {
    for (const step of plan(look({ targets: [], givenUp: [] }), scope)) say(`would do: ${step.kind} for ${step.why}`)
    return
  }
  const env = await ensure(scope)
  if (args.includes('--print-env')) for (const [name, value] of Object.entries(env)) process.stdout.write(`${name}=${value}\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    await main(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    say(error.message)
    process.exitCode = 1
  }
}
