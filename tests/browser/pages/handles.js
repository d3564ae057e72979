// The package's own worker, with its handles counted (handled.js).

importScripts('./handled.js', '/dist/worker.js')
