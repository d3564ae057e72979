// What the project needs on a machine, and where each thing may be found. Data only: setup.mjs looks, decides and installs.

/** Must equal the `wasm-bindgen` pin in crate/web/Cargo.toml: the glue generator and the library speak a private protocol. */
export const wasmBindgenVersion = '0.2.130'
export const wasmPackVersion = '0.15.1'
export const nodeMajorMin = 20
export const rustMinorMin = 95

/** Newest first; the first one that apt can give is installed. 15 is the oldest that compiles SQLite and zstd for wasm with SIMD here. */
const llvmVersions = [22, 21, 20, 19, 18, 17, 16, 15]

/** The targets that rustup is asked for: what ships, and the bare metal that proves `coffer-store` needs no operating system. */
export const wasmTarget = 'wasm32-unknown-unknown'
export const bareTarget = 'thumbv7em-none-eabihf'

/** What rustup calls the source of the standard library: what ships is linked with one compiled for size (docs/decisions/0015). */
export const librarySource = 'rust-src'

/**
 * Debian's Rust that can build for wasm32 (the `-web` packages exist for the browsers' sake and are kept current). Its clippy is only in
 * newer archives and can be done without.
 */
const debianRustNeeded = ['rustc-web', 'cargo-web', 'rust-web-src']
export const debianRust = [[...debianRustNeeded, 'rust-web-clippy'], debianRustNeeded]

const mac = (name) => [`/Applications/${name}.app/Contents/MacOS/${name}`]
const windows = (...path) => ['ProgramFiles', 'ProgramFiles(x86)', 'LOCALAPPDATA'].map((root) => [root, ...path])

/**
 * Programs that are simply looked for. `variable` lets a person name one; `names` are looked up in PATH; `places` are fixed paths;
 * `apt` lists alternatives, each a set of packages; `person` is what to do where no package manager of ours can help. What is `optional`
 * is installed where apt has it and done without elsewhere.
 */
export const programs = {
  cc: {
    why: 'compiles SQLite and zstd for this machine', for: 'build', variable: 'CC', names: ['cc', 'gcc', 'clang', 'cl'], apt: [['gcc', 'libc6-dev']],
    person: { darwin: 'xcode-select --install', win32: 'winget install Microsoft.VisualStudio.2022.BuildTools (with the C++ workload)' },
  },
  clang: {
    why: 'compiles SQLite and zstd for wasm', for: 'build', variable: 'CC_wasm32_unknown_unknown',
    names: [...llvmVersions.map((v) => `clang-${v}`), 'clang'], places: { darwin: ['/opt/homebrew/opt/llvm/bin/clang', '/usr/local/opt/llvm/bin/clang'], win32: windows('LLVM', 'bin', 'clang.exe') },
    proof: { args: ['--print-targets'], text: 'wasm32' },
    apt: llvmVersions.map((v) => [`clang-${v}`]), person: { darwin: 'brew install llvm (the clang of Xcode cannot build for wasm)', win32: 'winget install LLVM.LLVM' },
  },
  ar: {
    why: 'packs what clang compiled for wasm', for: 'build', variable: 'AR_wasm32_unknown_unknown',
    names: [...llvmVersions.map((v) => `llvm-ar-${v}`), 'llvm-ar'], places: { darwin: ['/opt/homebrew/opt/llvm/bin/llvm-ar', '/usr/local/opt/llvm/bin/llvm-ar'], win32: windows('LLVM', 'bin', 'llvm-ar.exe') },
    apt: llvmVersions.map((v) => [`llvm-${v}`]), person: { darwin: 'brew install llvm', win32: 'winget install LLVM.LLVM' },
  },
  chromium: {
    why: 'runs the browser tests', for: 'test', variable: 'CHROMIUM', names: ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'],
    places: { darwin: [...mac('Google Chrome'), ...mac('Chromium')], win32: windows('Google', 'Chrome', 'Application', 'chrome.exe') },
    apt: [['chromium']], person: { darwin: 'brew install --cask google-chrome', win32: 'winget install Google.Chrome' },
  },
  chromedriver: {
    why: 'drives Chromium for wasm-pack test', for: 'test', variable: 'CHROMEDRIVER', names: ['chromedriver'],
    apt: [['chromium-driver'], ['chromium-chromedriver']], person: { darwin: 'brew install --cask chromedriver', win32: 'winget install Chromium.ChromeDriver' },
  },
  firefox: {
    why: 'runs the browser tests in a second engine', for: 'test', variable: 'FIREFOX', names: ['firefox-esr', 'firefox'],
    places: { darwin: ['/Applications/Firefox.app/Contents/MacOS/firefox'], win32: windows('Mozilla Firefox', 'firefox.exe') },
    apt: [['firefox-esr'], ['firefox']], person: { darwin: 'brew install --cask firefox', win32: 'winget install Mozilla.Firefox' },
  },
  webkitdriver: {
    why: 'runs the browser tests in a third engine', for: 'test', optional: true, variable: 'WEBKITDRIVER', names: ['WebKitWebDriver'], apt: [['webkit2gtk-driver']],
  },
  xvfb: { why: 'the display that WebKit insists on', for: 'test', optional: true, variable: 'XVFB', names: ['Xvfb'], apt: [['xvfb']] },
}

/** wasm-ld for Debian's Rust, which does not carry rust-lld. */
export const linker = { names: llvmVersions.map((v) => `lld-${v}`).concat('lld'), apt: llvmVersions.map((v) => [`lld-${v}`]) }

/** Command-line tools that come from crates.io. `--locked` stays off for wasm-bindgen-cli: a dependency its lock file names was yanked. */
export const crates = {
  'wasm-bindgen': { crate: 'wasm-bindgen-cli', version: wasmBindgenVersion, why: 'makes the JavaScript glue of the wasm module', for: 'build' },
  'wasm-pack': { crate: 'wasm-pack', version: wasmPackVersion, why: 'builds the wasm package and runs its tests in a browser', for: 'build' },
}
