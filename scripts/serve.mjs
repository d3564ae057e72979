// Serves the built demo page and prints its address: node scripts/serve.mjs [--port N]   (8080, or the next free port)

import * as fs from 'node:fs'
import * as path from 'node:path'
import { fileURLToPath } from 'node:url'
import { serve } from './files.mjs'
import { entry, root } from './rust.mjs'
import { SetupError } from './setup.mjs'

async function firstFree(folder, port, tries) {
  try {
    return await serve(folder, port)
  } catch (error) {
    if (error.code !== 'EADDRINUSE' || tries === 0) throw new SetupError(`cannot serve on port ${port}: ${error.message}`)
    return firstFree(folder, port + 1, tries - 1)
  }
}

/** Serves until the process ends. @param {string[]} args */
export async function serveDemo(args) {
  const folder = path.join(root, 'www', 'built')
  if (!fs.existsSync(path.join(folder, 'main.js'))) throw new SetupError('the demo page is not built yet: run npm run build')
  const chosen = args.includes('--port') ? Number(args[args.indexOf('--port') + 1]) : undefined
  if (chosen !== undefined && !(Number.isInteger(chosen) && chosen >= 0 && chosen < 65536)) throw new SetupError('usage: node scripts/serve.mjs [--port N]')
  const { address } = await firstFree(folder, chosen ?? 8080, chosen === undefined ? 20 : 0)
  process.stdout.write(`Coffer's demo page: ${address}\nCtrl-C ends it.\n`)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await entry(serveDemo)
