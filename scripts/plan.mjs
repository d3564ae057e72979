// Decides what the set-up has to do from what was found on the machine. Pure: it runs nothing and looks at nothing, so that its decisions
// are tested for machines that nobody has at hand (tests/node/plan.test.mjs).
//
// I1  A machine on which everything was found gets an empty plan.
// I2  What only a person can do never hides what the set-up itself can do: both are in the plan, the person's part last.
// I3  Every step says what it is for in its `why`.
// I4  What is optional is never a reason to stop.

import { bareTarget, crates, debianRust, librarySource, linker, programs, rustMinorMin, wasmTarget } from './tools.mjs'

/**
 * @typedef {object} Facts
 * @property {'linux' | 'darwin' | 'win32'} platform
 * @property {boolean} apt              apt-get is there and we may use it (root, or sudo without a password)
 * @property {boolean} rustup           rustup is there
 * @property {number | undefined} rust  minor version of the Rust in PATH (95 for 1.95)
 * @property {string[]} rustupTried     targets and components that rustup was asked for in this run
 * @property {string[]} givenUp         optional programs that apt was asked for in this run
 * @property {boolean} wasmTarget       some rustc on this machine links a wasm32 library
 * @property {string | undefined} librarySource  lock file in the standard library's source, if the rustc that builds for wasm has it
 * @property {boolean} bareTarget       rustc in PATH has the bare-metal target
 * @property {boolean} debianRust       Debian's rustc, cargo and library source are installed
 * @property {boolean} linker           wasm-ld is installed
 * @property {Record<string, string | undefined>} programs
 * @property {Record<string, string | undefined>} crates  version found, by command
 * @property {boolean} modules          node_modules is what the lock file asks for
 */

/** @typedef {{ kind: 'std' | 'npm', why: string } | { kind: 'rustup', what: 'target' | 'component', name: string, why: string } | { kind: 'apt', choices: string[][], why: string, optional?: string } |
 *    { kind: 'cargo', command: string, crate: string, version: string, why: string } | { kind: 'person', what: string, say: string, why: string }} Step */

/** @param {Facts} facts @param {'build' | 'test'} scope @returns {Step[]} */
export function plan(facts, scope) {
  const steps = []
  const persons = []
  const person = (what, why, say) => persons.push({ kind: 'person', what, why, say })
  const wanted = (need) => need.for === 'build' || scope === 'test'

  if (facts.rust === undefined || facts.rust < rustMinorMin) {
    const found = facts.rust === undefined ? 'no Rust' : `Rust 1.${facts.rust}`
    person('rust', `compiles everything (${found} was found, 1.${rustMinorMin} is needed)`, facts.rustup ? 'run: rustup update stable' : 'install it as https://rustup.rs says')
  }
  for (const [name, need] of Object.entries(programs)) {
    if (!wanted(need) || facts.programs[name] !== undefined) continue
    if (need.optional === true) {
      if (facts.apt && !facts.givenUp.includes(name)) steps.push({ kind: 'apt', choices: need.apt, why: `${name}: ${need.why}`, optional: name })
    } else if (facts.apt) steps.push({ kind: 'apt', choices: need.apt, why: `${name}: ${need.why}` })
    else person(name, need.why, advice(facts, need.person, need.apt))
  }
  if (!facts.wasmTarget) {
    const why = `${wasmTarget}: the standard library for the browser`
    if (facts.rustup && !facts.rustupTried.includes(wasmTarget)) steps.push({ kind: 'rustup', what: 'target', name: wasmTarget, why })
    else if (facts.platform === 'linux' && (facts.apt || facts.debianRust)) {
      if (!facts.debianRust) steps.push({ kind: 'apt', choices: debianRust, why: 'rust for wasm: rustup could not give the target' })
      if (!facts.linker) steps.push({ kind: 'apt', choices: linker.apt, why: 'lld: links wasm for that Rust' })
      steps.push({ kind: 'std', why })
    } else person(wasmTarget, why, `run: rustup target add ${wasmTarget}`)
  } else if (scope === 'test' && facts.rustup && !facts.bareTarget && !facts.debianRust && !facts.rustupTried.includes(bareTarget)) {
    // Nice to have: without it one check says that it was not run. Not asked for where rustup has nothing to give.
    steps.push({ kind: 'rustup', what: 'target', name: bareTarget, why: `${bareTarget}: checks that the storage engine needs no operating system` })
  }
  if (facts.wasmTarget && !facts.librarySource) {
    const why = `${librarySource}: the standard library is compiled for size with what ships`
    if (facts.rustup && !facts.rustupTried.includes(librarySource)) steps.push({ kind: 'rustup', what: 'component', name: librarySource, why })
    else person(librarySource, why, facts.rustup ? `run: rustup component add ${librarySource}` : 'install the source of the standard library that belongs to your Rust')
  }
  if (!facts.modules) steps.push({ kind: 'npm', why: 'node_modules: TypeScript, webpack and the browser drivers, as package-lock.json pins them' })
  for (const [command, need] of Object.entries(crates)) {
    if (wanted(need) && facts.crates[command] !== need.version) steps.push({ kind: 'cargo', command, crate: need.crate, version: need.version, why: `${command}: ${need.why}` })
  }
  return [...steps, ...persons]
}

function advice(facts, byPlatform, apt) {
  return byPlatform[facts.platform] ?? `install it with your package manager (Debian: apt-get install ${apt[0].join(' ')})`
}
