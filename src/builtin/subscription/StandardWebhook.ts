/**
 * Signatures as Standard Webhooks has them (HMAC-SHA256, `v1`). A secret that begins with `whsec_` is the base64 of its
 * key, as that specification has it; any other is the key itself, as UTF-8. No asymmetric keys (`v1a`).
 */
import { Result } from "effect"
import * as Base64 from "effect/encoding/Base64"
import { createHash, createHmac } from "node:crypto"

const prefix = "whsec_"

/** The key of a secret, or what is wrong with it; never the secret. */
export const keyOf = (secret: string): Result.Result<Uint8Array, string> => {
  if (!secret.startsWith(prefix)) return judged(new TextEncoder().encode(secret))
  const decoded = Base64.decode(secret.slice(prefix.length))
  return Result.isFailure(decoded) ? Result.fail(`is no base64 behind ${prefix}`) : judged(decoded.success)
}

const judged = (key: Uint8Array): Result.Result<Uint8Array, string> =>
  key.length === 0 ? Result.fail("holds no key") : Result.succeed(key)

/** The name of what is sent, the same however often it is sent: of a few parts, which together name it. */
export const idOf = (...parts: ReadonlyArray<string | number>): string =>
  `msg_${createHash("sha256").update(JSON.stringify(parts)).digest("base64url").slice(0, idCharacters)}`

/** Of the digest: 192 bits, never the same by accident. */
const idCharacters = 32

/** The headers of a message: one signature for each key, the first one's first; none without keys. */
export const headers = (
  id: string,
  millis: number,
  body: Uint8Array,
  keys: ReadonlyArray<Uint8Array>
): { readonly [name: string]: string } => {
  const timestamp = String(Math.floor(millis / 1_000))
  const unsigned = { "webhook-id": id, "webhook-timestamp": timestamp }
  if (keys.length === 0) return unsigned
  const sign = (key: Uint8Array) =>
    `v1,${createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest("base64")}`
  return { ...unsigned, "webhook-signature": keys.map(sign).join(" ") }
}
