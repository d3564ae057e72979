// What a WebCrypto key does with a key: a file of its own, loaded when it is used.

const ivBytes = 12

// What a key of the kind that is wrapped could be used for does not matter: it is taken out again as bytes.
const kind = 'AES-GCM'

/** Wraps with a CryptoKey of AES-GCM, which has a nonce, or AES-KW. */
export async function wrapBy(key: CryptoKey, given: Uint8Array): Promise<Uint8Array> {
  const hasNonce = key.algorithm.name === kind
  const iv = crypto.getRandomValues(new Uint8Array(hasNonce ? ivBytes : 0))
  const { subtle } = crypto
  const bytes = own(given)
  const wrapped = encrypts(key) ? await subtle.encrypt(how(key, iv), key, bytes) : await subtle.wrapKey('raw', await subtle.importKey('raw', bytes, kind, true, ['encrypt']), key, how(key, iv))
  return new Uint8Array(await new Blob([iv, wrapped]).arrayBuffer())
}

/** Takes out again what `wrapBy` wrapped. */
export async function unwrapBy(key: CryptoKey, wrapped: Uint8Array): Promise<Uint8Array> {
  const iv = own(wrapped.subarray(0, key.algorithm.name === kind ? ivBytes : 0))
  const { subtle } = crypto
  const bytes = own(wrapped.subarray(iv.length))
  return new Uint8Array(encrypts(key) ? await subtle.decrypt(how(key, iv), key, bytes) : await subtle.exportKey('raw', await subtle.unwrapKey('raw', bytes, key, how(key, iv), kind, true, ['encrypt'])))
}

/** One that may both is used so, and wraps and unwraps otherwise. */
function encrypts({ usages }: CryptoKey): boolean {
  return usages.includes('encrypt') && usages.includes('decrypt')
}

function how({ algorithm: { name } }: CryptoKey, iv: Uint8Array<ArrayBuffer>): AesGcmParams | string {
  return name === kind ? { name, iv } : name
}

function own(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}
