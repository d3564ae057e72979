// Backups that take themselves, again and again.
//
// A1  One backup at a time; the next is due so long after the last has ended.
// A2  Only backups that this took, by their names, are ever removed, and never the newest.

import type { Clock, Database, BackupFolder, Backups, BackupsOptions } from './types.js'

const browserClock: Clock = {
  now: () => Date.now(),
  after: (ms, work) => {
    const timer = setTimeout(work, ms)
    return () => clearTimeout(timer)
  },
}

/** Begins to take backups. */
export function startBackups(database: Database, options: BackupsOptions): Backups {
  const { every, skipUnchanged = true, onSuccess, onError, clock = browserClock, format = 'coffer', compress } = options
  const { keep, backoff } = options
  const { first = Math.min(every, 10_000), factor = 2, most = every } = backoff ?? {}
  const folder = folderOf(options.target)
  const prefix = `${database.name.replaceAll(/[^\w-]+/g, '_')}-`
  const named = /-(\d{15})-(\d+)\.[a-z0-9]+(?:\.gz)?$/
  let running: Promise<void> | undefined
  let cancel: (() => void) | undefined
  let failures = 0
  let last: number | undefined
  let stop: AbortController | undefined = new AbortController()

  const plan = (ms: number): void => {
    cancel?.()
    if (stop !== undefined) cancel = clock.after(ms, () => void run())
  }

  const ours = async (): Promise<{ name: string; time: number; commit: number }[]> => {
    const names = (await folder.list()).filter((name) => name.startsWith(prefix))
    const found = names.flatMap((name) => {
      const match = named.exec(name)
      return match === null ? [] : [{ name, time: Number(match[1]), commit: Number(match[2]) }]
    })
    return found.sort((one, other) => one.time - other.time)
  }

  const take = async (signal: AbortSignal): Promise<void> => {
    const { last_commit_id: commit } = await database.storageInfo()
    last ??= (await ours()).at(-1)?.commit
    if (skipUnchanged && commit === last) return
    const time = clock.now()
    const extension = format === 'sqlite' ? 'sqlite3' : format
    const name = `${prefix}${String(time).padStart(15, '0')}-${commit}.${extension}${compress === undefined ? '' : '.gz'}`
    const result = await database.backup(await folder.create(name), { format, signal, ...(compress !== undefined && { compress }) })
    last = commit
    const all = await ours()
    const { files = Infinity, age = Infinity } = keep ?? {}
    // A2
    const surplus = all.slice(0, -1).filter((one, index) => all.length - index > files || time - one.time > age)
    for (const one of surplus) await folder.remove(one.name)
    onSuccess?.({ ...result, file: name })
  }

  const run = (): Promise<void> => {
    const signal = stop?.signal
    if (signal === undefined) return Promise.resolve()
    // A1
    running ??= take(signal)
      .then(
        () => {
          failures = 0
          plan(every)
        },
        (error: unknown) => {
          if (signal.aborted) return
          plan(Math.min(most, first * factor ** failures))
          failures += 1
          onError?.(error)
        },
      )
      .finally(() => (running = undefined))
    return running
  }

  const off = database.on('close', () => void end())
  const end = async (): Promise<void> => {
    off()
    cancel?.()
    stop?.abort()
    stop = undefined
    await running
  }
  plan(options.immediately === true ? 0 : every)
  return { now: run, stop: end }
}

function folderOf(target: BackupsOptions['target']): BackupFolder {
  if ('create' in target) return target
  return {
    create: (name) => target.getFileHandle(name, { create: true }),
    list: async () => {
      const names = []
      for await (const name of target.keys()) names.push(name)
      return names
    },
    remove: (name) => target.removeEntry(name),
  }
}
