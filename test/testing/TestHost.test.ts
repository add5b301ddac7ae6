/** What the in-memory host of the test kit promises: it waits on facts, and time is the test's. */
import { assert, describe, it } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Layer, Schema } from "effect"
import { Streams } from "../../src/domain/Streams.ts"
import { EventType } from "../../src/domain/EventType.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { TestHost } from "../../src/testing/TestHost.ts"

const Went = EventType.make("went", Schema.Struct({ n: Schema.Int }))
const Counting = Processor.make("counting", { state: Schema.Int, initial: 0, consumes: [Went], emits: [Went] })
  .reduce({ went: (sum, { payload }) => sum + payload.n })

const stateOf = (path: string) =>
  Effect.flatMap(Streams, (streams) => Effect.map(streams.state(path, { processor: Counting }), ({ state }) => state))

describe("quiet", () => {
  it.effect("waits for chains of events across streams", () => {
    const layer = Counting.toLayer({
      afterAppend: {
        went: ({ payload: { n } }, { emit }) =>
          n === 0 ? Effect.void : emit(Went.make({ n: n - 1 }), { streamPath: `/chain/${n - 1}` })
      }
    })
    return Effect.gen(function*() {
      const streams = yield* Streams
      const host = yield* TestHost
      yield* streams.append("/chain/50", Went.make({ n: 50 }))
      yield* host.quiet
      assert.strictEqual((yield* streams.children("/chain")).length, 51)
      assert.strictEqual(yield* stateOf("/chain/1"), 1)
    }).pipe(Effect.provide(layer.pipe(Layer.provideMerge(TestHost.layer))))
  })

  it.effect("waits for a hook that waits for something else than time", () =>
    Effect.gen(function*() {
      const go = yield* Deferred.make<void>()
      const layer = Counting.toLayer({
        afterAppend: { went: ({ payload: { n } }, { emit }) =>
          n === 1 ? Effect.andThen(Deferred.await(go), emit(Went.make({ n: 2 }))) : Effect.void }
      })
      yield* Effect.gen(function*() {
        const streams = yield* Streams
        const host = yield* TestHost
        yield* streams.append("/s", Went.make({ n: 1 }))
        yield* Effect.forkScoped(
          Effect.andThen(Effect.promise(() => new Promise(setImmediate)), Deferred.succeed(go, undefined))
        )
        yield* host.quiet
        assert.strictEqual(yield* stateOf("/s"), 3)
      }).pipe(Effect.provide(layer.pipe(Layer.provideMerge(TestHost.layer))))
    }))

  it.effect("returns at once where nothing is to be done, and where somebody has to act", () =>
    Effect.gen(function*() {
      const streams = yield* Streams
      const host = yield* TestHost
      yield* host.quiet
      yield* streams.append("/s", Went.make({ n: 1 }))
      yield* host.pass("1 minute")
      const types = (yield* streams.causes("/s", 2, { effects: true })).map(({ type }) => type)
      assert.deepStrictEqual(types, ["processor/parked"])
      yield* host.quiet
    }).pipe(Effect.provide(
      Counting.toLayer({ afterAppend: { went: () => Effect.fail("no") } }).pipe(Layer.provideMerge(TestHost.layer))
    )))

  it.effect("says what is under way where a hook waits for time that does not pass", () =>
    Effect.gen(function*() {
      const streams = yield* Streams
      const host = yield* TestHost
      yield* streams.append("/s", Went.make({ n: 1 }))
      const exit = yield* Effect.exit(host.quiet)
      const why = Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "it is quiet"
      assert.include(why, "counting is at offset 0 of /s. Does a hook wait for time to pass?")
    }).pipe(Effect.provide(
      Counting.toLayer({ afterAppend: { went: () => Effect.sleep("1 hour") } }).pipe(
        Layer.provideMerge(TestHost.layerOptions({ patienceMillis: 100 }))
      )
    )))
})

it.effect("a log outlives what works on it", () =>
  Effect.gen(function*() {
    const layer = Counting.toLayer({}).pipe(Layer.provideMerge(TestHost.layerOver()))
    for (const n of [1, 2]) {
      yield* Effect.gen(function*() {
        yield* (yield* Streams).append("/s", Went.make({ n }))
        yield* (yield* TestHost).quiet
        assert.strictEqual(yield* stateOf("/s"), n === 1 ? 1 : 3)
      }).pipe(Effect.provide(layer, { local: true }))
    }
  }).pipe(Effect.provide(TestHost.layerLog())))
