/** How instances are told of where waiting takes long, and where another server runs them. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Offset } from "../../src/domain/Event.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Streams } from "../../src/domain/Streams.ts"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import { Growth } from "../../src/log/Growth.ts"
import * as LogStreams from "../../src/log/LogStreams.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
import { Instances } from "../../src/processor/Instances.ts"
import * as Supervisor from "../../src/processor/Supervisor.ts"
import * as PingPong from "../../src/examples/PingPong.ts"

const path = StreamPath.make("/games/1")
const options = { maxHops: 256, leaseMillis: 5_000 }

/** How often instances were looked up. */
let looks = 0
const counting = Layer.effect(
  Checkpoints,
  Effect.map(Checkpoints, (checkpoints) => ({
    ...checkpoints,
    instancesOn: (path: StreamPath) =>
      Effect.suspend(() => {
        looks += 1
        return checkpoints.instancesOn(path)
      })
  }))
)

const Log = LogStreams.layer({ breaker: "off" }).pipe(
  Layer.provideMerge(counting),
  Layer.provideMerge(MemoryEventStore.layerOptions({ breaker: "off" })),
  Layer.provideMerge(Growth.layer)
)

/** Instances as a server sees them that has no definition. */
class Elsewhere extends Context.Service<Elsewhere, Instances["Service"]>()("millstream/test/Elsewhere") {}

const TestLayer = PingPong.layer.pipe(
  Layer.provideMerge(Instances.layer),
  Layer.provideMerge(Supervisor.layer(options)),
  Layer.provideMerge(
    Layer.effect(Elsewhere, Instances).pipe(
      Layer.provide(Instances.layer),
      Layer.provide(Layer.fresh(Supervisor.layer(options)))
    )
  ),
  Layer.provideMerge(Log)
)

layer(TestLayer)("instances", (it) => {
  it.effect("are waited for half a minute, and no longer", () =>
    Effect.gen(function*() {
      const streams = yield* Streams
      const instances = yield* Instances
      const { offset } = yield* streams.append(path, PingPong.Ping.make({ from: "ada" }))
      const waiting = yield* Effect.forkChild(Effect.flip(instances.one("ping-pong", path, offset + 5)))
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const behind = yield* Fiber.join(waiting)
      assert(behind._tag === "Behind")
      const atLeast = Offset.make(offset + 5)
      assert.deepInclude(behind, { processor: "ping-pong", streamPath: path, atLeast, status: "caught-up" })
    }))

  it.effect("are waited for by a thousand at a time", () =>
    Effect.gen(function*() {
      const instances = yield* Instances
      const far = instances.one("ping-pong", path, 1_000_000)
      const waiting = yield* Effect.forEach(Array.from({ length: 1_000 }), () => Effect.forkChild(far))
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Effect.flip(far))._tag, "Unavailable")
      yield* Fiber.interruptAll(waiting)
      const again = yield* Effect.forkChild(Effect.flip(far))
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* Fiber.join(again))._tag, "Behind")
    }))

  it.effect("are looked at once for all who wait, however often their stream grows", () =>
    Effect.gen(function*() {
      const growth = yield* Growth
      const instances = yield* Instances
      const far = instances.one("ping-pong", path, 1_000_000)
      const waiting = yield* Effect.forEach(Array.from({ length: 100 }), () => Effect.forkChild(far))
      yield* TestClock.adjust("100 millis")
      const before = looks
      for (let i = 0; i < 100; i++) {
        growth.announce({ path, head: undefined, types: undefined, deleted: false })
        yield* TestClock.adjust("10 millis")
      }
      assert.isAtMost(looks - before, 20)
      assert.isAtLeast(looks - before, 19)
      yield* Fiber.interruptAll(waiting)
    }))

  it.effect("of another server are told of as they were written", () =>
    Effect.gen(function*() {
      const streams = yield* Streams
      const elsewhere = yield* Elsewhere
      const { offset } = yield* streams.append(path, PingPong.Ping.make({ from: "grace" }))
      const waiting = yield* Effect.forkChild(elsewhere.one("ping-pong", path, offset))
      yield* TestClock.adjust("1 second")
      const told = yield* Fiber.join(waiting)
      assert.deepInclude(told, { processor: "ping-pong", path, version: 1, lag: 0, status: "caught-up" })
      assert.strictEqual(told.state, "{\"pings\":2}")
      const listed = yield* elsewhere.of("ping-pong", "")
      assert.deepStrictEqual(listed.map((each) => each.path), [path])
      assert.deepStrictEqual([...(yield* elsewhere.on(path)).keys()], ["ping-pong"])
      const missing = yield* Effect.flip(elsewhere.definition("ping-pong"))
      assert(missing._tag === "NotFound")
      assert.include(missing.message, "not on this server")
      const unknown = yield* Effect.flip(elsewhere.definition("ping-pnog"))
      assert.include(unknown.message, "Did you mean ping-pong?")
    }))
})
