// Tries the packed package out in every fixture project, the slow ones included, which npm test leaves out. Installs from the npm registry.
//
//   node js/packaging/run.mjs [NAME...]    after npm run build; a part of a fixture's name will do, and `slow` means those that are

import { entry } from '../../scripts/rust.mjs'
import { ensure } from '../../scripts/setup.mjs'
import { fixtures } from './fixtures.mjs'
import { fault, tryOut, workshop } from './projects.mjs'

await entry(async (names) => {
  Object.assign(process.env, await ensure('test'))
  const { launch } = await import('../../tests/browser/launch.mjs')
  const wanted = ({ name, slow = false }) => names.length === 0 || names.some((part) => name.includes(part) || (part === 'slow' && slow))
  const shop = workshop()
  try {
    for (const fixture of fixtures.filter(wanted)) {
      const begun = Date.now()
      const problem = await tryOut(shop, fixture, launch).then((seen) => fault(seen, fixture), (error) => error.message)
      if (problem !== undefined) process.exitCode = 1
      console.log(`${problem === undefined ? 'ok' : 'FAILED'} ${fixture.name} (${((Date.now() - begun) / 1000).toFixed(1)} s)${problem === undefined ? '' : `: ${problem}`}`)
    }
  } finally {
    shop.end()
  }
})
