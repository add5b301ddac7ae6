/** How often a tail across streams asks while an older transaction is under way. */
import { assert, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as Path from "../../src/domain/StreamPath.ts"
import type { EventStore } from "../../src/log/EventStore.ts"
import { Growth } from "../../src/log/Growth.ts"
import { PrefixTail, start } from "../../src/log/PrefixTail.ts"

it.effect("asks less and less often, and often again when the horizon moves", () =>
  Effect.gen(function*() {
    let reads = 0
    let horizon = 1n
    const store: EventStore["Service"] = {
      append: () => Effect.die("nothing is appended"),
      commit: () => Effect.die("nothing is committed"),
      read: () => Effect.die("no stream is read"),
      remove: () => Effect.die("nothing is removed"),
      recent: () => undefined,
      readWithin: () =>
        Effect.sync(() => {
          reads++
          return { lines: [], last: start, more: false, horizon, newest: 3n }
        })
    }
    const tail = new PrefixTail(store, yield* Growth, Path.root, { after: start })
    const fiber = yield* Effect.forkChild(tail.next)
    yield* TestClock.adjust("1 minute")
    // 1.27 seconds from 10 ms to 1 s, in 8 reads, then one a second.
    assert.isBelow(reads, 70)
    assert.isAbove(reads, 60)

    const before = reads
    horizon = 2n
    yield* TestClock.adjust("2 seconds")
    assert.isAbove(reads - before, 5)

    horizon = 3n
    yield* TestClock.adjust("1 second")
    assert.strictEqual((yield* Fiber.join(fiber))._tag, "CaughtUp")
    tail.close()
  }).pipe(Effect.provide(Growth.layer)))
