/**
 * Undoes the `Content-Encoding` of a body, within a bound. One coding at most: a chain of them would
 * multiply the work that a small body can cause. Works at once and not in a thread, since the bound is small.
 */
import { Result } from "effect"
import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync } from "node:zlib"
import { InvalidRequest } from "../domain/StreamError.ts"
import type { PayloadTooLarge } from "../domain/StreamError.ts"
import * as Bound from "./Bound.ts"

/** The body without its coding. */
export const decode = (
  body: Uint8Array,
  contentEncoding: string | undefined,
  bound: Bound.Bound = Bound.ofRequest
): Result.Result<Uint8Array, InvalidRequest | PayloadTooLarge> => {
  if (body.length > bound.bytes) return Result.fail(bound.tooLarge())
  if (contentEncoding === undefined) return Result.succeed(body)
  const coding = contentEncoding.trim().toLowerCase()
  if (coding === "" || coding === "identity") return Result.succeed(body)
  const inflate = inflaters.get(coding)
  if (inflate === undefined) {
    return Result.fail(
      new InvalidRequest({
        reason: `The content encoding ${JSON.stringify(coding.slice(0, 64))} is not one of gzip, deflate, br`
      })
    )
  }
  return Result.try({
    try: () => inflate(body, { maxOutputLength: bound.bytes }),
    catch: (cause) =>
      cause instanceof RangeError
        ? bound.tooLarge()
        : new InvalidRequest({
          reason: `The body is not valid ${coding}: ${cause instanceof Error ? cause.message : String(cause)}`
        })
  })
}

type Inflate = (body: Uint8Array, options: { readonly maxOutputLength: number }) => Uint8Array

/** Some clients send `deflate` without the zlib header that the standard asks for; its first half-byte is always 8. */
const inflateEither: Inflate = (body, options) =>
  ((body[0] ?? 0) & 0x0f) === 8 ? inflateSync(body, options) : inflateRawSync(body, options)

const inflaters: ReadonlyMap<string, Inflate> = new Map([
  ["gzip", gunzipSync],
  ["x-gzip", gunzipSync],
  ["deflate", inflateEither],
  ["br", brotliDecompressSync]
])
