// Functions that are linked into the wasm and can never run in it, because what would lead to them is a setting that nothing of ours sets.
// scripts/wasm.mjs makes each a trap, and wasm-opt then drops what only they call. That is 1 % of the download (docs/decisions/0015); a
// test runs every level of every codec in the module that is left.

/** By name; each has to be there, so that the list stays true when a library changes. @type {{ names: RegExp, because: string }[]} */
export const unreached = [
  { names: /^ZSTD_ldm_(generateSequences|blockCompress|fillHashTable)$/, because: 'long-distance matching is off by itself for windows below 128 MiB; a page has 64 KiB at most' },
  { names: /^ZSTD_compressSuperBlock$/, because: 'nobody sets a target size for compressed blocks' },
  { names: /^ZSTD_(transferSequences_wBlockDelim|copyBlockSequences)$/, because: 'nobody produces or collects sequences from outside' },
  { names: /^ZSTD_BtFindBestMatch/, because: 'the strategy that searches a binary tree is not compiled in (.cargo/config.toml)' },
  { names: /^ZSTD_dedicatedDictSearch_lazy_(loadDictionary|search)$/, because: 'a dictionary is made ready without its own search tables unless asked for' },
  {
    names: /^<rsqlite_vfs(\[\w+\])?::memvfs.* as rsqlite_vfs(\[\w+\])?::SQLite(Vfs|IoMethods).*>::x(Open|Delete|Access|FullPathname|Read|Write|Truncate)/,
    because: 'the file system in memory is never registered: what would do it has another name (.cargo/config.toml)',
  },
  { names: /^<sqlite_wasm_rs.*WasmOsCallback as rsqlite_vfs.*OsCallback>::sleep$/, because: 'what we register in its place does not sleep' },
]
