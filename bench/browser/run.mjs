// Coffer beside others in one browser: prints the tables, and writes bench/results/browser.json, its chart, and the figures of
// docs/benchmarks.md. The package has to be built (cargo xtask bench does that).
//
//   node bench/browser/run.mjs [--quick] [--reps N] [--only WORKLOAD,...] [--contenders NAME,...] [--view page|worker] [--no-start] [--no-seam] [--cpu] [--keep]
//
//   --cpu     processor time of page and worker instead of time (Linux): comparable on a busy machine, and blind for what waits for a disk
//   --keep    leaves the recorded results as they are; so does everything that measures only a part

import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { parseArgs } from 'node:util'
import { entry, root } from '../../scripts/rust.mjs'
import { SetupError } from '../../scripts/setup.mjs'
import { measure, own, peers } from './measure.mjs'
import { chart, inserted, markdown } from './report.mjs'
import { workloads } from './work.js'

const at = (...parts) => path.join(root, ...parts)

/** Peers are installed here and nowhere else, so that the project's own node_modules stays small. */
function installPeers() {
  const folder = at('bench', 'peers')
  const wanted = JSON.parse(fs.readFileSync(path.join(folder, 'package.json'), 'utf8')).devDependencies
  const missing = Object.entries(wanted).filter(([name, version]) => {
    const file = path.join(folder, 'node_modules', name, 'package.json')
    return !fs.existsSync(file) || JSON.parse(fs.readFileSync(file, 'utf8')).version !== version
  })
  if (missing.length === 0) return
  console.log(`installs what Coffer is compared with: ${missing.map(([name, version]) => `${name} ${version}`).join(', ')}`)
  const done = spawnSync('npm', ['ci', '--ignore-scripts', '--loglevel=error'], { cwd: folder, stdio: 'inherit', shell: process.platform === 'win32' })
  if (done.status !== 0) throw new SetupError('the peers could not be installed; --contenders coffer,coffer-plain measures without them')
}

await entry(async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      'quick': { type: 'boolean', default: false }, 'reps': { type: 'string' }, 'only': { type: 'string' }, 'contenders': { type: 'string' }, 'view': { type: 'string' },
      'no-start': { type: 'boolean', default: false }, 'no-seam': { type: 'boolean', default: false }, 'cpu': { type: 'boolean', default: false }, 'keep': { type: 'boolean', default: false },
    },
  })
  const contenders = values.contenders?.split(',') ?? [...peers, ...own]
  const unknown = contenders.filter((name) => ![...peers, ...own].includes(name))
  if (unknown.length > 0) throw new SetupError(`no contender ${unknown.join(', ')}: ${[...peers, ...own].join(', ')}`)
  const names = workloads.map(({ name }) => name)
  const unknownWork = values.only?.split(',').filter((name) => !names.includes(name)) ?? []
  if (unknownWork.length > 0) throw new SetupError(`no workload ${unknownWork.join(', ')}: ${names.join(', ')}`)
  if (contenders.some((name) => peers.includes(name))) installPeers()
  const whole = !values.quick && values.only === undefined && values.contenders === undefined && values.view === undefined && !values.cpu && !values['no-start'] && !values['no-seam']
  const outcome = await measure({
    contenders,
    reps: Number(values.reps ?? (values.quick ? 1 : 7)),
    size: values.quick ? 'quick' : 'full',
    ...(values.only !== undefined && { wanted: values.only.split(',') }),
    ...(values.view !== undefined && { views: [values.view] }),
    start: !values['no-start'],
    seam: !values['no-seam'],
    cpu: values.cpu,
    say: (line) => console.error(line),
  })
  console.log(markdown(outcome))
  if (!whole || values.keep) return
  fs.mkdirSync(at('bench', 'results'), { recursive: true })
  fs.writeFileSync(at('bench', 'results', 'browser.json'), `${JSON.stringify(outcome, (_, value) => (typeof value === 'number' ? Math.round(value * 1000) / 1000 : value), 1)}\n`)
  fs.writeFileSync(at('bench', 'results', 'browser.svg'), chart(outcome))
  const document = at('docs', 'benchmarks.md')
  fs.writeFileSync(document, inserted(fs.readFileSync(document, 'utf8'), outcome))
})
