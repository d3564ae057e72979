// The engine in this worker: the module, instantiated once, and the database that it has open. Only the worker imports it.

import { about, initSync, onPanic, onProgress } from '../wasm/coffer_web.js'
import type { Opening } from './protocol.js'
import type { About } from './types.js'
import type { Root } from './verbs.js'
import { interrupted } from './worker/cancel.js'
import { Helper } from './worker/helper.js'
import { Keeper } from './worker/keeper.js'
import type { Engine } from './worker/session.js'
import { Verbs } from './worker/verbs.js'

/** How a second worker is asked for, and the one that was asked for last. */
let another: (() => Helper) | undefined
let helper: Helper | undefined

/** Instantiates the module. `panicked` is told a panic's message just before the trap; `ask` asks the page for a second worker. */
export function start(module: WebAssembly.Module, panicked: (message: string) => void, ask?: () => void): About {
  initSync({ module })
  if (ask !== undefined) another = (): Helper => new Helper(module, ask)
  onPanic(panicked)
  onProgress(interrupted)
  return about() as About
}

/** The page's answer when it was asked for a second worker. */
export function offered(port: MessagePort | undefined): void {
  helper?.offered(port)
}

/** An open database: the engine, and what those that do not have the files ask about them. */
export interface OpenDatabase {
  readonly engine: Engine
  readonly place: string
  readonly manifest: () => Uint8Array
  readonly root: () => Root
}

/** Opens a database whose lock is held; `free` is called when its files are closed. `report` hears of failures in the background. */
export async function openDatabase(opening: Opening, report: (error: unknown) => void, free: () => void): Promise<OpenDatabase> {
  helper = another?.()
  const keeper = await Keeper.open(opening, report, free, helper)
  const { database } = keeper
  const verbs = new Verbs(keeper)
  const engine: Engine = {
    connect: () => database.connect(),
    connectReader: () => database.connectReader(),
    settle: (durability) => keeper.settle(durability),
    prepare: async () => {
      await Promise.all([keeper.prepare(), verbs.ready()])
    },
    define: (verb) => verbs.define(verb),
    head: () => database.head(),
    folded: () => database.folded(),
    onUpkeep: (listener) => keeper.onUpkeep(listener),
    find: ([high, low], request) => database.findRequest(high, low, request),
    verb: (verb, owner, replaced) => verbs.answer(verb, owner, replaced),
    leave: (owner) => verbs.leave(owner),
    close: () => {
      verbs.end()
      return keeper.close()
    },
  }
  return { engine, place: keeper.directory.place, manifest: () => keeper.manifest(), root: () => keeper.root() }
}
