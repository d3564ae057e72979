// Steps the bodies and keeps the time. Several steps in one call where one is shorter than the clock's step.

import init, { Body } from './coffer_bench.js'

const bodies = [
  { name: 'commit', title: 'commit of 4 pages', steps: 20 },
  { name: 'read', title: 'cold read of one page', steps: 200 },
  { name: 'scan', title: 'read of the next page', steps: 200 },
  { name: 'open', title: 'open a database of 1,000,000 pages', steps: 1 },
  { name: 'recover', title: 'recover a log of 64 MiB', steps: 1 },
  { name: 'fold', title: 'fold a log of 2000 pages', steps: 1 },
  { name: 'seal', title: 'seal 4 KiB, coffer-gcm', steps: 200 },
  { name: 'seal-there', title: 'seal 4 KiB, aes-gcm', steps: 200 },
]
const rounds = 7

await init()
for (const { name, title, steps } of bodies) {
  const body = Body.create(name)
  const times = []
  // The first round warms up and is not counted.
  for (let round = 0; round <= rounds; round += 1) {
    body.prepare()
    const start = performance.now()
    body.step(steps)
    if (round > 0) times.push(((performance.now() - start) * 1000) / steps)
  }
  body.free()
  times.sort((left, right) => left - right)
  postMessage({ name, title, median: times[(rounds - 1) / 2], least: times[0] })
}
postMessage('done')
