import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import * as Path from "../../src/domain/StreamPath.ts"
import { Directory } from "../../src/log/Directory.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import { Growth } from "../../src/log/Growth.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
import { suite } from "./EventStoreSuite.ts"
import { append, below, event, events, outline, read } from "./suite/Fixture.ts"

const layer = MemoryEventStore.layer.pipe(Layer.provideMerge(Growth.layer))

suite("memory", layer)

const path = StreamPath.make("/a")

describe("MemoryEventStore", () => {
  it.effect("the root is made by the first append, and can be deleted with all below it", () =>
    Effect.gen(function*() {
      yield* append(path, event("came"))
      assert.deepStrictEqual(yield* outline(Path.root), ["1 stream/initialized", "2 stream/child-created"])
      const store = yield* EventStore
      assert.deepStrictEqual(yield* store.remove(Path.root, { recursive: true }), [Path.root, path])
      const directory = yield* Directory
      assert.deepStrictEqual(yield* directory.children(Path.root, { recursive: true, limit: 10 }), [])
      yield* append(Path.root, event("came"))
      assert.deepStrictEqual(yield* outline(Path.root), ["3 stream/initialized", "4 came"])
    }).pipe(Effect.provide(layer)))

  it.effect("a stream of its own layer is its own", () =>
    Effect.gen(function*() {
      yield* append(path, event("came")).pipe(Effect.provide(layer))
      assert.deepStrictEqual(yield* outline(path).pipe(Effect.provide(layer)), [])
    }))

  it.effect("time is the clock's, and never goes back within a stream", () =>
    Effect.gen(function*() {
      const times = Effect.map(read(path), (all) =>
        all.map(({ createdAt }) => DateTime.formatIso(createdAt).slice(11, 23)))
      yield* TestClock.setTime(Duration.toMillis("2 minutes"))
      yield* append(path, event("came"))
      yield* TestClock.setTime(Duration.toMillis("1 minute"))
      yield* append(path, event("came"))
      yield* append(below(path, "b"), event("came"))
      yield* TestClock.setTime(Duration.toMillis("3 minutes"))
      yield* append(path, event("came"))
      assert.deepStrictEqual(yield* times, [
        "00:02:00.000",
        "00:02:00.000",
        "00:02:00.000",
        "00:02:00.000",
        "00:03:00.000"
      ])
      assert.strictEqual((yield* read(below(path, "b")))[0]?.createdAt.epochMilliseconds, 60_000)
    }).pipe(Effect.provide(layer)))

  it.effect("the bucket fills as time goes by", () =>
    Effect.gen(function*() {
      yield* append(path, ...events(100))
      yield* TestClock.adjust("500 millis")
      yield* append(path, ...events(50))
      assert.strictEqual((yield* read(path, ["stream/paused"])).length, 0)
      yield* TestClock.adjust("10 seconds")
      yield* append(path, ...events(101))
      assert.strictEqual((yield* read(path, ["stream/paused"])).length, 1)
    }).pipe(Effect.provide(layer)))

  it.effect("the breaker may be another, or off", () =>
    Effect.gen(function*() {
      const withBreaker = (breaker: MemoryEventStore.Options["breaker"]) =>
        Effect.provide(
          Effect.andThen(append(path, ...events(20)), Effect.map(outline(path), (all) => all.at(-1))),
          MemoryEventStore.layerOptions({ breaker }).pipe(Layer.provide(Growth.layer))
        )
      assert.strictEqual(yield* withBreaker({ capacity: 19, refillPerSecond: 1 }), "22 stream/paused")
      assert.strictEqual(yield* withBreaker({ capacity: 20, refillPerSecond: 1 }), "21 counted")
      assert.strictEqual(yield* withBreaker("off"), "21 counted")
    }))
})
