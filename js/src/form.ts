// Options in the form in which the engine takes them.

import type { Opening } from './protocol.js'
import type { Compression } from './types.js'

/** How to compress. */
export function compressionOf(compression: Compression | undefined): Pick<Opening, 'codec' | 'dictionary'> {
  if (compression === undefined) return {}
  const { codec, level, dictionary } = compression
  return {
    codec: level === undefined ? codec : `${codec}:${level}`,
    ...(dictionary !== undefined && { dictionary }),
  }
}
