// A contender in a worker. Either a whole workload runs here, without the page (`measure`), or the page asks for each call by a message,
// as an app has to whose database lives in a worker: rows come back as structured clones.

import { openIn } from './contenders.js'
import { drive, workloads } from './work.js'

let db

const verbs = {
  open: async (contender, name) => {
    db = await openIn(contender, name)
    return db.version()
  },
  measure: (name, prepared) => {
    const { work } = workloads.find((workload) => workload.name === name)
    const start = performance.now()
    const figure = drive(work(db, prepared))
    return { ms: performance.now() - start, figure }
  },
  begin: () => void db.begin(),
  /** The same small write again and again in one transaction, without a message for each. */
  loop: (sql, count) => {
    db.begin()
    for (let index = 0; index < count; index += 1) db.run(sql, [`body ${index}`])
    db.commit()
  },
  /** What a message there and back takes at the least. */
  ping: () => 1,
}

onmessage = async ({ data: { id, verb, args } }) => {
  try {
    const answer = verb in verbs ? verbs[verb](...args) : db[verb](...args)
    postMessage({ id, answer: answer instanceof Promise ? await answer : answer })
  } catch (error) {
    postMessage({ id, problem: error instanceof Error ? `${error.message}\n${error.stack}` : JSON.stringify(error) + String(error?.message) })
  }
}
