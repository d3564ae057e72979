// What every npm script calls: `node scripts/run.mjs VERB [args]` sets the machine up and hands over to `cargo xtask VERB`, which is where
// the project's own logic is. `start` is the one verb of its own: build, then serve.

import { spawnSync } from 'node:child_process'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { serveDemo } from './serve.mjs'
import { SetupError, ensure } from './setup.mjs'

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const [verb, ...args] = process.argv.slice(2)
const forBuildOnly = ['start', 'build', 'size']

/** Runs a command with our environment and the caller's terminal; its exit code becomes ours when it fails. */
function hand(command, parameters, env) {
  const done = spawnSync(command, parameters, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } })
  if (done.error !== undefined) throw new SetupError(`${command} could not be started: ${done.error.message}`)
  if (done.status !== 0) process.exit(done.status ?? 1)
}

try {
  if (verb === undefined) throw new SetupError('usage: node scripts/run.mjs VERB [arguments]; `cargo xtask --help` lists the verbs')
  const env = await ensure(forBuildOnly.includes(verb) ? 'build' : 'test')
  if (verb === 'start') {
    hand('cargo', ['xtask', 'build'], env)
    // In this process: whoever ends `npm start` ends the server with it.
    await serveDemo(args)
  } else hand('cargo', ['xtask', verb, ...args], env)
} catch (error) {
  if (!(error instanceof SetupError)) throw error
  process.stderr.write(`set-up: ${error.message}\n`)
  process.exitCode = 1
}
