// The engine in this worker: the module, instantiated once, and the database that it has open. Only the worker imports it.

import { about, initSync, onPanic, onProgress } from '../wasm/coffer_web.js'
import type { Opening } from './protocol.js'
import type { About } from './types.js'
import { interrupted } from './worker/cancel.js'
import { Keeper } from './worker/keeper.js'
import type { Engine } from './worker/session.js'

/** Instantiates the module. `panicked` is told a panic's message just before the trap. */
export function start(module: WebAssembly.Module, panicked: (message: string) => void): About {
  initSync({ module })
  onPanic(panicked)
  onProgress(interrupted)
  return about() as About
}

/** Opens a database. `report` hears of failures of what is done in the background. */
export async function openDatabase(opening: Opening, report: (error: unknown) => void): Promise<Engine> {
  const keeper = await Keeper.open(opening, report)
  return {
    connect: () => keeper.database.connect(),
    connectReader: () => keeper.database.connectReader(),
    settle: () => keeper.settle(),
    prepare: () => keeper.prepare(),
    close: () => keeper.close(),
  }
}
