// What scripts/package.mjs writes into dist/inline.js: the built worker and engine as text.

/** The database worker's script. */
export declare const workerSource: string

/** The engine in base64. */
export declare const wasmBase64: string
