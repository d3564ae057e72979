// Bundles the page in www/, which imports `coffer-db` by name from the built package and lets webpack find worker and wasm, exactly as a
// user's project would.

import * as path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.dirname(fileURLToPath(import.meta.url))

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
