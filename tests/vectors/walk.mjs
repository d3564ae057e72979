// Walks segments by nothing but the header and record rule of FORMAT.md, in a language that Coffer is not written in.
// Finds every page of a segment that is not encrypted. Knows codecs 0 (none), 3 (zstd, where node has it) and 4 (gzip).
// Usage: node walk.mjs FILE...

import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import zlib from 'node:zlib'

const decoders = { 0: (payload) => payload, 3: zlib.zstdDecompressSync, 4: zlib.gunzipSync }

export function* pages(segment) {
  const [pageSize, dataStart, dictBytes, flags] = [8, 12, 20, 24].map((at) => segment.readUInt32LE(at))
  if (segment.toString('latin1', 0, 8) !== 'SQLCEvfS' || dataStart !== 64 + dictBytes || flags !== 0) throw new Error('not a segment in the clear')
  let offset = dataStart
  while (offset < segment.length) {
    const page = segment.readBigUInt64LE(offset)
    const end = offset + 12 + segment.readUInt32LE(offset + 8)
    const body = segment.subarray(offset + 12, end)
    offset = end
    const decode = decoders[body[0]]
    if (page >= 1n << 63n || decode === undefined) continue
    const payload = decode(body.subarray(16, -4))
    const raw = payload.length === 0 ? Buffer.alloc(pageSize) : payload
    if (raw.length !== pageSize || body.readUInt32LE(4) !== pageSize) throw new Error(`page ${page} is not a page`)
    yield { page: Number(page), commit: Number(body.readBigUInt64LE(8)), hash: createHash('sha256').update(raw).digest('hex') }
  }
  if (offset !== segment.length) throw new Error('the last record does not end where the file does')
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  for (const path of process.argv.slice(2)) for (const { page, commit, hash } of pages(readFileSync(path))) console.log(page, commit, hash)
}
