// The synchronous API in an app's own worker, with its handles counted (handled.js).

import './handled.js'
import './sync-worker.js'
