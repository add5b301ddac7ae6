import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { createHash } from "node:crypto"
import * as Sha256 from "../../src/domain/Sha256.ts"

const byNode = (text: string): string => createHash("sha256").update(text).digest("base64url")

describe("SHA-256", () => {
  it("is the one of Node, for any text", () =>
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
      assert.strictEqual(Sha256.base64Url(text), byNode(text))
    })))

  it("is so around the ends of blocks", () => {
    for (let length = 0; length < 200; length++) {
      const text = "x".repeat(length)
      assert.strictEqual(Sha256.base64Url(text), byNode(text))
    }
  })
})
