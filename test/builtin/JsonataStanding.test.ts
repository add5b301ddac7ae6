import { assert, describe, it } from "@effect/vitest"
import { JsonataStanding } from "../../src/builtin/JsonataStanding.ts"
import { JsonataSuspects } from "../../src/builtin/JsonataSuspects.ts"

const second = 1_000
const hour = 3_600 * second

describe("the standing of an expression", () => {
  it("is quick behind a turn that ends, and slow behind one that does not", () => {
    const standing = new JsonataStanding()
    assert.strictEqual(standing.laneOf("a"), "unknown")
    standing.ended("a", 0, false)
    assert.strictEqual(standing.laneOf("a"), "quick")
    standing.overran("a")
    assert.strictEqual(standing.laneOf("a"), "slow")
    assert.strictEqual(standing.heldUntil("a"), 0)
    standing.ended("a", 0, false)
    assert.strictEqual(standing.laneOf("a"), "quick")
    assert.strictEqual(standing.laneOf("b"), "unknown")
  })

  it("stays slow for a minute behind an evaluation that took long, whatever it does then", () => {
    const standing = new JsonataStanding()
    standing.ended("a", 0, true)
    standing.ended("a", 59 * second, false)
    assert.strictEqual(standing.laneOf("a"), "slow")
    standing.ended("a", 60 * second, false)
    assert.strictEqual(standing.laneOf("a"), "quick")
  })

  it("stays slow for an hour where a process died of it, and waits for ten seconds", () => {
    const standing = new JsonataStanding()
    standing.stopped("a", 0)
    assert.strictEqual(standing.heldUntil("a"), 10 * second)
    standing.ended("a", second, false)
    standing.ended("a", second, true)
    assert.strictEqual(standing.heldUntil("a"), 10 * second)
    standing.ended("a", hour - 1, false)
    assert.strictEqual(standing.laneOf("a"), "slow")
    standing.ended("a", hour, false)
    assert.strictEqual(standing.laneOf("a"), "quick")
  })

  it("is forgotten where ten thousand others had turns since", () => {
    const standing = new JsonataStanding()
    for (const key of ["a", "b"]) standing.ended(key, 0, false)
    for (let n = 0; n < 9_999; n++) {
      standing.ended(`other ${n}`, 0, false)
      standing.ended("a", 0, false)
    }
    assert.strictEqual(standing.laneOf("a"), "quick")
    assert.strictEqual(standing.laneOf("b"), "unknown")
  })
})

describe("inputs that are suspect", () => {
  it("are so for a minute behind the last one, and at most five thousand", () => {
    const suspects = new JsonataSuspects()
    suspects.add(["1", "2"], 0)
    assert.isTrue(suspects.has(["3", "2"], 0))
    assert.isFalse(suspects.has(["3"], 0))
    suspects.add(["4"], 30 * second)
    assert.isTrue(suspects.has(["1"], 89 * second))
    assert.isFalse(suspects.has(["1"], 90 * second))
    suspects.add(Array.from({ length: 5_001 }, (_, n) => `${n}`), 100 * second)
    assert.isFalse(suspects.has(["0"], 100 * second))
    assert.isTrue(suspects.has(["1"], 100 * second))
  })
})
