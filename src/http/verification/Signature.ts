/** Judges the signature of a delivery: pure. It never says what the signature should have been. */
import { Result } from "effect"
import { createHmac, timingSafeEqual } from "node:crypto"
import type { Delivery } from "./Delivery.ts"
import type { Provider, Signed } from "./Provider.ts"

/** How far the provider's clock and this one may be apart, in seconds: what the providers advise. */
const tolerance = 300

/** Why a delivery is not from who has one of the keys, as a sentence, or `undefined`. `now` is in milliseconds. */
export const judge = (
  provider: Pick<Provider, "signed">,
  delivery: Delivery,
  keys: ReadonlyArray<Uint8Array>,
  now: number
): string | undefined => {
  const read = provider.signed(delivery)
  if (Result.isFailure(read)) return read.failure
  const { at, signatures, text } = read.success
  if (at !== undefined && Math.abs(now / 1_000 - at) > tolerance) {
    return `it was signed more than ${tolerance / 60} minutes before or after the time of this server`
  }
  const fits = keys.some((key) => {
    const expected = sign(key, text)
    return signatures.some((signature) => isEqual(signature, expected))
  })
  return fits ? undefined : "its signature does not fit the body and the secret"
}

const sign = (key: Uint8Array, text: Signed["text"]): Uint8Array => {
  const hmac = createHmac("sha256", key)
  for (const part of text) hmac.update(part)
  return hmac.digest()
}

/** The time it takes does not tell how much of it is right. */
const isEqual = (left: Uint8Array, right: Uint8Array): boolean =>
  left.length === right.length && timingSafeEqual(left, right)

/** The bytes of a signature in hexadecimal or Base64; what is neither fits nothing. */
export const fromHex = (text: string): ReadonlyArray<Uint8Array> =>
  /^[0-9a-f]{64}$/i.test(text) ? [Buffer.from(text, "hex")] : []
export const fromBase64 = (text: string): ReadonlyArray<Uint8Array> =>
  /^[A-Za-z0-9+/]{43}=$/.test(text) ? [Buffer.from(text, "base64")] : []
