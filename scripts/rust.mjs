// Which cargo builds for wasm: the one in PATH where rustup gave the target, else the one that the set-up prepared (COFFER_WASM_BIN).

import { spawnSync } from 'node:child_process'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { SetupError, ensure } from './setup.mjs'

export const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/** The environment of a wasm build, set up first if nobody did. */
export async function wasmEnvironment() {
  const env = { ...process.env, ...(process.env.COFFER_SETUP === '1' ? {} : await ensure('test')) }
  const bin = env.COFFER_WASM_BIN
  if (bin) {
    env.PATH = [bin, env.PATH].join(path.delimiter)
    env.RUSTC = path.join(bin, 'rustc')
  }
  // A cargo above us (xtask) leaves its own choice of toolchain behind.
  for (const name of ['CARGO', ...(bin ? ['RUSTUP_TOOLCHAIN'] : [])]) delete env[name]
  return env
}

export function targetDirectory() {
  return process.env.CARGO_TARGET_DIR ?? path.join(root, 'target')
}

/** Runs a program of the build with the terminal of its caller; ends this process with its exit code if it fails. */
export function must(command, args, env = process.env, options = {}) {
  const done = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'], env, ...options })
  if (done.error !== undefined) throw new SetupError(`${command} could not be started: ${done.error.message}`)
  if (done.status !== 0) process.exit(done.status ?? 1)
}

/** Runs a script's main function; a SetupError is one line, anything else is a bug of ours and shows its stack. */
export async function entry(main) {
  try {
    await main(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof SetupError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}
