// Runs a function of a test in a worker that has the synchronous API.

import * as coffer from '/dist/sync.js'

const outcome = (work) => {
  try {
    return work() ?? 'done'
  } catch (error) {
    return error instanceof coffer.CofferError ? error.code : error.name
  }
}

self.onmessage = async ({ data }) => {
  try {
    self.postMessage({ answer: await (0, eval)(`(${data})`)({ ...coffer, outcome }) })
  } catch (error) {
    self.postMessage({ failure: String(error?.stack ?? error) })
  }
}
