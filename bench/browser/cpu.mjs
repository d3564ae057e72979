// Processor time of the browser's own threads, as Linux counts it: what a busy machine does not disturb. Waiting for a disk is not in it.

import * as fs from 'node:fs'

function read(file) {
  try {
    return fs.readFileSync(file, 'latin1')
  } catch {
    // It ended between being listed and being read.
    return ''
  }
}

/** Processes below this one that render pages. */
function renderers() {
  const parents = new Map()
  for (const pid of fs.readdirSync('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const stat = read(`/proc/${pid}/stat`)
    parents.set(pid, stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1])
  }
  const below = (pid) => pid !== undefined && (pid === String(process.pid) || below(parents.get(pid)))
  return [...parents.keys()].filter((pid) => below(pid) && read(`/proc/${pid}/cmdline`).includes('--type=renderer'))
}

/** Milliseconds that pages and their workers have computed so far; compilers, which run beside them, are left out. */
export function processorMs() {
  let nanoseconds = 0
  for (const pid of renderers()) {
    for (const thread of fs.readdirSync(`/proc/${pid}/task`)) {
      if (thread !== pid && !read(`/proc/${pid}/task/${thread}/comm`).startsWith('DedicatedWorker')) continue
      nanoseconds += Number(read(`/proc/${pid}/task/${thread}/schedstat`).split(' ')[0])
    }
  }
  return nanoseconds / 1e6
}
