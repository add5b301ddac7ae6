import { assert, describe, it } from "@effect/vitest"
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from "node:zlib"
import { arriving, refused, single } from "./Arriving.ts"

const json = "application/json"

describe("content encodings", () => {
  const text = "{\"type\":\"ping\"}"

  it("gzip, deflate and br are undone", () => {
    const encoded: ReadonlyArray<readonly [string, Uint8Array]> = [
      ["gzip", gzipSync(text)],
      ["X-GZIP", gzipSync(text)],
      ["deflate", deflateSync(text)],
      ["deflate", deflateRawSync(text)],
      ["br", brotliCompressSync(text)],
      ["identity", Buffer.from(text)],
      ["", Buffer.from(text)]
    ]
    for (const [contentEncoding, body] of encoded) {
      assert.strictEqual(single(arriving(body, json, { contentEncoding })).type, "ping", contentEncoding)
    }
  })

  it("unknown, broken and chained ones are refused", () => {
    const refuse = (contentEncoding: string, body: string | Uint8Array) =>
      assert.strictEqual(refused(arriving(body, json, { contentEncoding }))._tag, "InvalidRequest")
    refuse("zstd", text)
    refuse("gzip, gzip", gzipSync(gzipSync(text)))
    for (const coding of ["gzip", "deflate", "br"]) {
      refuse(coding, text)
      refuse(coding, "")
    }
    refuse("gzip", gzipSync(text).subarray(0, -4))
  })

  it("a bomb is stopped at the bound of a request", () => {
    const bomb = Buffer.alloc(30 * 1024 * 1024, "[")
    for (const [contentEncoding, body] of [["gzip", gzipSync(bomb)], ["br", brotliCompressSync(bomb)]] as const) {
      const refusal = refused(arriving(body, json, { contentEncoding }))
      assert(refusal._tag === "PayloadTooLarge")
      assert.strictEqual(refusal.limit, 8 * 1024 * 1024)
    }
  })
})
