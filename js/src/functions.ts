// SQL functions, as the page keeps them: the worker that runs them may be replaced, or another tab's.

import type { Channel } from './channel.js'
import { must, mustBe } from './check.js'
import type { FunctionOptions, SqlFunction } from './types.js'

/** Gives SQL a function, in every worker that will lead. */
export function define(channel: Channel, name: string, source: SqlFunction | URL, { deterministic = false }: FunctionOptions = {}): Promise<void> {
  mustBe('string', { name })
  must(typeof source === 'function' || source instanceof URL, 'a SQL function is a function, or the URL of a module')
  // A module is what a worker can load without `eval`, which policies of careful sites forbid. Its address is kept for the next worker.
  const module = source instanceof URL ? source.href : addressOf(`export default (${sourceOf(source)})`)
  const call = { kind: 'verb', verb: { do: 'function', name, module, deterministic: (deterministic as unknown) === true } } as const
  return channel.call(call).then(() => channel.ahead(name.toLowerCase(), call))
}

/** Node loads no module from a Blob. */
function addressOf(module: string): string {
  const type = 'text/javascript'
  return typeof Worker === 'undefined' ? `data:${type},${encodeURIComponent(module)}` : URL.createObjectURL(new Blob([module], { type }))
}

/** A method's text is no expression by itself. */
function sourceOf(source: SqlFunction): string {
  const text = Function.prototype.toString.call(source)
  if (text.includes('[native code]')) throw new TypeError('a built-in or bound function has no source; wrap it: (value) => f(value)')
  return /^(?:async\s+)?(?:function\b|\(|[\w$]+\s*=>)/.test(text) ? text : `({ ${text} }).${source.name}`
}
