/**
 * SHA-256 of a text, at once and in a browser too, where the platform's own is a promise. Slower than that, so for
 * short texts; a lone surrogate counts as U+FFFD.
 */
import * as Base64Url from "effect/encoding/Base64Url"

/** The first 32 bits of the fractional parts of the roots (square or cubic) of the first primes. */
const rootsOfPrimes = (count: number, power: number): Uint32Array => {
  const roots = new Uint32Array(count)
  let found = 0
  for (let n = 2; found < count; n++) {
    let isPrime = true
    for (let divisor = 2; divisor * divisor <= n && isPrime; divisor++) isPrime = n % divisor !== 0
    if (isPrime) roots[found++] = (n ** power % 1) * 2 ** 32
  }
  return roots
}
const initial = rootsOfPrimes(8, 1 / 2)
const constants = rootsOfPrimes(64, 1 / 3)

const blockBytes = 64
/** The end of the last block tells the length in bits. */
const lengthBytes = 8
const utf8 = new TextEncoder()

const rotate = (word: number, by: number): number => word >>> by | word << 32 - by

/** The digest of the text's UTF-8, in 43 signs of base64url. */
export const base64Url = (text: string): string => {
  const bytes = utf8.encode(text)
  const padded = new Uint8Array(Math.ceil((bytes.length + 1 + lengthBytes) / blockBytes) * blockBytes)
  padded.set(bytes)
  padded[bytes.length] = 0x80
  const view = new DataView(padded.buffer)
  view.setBigUint64(padded.length - lengthBytes, BigInt(bytes.length) * 8n)
  const state = initial.slice()
  const words = new Uint32Array(64)
  for (let block = 0; block < padded.length; block += blockBytes) {
    for (let i = 0; i < 16; i++) words[i] = view.getUint32(block + 4 * i)
    mix(state, words)
  }
  const digest = new DataView(new ArrayBuffer(32))
  for (const [i, word] of state.entries()) digest.setUint32(4 * i, word)
  return Base64Url.encode(new Uint8Array(digest.buffer))
}

/** Mixes one block, the first sixteen words, into the state. */
const mix = (state: Uint32Array, words: Uint32Array): void => {
  const at = (i: number): number => words[i] ?? 0
  for (let i = 16; i < 64; i++) {
    const [early, late] = [at(i - 15), at(i - 2)]
    words[i] = at(i - 16) + (rotate(early, 7) ^ rotate(early, 18) ^ early >>> 3) +
      at(i - 7) + (rotate(late, 17) ^ rotate(late, 19) ^ late >>> 10)
  }
  let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state
  for (let i = 0; i < 64; i++) {
    const one = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + (e & f ^ ~e & g) + (constants[i] ?? 0) + at(i) | 0
    const two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + (a & b ^ a & c ^ b & c) | 0
    h = g
    g = f
    f = e
    e = d + one | 0
    d = c
    c = b
    b = a
    a = one + two | 0
  }
  for (const [i, word] of [a, b, c, d, e, f, g, h].entries()) state[i] = (state[i] ?? 0) + word
}
