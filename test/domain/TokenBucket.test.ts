import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as TokenBucket from "../../src/domain/TokenBucket.ts"

const limit: TokenBucket.Limit = { capacity: 10, refillPerSecond: 4 }
const tokens = (bucket: TokenBucket.TokenBucket) => bucket.tokens

describe("TokenBucket", () => {
  it("takes one token per event and refills by time, up to its capacity", () => {
    const full = TokenBucket.full(limit, 1_000)
    assert.deepStrictEqual(full, { tokens: 10, at: 1_000 })
    const taken = TokenBucket.take(full, limit, 1_000, 7)
    assert.deepStrictEqual(taken, { tokens: 3, at: 1_000 })
    assert.deepStrictEqual(TokenBucket.take(taken, limit, 1_500, 1), { tokens: 4, at: 1_500 })
    assert.deepStrictEqual(TokenBucket.take(taken, limit, 60_000, 10), { tokens: 0, at: 60_000 })
    assert.strictEqual(tokens(TokenBucket.take(taken, limit, 60_000, 11)), -1)
  })

  it("a time before the last one neither refills nor takes back", () => {
    const bucket = { tokens: 2, at: 5_000 }
    assert.deepStrictEqual(TokenBucket.take(bucket, limit, 1_000, 1), { tokens: 1, at: 5_000 })
  })

  it("a smaller limit holds at once", () => {
    assert.strictEqual(tokens(TokenBucket.take({ tokens: 100, at: 0 }, limit, 0, 1)), 9)
  })

  it("never holds more than its capacity, and never passes more than capacity and refill together", () => {
    const steps = fc.array(fc.record({ wait: fc.nat({ max: 3_000 }), events: fc.nat({ max: 12 }) }))
    fc.assert(fc.property(steps, (all) => {
      let bucket = TokenBucket.full(limit, 0)
      let now = 0
      let passed = 0
      for (const { events, wait } of all) {
        now += wait
        const next = TokenBucket.take(bucket, limit, now, events)
        assert.isAtMost(next.tokens, limit.capacity)
        if (next.tokens < 0) return
        bucket = next
        passed += events
        assert.isAtMost(passed, limit.capacity + now / 1_000 * limit.refillPerSecond + 1e-9)
      }
    }))
  })

  it("counts the same in one step and in two at the same time", () => {
    fc.assert(fc.property(fc.nat({ max: 50 }), fc.nat({ max: 50 }), fc.nat({ max: 5_000 }), (one, two, at) => {
      const bucket = { tokens: 1, at: 0 }
      const twice = TokenBucket.take(TokenBucket.take(bucket, limit, at, one), limit, at, two)
      assert.closeTo(tokens(twice), tokens(TokenBucket.take(bucket, limit, at, one + two)), 1e-9)
    }))
  })
})
