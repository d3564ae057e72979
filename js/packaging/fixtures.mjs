// The projects that the packed package is installed into: what they install besides, and how each makes a folder that can be served.
//
// `inline` projects use a bundler that leaves assets behind, and so import `coffer-db/inline`, as the README says.

const html = (script) => `<!doctype html><html lang="en"><meta charset="utf-8"><title>fixture</title>${script}</html>\n`
const module = (address) => html(`<script type="module" src="${address}"></script>`)

export const fixtures = [
  {
    name: 'plain',
    files: { 'index.html': html('<script type="importmap">{"imports":{"coffer-db":"./node_modules/coffer-db/dist/index.js"}}</script><script type="module" src="app.js"></script>') },
    served: '.',
  },
  {
    name: 'strict-policy',
    files: { 'index.html': html('<script type="module" src="start.js"></script>'), 'start.js': "import './app.js'\n" },
    // Without an import map, which would be an inline script.
    imports: './node_modules/coffer-db/dist/index.js',
    policy: "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'",
    served: '.',
  },
  {
    name: 'webpack-5',
    install: { webpack: '5.112.2', 'webpack-cli': '6' },
    files: { 'dist/index.html': html('<script src="main.js"></script>') },
    build: ['webpack', '--mode', 'production', '--entry', './app.js'],
    served: 'dist',
  },
  { name: 'vite-current', install: { vite: 'latest' }, files: { 'index.html': module('/app.js') }, build: ['vite', 'build'], served: 'dist' },
  { name: 'vite-6', install: { vite: '6' }, files: { 'index.html': module('/app.js') }, build: ['vite', 'build'], served: 'dist' },
  {
    name: 'esbuild',
    inline: true,
    install: { esbuild: '0.25' },
    files: { 'dist/index.html': html('<script src="main.js"></script>') },
    build: ['esbuild', 'app.js', '--bundle', '--format=iife', '--outfile=dist/main.js'],
    served: 'dist',
  },
  {
    name: 'rollup',
    inline: true,
    install: { rollup: '4', '@rollup/plugin-node-resolve': '16' },
    files: { 'dist/index.html': html('<script src="main.js"></script>') },
    build: ['rollup', 'app.js', '--plugin', 'node-resolve', '--format', 'iife', '--file', 'dist/main.js'],
    served: 'dist',
  },
]
