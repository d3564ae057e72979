// The projects that the packed package is installed into: what they install besides, and how each makes a folder that can be served, or
// serves itself.
//
//   app       file of this folder that becomes the project's app.js (default: app.js); worker.js is copied along
//   imports   what it imports instead of `coffer-db`
//   build     a command that leaves something to serve in `served`
//   dev       a command that serves the project itself, on the port it is told instead of PORT
//   wasm      how many files with the engine are in what is served (default: 1)
//   slow      takes so long that only `node js/packaging/run.mjs` builds it, not npm test

const html = (script) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>fixture</title>${script}</html>\n`
const module = (address) => html(`<script type="module" src="${address}"></script>`)
const classic = html('<script src="main.js"></script>')

/** What a bundler that leaves assets behind needs, as the README says. */
const inline = { imports: 'coffer-db/inline', wasm: 0 }

const vite = { 'index.html': module('/app.js') }
const [viteNow, viteBefore, viteOlder] = ['8.3.8', '7', '6']

const next = {
  install: { next: '16.4.6', react: '19', 'react-dom': '19' },
  files: {
    'next.config.mjs': "export default { output: 'export' }\n",
    'app/layout.js': 'export default function Layout({ children }) {\n  return <html lang="en"><body>{children}</body></html>\n}\n',
    // Rendered on the server as well, which imports the package there.
    'app/page.js': "'use client'\nimport { useEffect } from 'react'\nimport { start } from '../app.js'\n\nexport default function Page() {\n  useEffect(start, [])\n  return <p>fixture</p>\n}\n",
  },
  served: 'out',
  slow: true,
}

export const fixtures = [
  {
    name: 'plain script',
    files: { 'index.html': html('<script type="importmap">{"imports":{"coffer-db":"./node_modules/coffer-db/dist/index.js"}}</script><script type="module" src="app.js"></script>') },
    served: '.',
  },
  {
    name: 'plain script under a strict policy',
    files: { 'index.html': module('app.js') },
    // Without an import map, which would be an inline script.
    imports: './node_modules/coffer-db/dist/index.js',
    policy: "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'",
    served: '.',
  },
  {
    name: 'webpack 5',
    install: { webpack: '5.112.2', 'webpack-cli': '6' },
    files: { 'dist/index.html': classic },
    build: ['webpack', '--mode', 'production', '--entry', './app.js'],
    served: 'dist',
  },
  { name: 'vite 8', install: { vite: viteNow }, files: vite, build: ['vite', 'build'], served: 'dist' },
  { name: 'vite 8, dev server', install: { vite: viteNow }, files: vite, dev: ['vite', '--port', 'PORT', '--strictPort'] },
  { name: 'vite 7', install: { vite: viteBefore }, files: vite, build: ['vite', 'build'], served: 'dist' },
  { name: 'vite 7, dev server', install: { vite: viteBefore }, files: vite, ...inline, dev: ['vite', '--port', 'PORT', '--strictPort'] },
  { name: 'vite 6', install: { vite: viteOlder }, files: vite, build: ['vite', 'build'], served: 'dist' },
  {
    name: 'esbuild',
    ...inline,
    install: { esbuild: '0.28.2' },
    files: { 'dist/index.html': classic },
    build: ['esbuild', 'app.js', '--bundle', '--format=iife', '--outfile=dist/main.js'],
    served: 'dist',
  },
  {
    name: 'rollup',
    ...inline,
    install: { rollup: '4', '@rollup/plugin-node-resolve': '16' },
    files: { 'dist/index.html': classic },
    build: ['rollup', 'app.js', '--plugin', 'node-resolve', '--format', 'iife', '--file', 'dist/main.js'],
    served: 'dist',
  },
  { name: 'vite 8, coffer-db/sync in a worker of its own', app: 'own-worker.js', install: { vite: viteNow }, files: vite, build: ['vite', 'build'], served: 'dist' },
  {
    name: 'webpack 5, coffer-db/sync in a worker of its own',
    app: 'own-worker.js',
    install: { webpack: '5.112.2', 'webpack-cli': '6' },
    files: { 'dist/index.html': classic },
    build: ['webpack', '--mode', 'production', '--entry', './app.js'],
    served: 'dist',
  },
  { name: 'next 16, turbopack', ...next, build: ['next', 'build', '--turbopack'] },
  { name: 'next 16, webpack', ...next, build: ['next', 'build', '--webpack'] },
  { name: 'next 16, turbopack, dev server', ...next, dev: ['next', 'dev', '--turbopack', '--port', 'PORT'] },
  { name: 'next 16, webpack, dev server', ...next, dev: ['next', 'dev', '--webpack', '--port', 'PORT'] },
]
