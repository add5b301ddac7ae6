import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { nearest } from "../../src/domain/Nearest.ts"

const known = ["afterOffset", "beforeOffset", "limit", "live", "types"]

describe("nearest", () => {
  it("finds what was probably meant", () => {
    const typos = { limt: "limit", Types: "types", afterofset: "afterOffset", liv: "live" }
    for (const [typo, meant] of Object.entries(typos)) assert.strictEqual(nearest(typo, known), meant)
  })

  it("a known word is nearest to itself, whatever the others are", () => {
    const word = fc.string({ maxLength: 64 })
    fc.assert(fc.property(word, fc.array(word), (one, others) => {
      assert.strictEqual(nearest(one, [...others, one]), one)
    }))
  })

  it("one edit away is nearer than anything two away", () => {
    fc.assert(fc.property(fc.stringMatching(/^[a-z]{4,12}$/), fc.nat(), (word, place) => {
      const at = place % word.length
      const shorter = word.slice(0, at) + word.slice(at + 1)
      const changed = `${word.slice(0, at)}#${word.slice(at + 1)}`
      for (const typo of [shorter, changed, `${word}#`]) assert.strictEqual(nearest(typo, [`${word}###`, word]), word)
    }))
  })

  it("the first of equals wins, and of nothing there is none", () => {
    assert.strictEqual(nearest("ac", ["ab", "ad"]), "ab")
    assert.strictEqual(nearest("a", []), undefined)
  })

  it("a very long word costs no more than a short one", () => {
    assert.strictEqual(nearest("x".repeat(10_000_000), ["a", "xx"]), "xx")
  })
})
