/** A sweeper goes on, whatever happens to a sweep. */
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Sweeper from "../../src/log/Sweeper.ts"

it.effect("sweeps at first, when it is asked and every minute, and tries a second later where that failed", () =>
  Effect.gen(function*() {
    let sweeps = 0
    let isBroken = true
    const sweep = Effect.suspend(() => {
      sweeps += 1
      return isBroken ? Effect.fail("away") : Effect.void
    })
    const sweepSoon = yield* Sweeper.make(sweep, "Not swept")
    yield* TestClock.adjust("2 seconds")
    assert.strictEqual(sweeps, 3)
    isBroken = false
    yield* TestClock.adjust("1 second")
    assert.strictEqual(sweeps, 4)
    yield* TestClock.adjust("59 seconds")
    assert.strictEqual(sweeps, 4)
    yield* sweepSoon
    yield* TestClock.adjust(0)
    assert.strictEqual(sweeps, 5)
    yield* TestClock.adjust("1 minute")
    assert.strictEqual(sweeps, 6)
  }))
