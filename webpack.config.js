// Bundles the pages in www/, which import `coffer-db` by name from the built package and lets webpack find worker and wasm, exactly as a
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
  entry: { main: path.join(root, 'www', 'main.js'), passkey: path.join(root, 'www', 'passkey.js') },
  output: { path: path.join(root, 'www', 'built'), filename: '[name].js', assetModuleFilename: '[name][ext]', publicPath: 'auto' },
  devtool: 'source-map',
  performance: false,
}
