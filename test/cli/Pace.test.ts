import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Pace from "../../src/cli/Pace.ts"
import { full, take } from "../../src/domain/TokenBucket.ts"

describe("pace", () => {
  it("is what the breaker allows", () => {
    assert.deepStrictEqual(Pace.of({ enabled: false }), { batch: 1_000, perSecond: undefined })
    const pace = Pace.of({ enabled: true, capacity: 100, refillPerSecond: 100 })
    assert.deepStrictEqual(pace, { batch: 50, perSecond: 90 })
    assert.deepStrictEqual(Pace.of({ enabled: true, capacity: 1, refillPerSecond: 0.1 }).batch, 1)
  })

  it("never trips a breaker that holds at least two events, however long it goes on", () => {
    fc.assert(fc.property(
      fc.integer({ min: 2, max: 5_000 }),
      fc.double({ min: 2, max: 5_000, noNaN: true }),
      (capacity, refillPerSecond) => {
        const limit = { capacity, refillPerSecond }
        const pace = Pace.of({ enabled: true, ...limit })
        let at = 0
        // The first event, which is sent to see whether the stream is there, has been taken already.
        let bucket = take(full(limit, at), limit, at, 1)
        for (let i = 0; i < 200; i++) {
          bucket = take(bucket, limit, at, pace.batch)
          if (bucket.tokens < 0) return false
          at += Pace.interval(pace, pace.batch)
        }
        return true
      }
    ))
  })
})
