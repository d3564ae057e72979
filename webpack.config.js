// Two bundles, each in one file.
//
// `worker`: the database worker of the package, from what tsc made of js/src. Self-contained, so that any bundler of a user can copy it.
// `demo`:   the page in www/, which imports `coffer-db` by name from the built package and lets webpack find worker and wasm, exactly as a
//           user's project would.

import * as path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(fileURLToPath(import.meta.url))
const dist = path.join(root, 'dist')

/** @type {import('webpack').Configuration} */
export const worker = {
  name: 'worker',
  mode: 'production',
  target: 'webworker',
  context: root,
  entry: path.join(root, 'js', 'stage', 'worker.js'),
  output: { path: dist, filename: 'worker.js', iife: true, publicPath: '' },
  devtool: 'source-map',
  // A chunk or an asset beside the worker would be a second file to find: there must be none.
  optimization: { splitChunks: false, runtimeChunk: false },
  performance: false,
}

/** @type {import('webpack').Configuration} */
export const demo = {
  name: 'demo',
  mode: 'production',
  target: 'web',
  context: root,
  entry: path.join(root, 'www', 'main.js'),
  output: { path: path.join(root, 'www', 'built'), filename: 'main.js', assetModuleFilename: '[name][ext]', publicPath: 'auto' },
  devtool: 'source-map',
  performance: false,
}
