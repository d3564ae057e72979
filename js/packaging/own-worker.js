// As app.js, by an app that has a worker of its own and the database in it.

const worker = new Worker(new URL('./worker.js', import.meta.url), { type: 'module' })
worker.onmessage = ({ data }) => (window.shown = data)
worker.onerror = ({ message }) => (window.shown = { error: message })
