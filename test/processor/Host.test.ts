/** The instances of a processor beside each other: what becomes of one holds up no other, and costs nothing in vain. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Paused, Resumed } from "../../src/domain/ControlEvent.ts"
import { ScheduleCancelled } from "../../src/domain/Schedule.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import { Growth } from "../../src/log/Growth.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
import { answering, went } from "./Answering.ts"
import { failingAt, went as all } from "./Summing.ts"
import { append, Came, change, during, numbers, pass, payloads, quiet, Went } from "./Workshop.ts"

/** The checkpoints in scope, changed for the processors of a test. */
const changed = (more: (checkpoints: Checkpoints["Service"]) => Partial<Checkpoints["Service"]>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.updateService(effect, Checkpoints, (checkpoints) => ({ ...checkpoints, ...more(checkpoints) }))

describe("hooks that hang", () => {
  it.effect("keep no other instance from its hooks, however many they are", () => {
    const layer = Processor.make("hanging", { state: Schema.Int, initial: 0, consumes: [Went], emits: [Came] })
      .reduce({ went: (sum, { payload }) => sum + payload.n })
      .toLayer({
        afterAppend: { went: ({ payload: { n } }, { emit }) => n === 0 ? Effect.never : emit(Came.make({ n })) }
      })
    return Effect.gen(function*() {
      yield* Effect.forEach(Array.from({ length: 300 }), (_, n) => append(`/${n}`, went(0)), { discard: true })
      yield* append("/fine", went(7))
      yield* Effect.repeat(
        Effect.andThen(TestClock.adjust("1 second"), Effect.andThen(turn, numbers("/fine", Came))),
        { until: (found) => found.length > 0, times: 60 }
      )
      assert.deepStrictEqual(yield* numbers("/fine", Came), [7])
    }).pipe(during(layer), Effect.provide(TestHost.layerLog()))
  })
})

/** Lets every other fiber take its turn. */
const turn = Effect.callback<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

describe("an instance", () => {
  const rare = Processor.make("rare", { state: Schema.Int, initial: 0, consumes: [ScheduleCancelled] })
    .reduce({ "schedule/cancelled": (count) => count + 1 })
    .toLayer({})
  const streams = Effect.flatMap(Checkpoints, (checkpoints) =>
    Effect.map(checkpoints.instances("rare", ""), (all) => all.map(({ path }) => path)))

  it.effect("is made where its processor consumes something, not where a stream was paused or written elsewhere", () =>
    Effect.gen(function*() {
      const growth = yield* Growth
      yield* append("/paused", Paused.make({}), Resumed.make({}))
      yield* append("/s", went(1))
      yield* quiet
      // What another server wrote is told without types.
      growth.announce({ path: StreamPath.make("/s"), head: undefined, types: undefined, deleted: false, isCommon: true })
      yield* quiet
      assert.deepStrictEqual(yield* streams, [])
      yield* append("/s", ScheduleCancelled.make({ slug: "tea" }))
      yield* quiet
      assert.deepStrictEqual(yield* streams, ["/s"])
    }).pipe(during(rare), Effect.provide(TestHost.layerLog())))
})

describe("a defect of the host", () => {
  it.effect("costs its processor a moment, and not its life", () => {
    let looks = 0
    return Effect.gen(function*() {
      yield* append("/s", went(1))
      yield* TestClock.adjust("2 seconds")
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1])
      assert.isAbove(looks, 1)
    }).pipe(
      during(answering()),
      changed((checkpoints) => ({
        undone: (...asked) =>
          Effect.suspend(() => ++looks === 1 ? Effect.die(new Error("odd")) : checkpoints.undone(...asked))
      })),
      Effect.provide(TestHost.layerLog())
    )
  })

  it.effect("where states are compared costs nothing", () =>
    Effect.gen(function*() {
      yield* append("/s", went(1))
      yield* pass("3 minutes")
      yield* append("/s", went(2))
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1, 2])
      assert.strictEqual((yield* (yield* Checkpoints).registered)[0]?.owner, first)
    }).pipe(
      during(answering()),
      changed((checkpoints) => ({
        instances: () => Effect.die(new Error("odd")),
        claim: (processor, owner, ...more) => {
          first ??= owner
          return checkpoints.claim(processor, owner, ...more)
        },
        release: () => Effect.die(new Error("it never gives the lease back"))
      })),
      Effect.scoped,
      Effect.provide(TestHost.layerLog())
    ))
  let first: string | undefined
})

describe("a parked instance", () => {
  it.effect("is not opened while its stream grows, and is once a person lets it go on", () => {
    let opens = 0
    const { layer } = failingAt(1)
    return Effect.gen(function*() {
      yield* append("/s", ...all(1))
      yield* quiet
      assert.lengthOf(yield* payloads("/s", "processor/parked"), 1)
      yield* pass("1 minute")
      const before = opens
      for (let n = 2; n < 22; n++) yield* Effect.andThen(append("/s", ...all(n)), pass("1 second"))
      assert.strictEqual(opens, before)
      yield* change("summing", "/s", { _tag: "Skip" })
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), Array.from({ length: 20 }, (_, n) => n + 2))
      assert.isAbove(opens, before)
    }).pipe(
      during(layer),
      changed((checkpoints) => ({
        open: (...asked) =>
          Effect.suspend(() => {
            opens += 1
            return checkpoints.open(...asked)
          })
      })),
      Effect.provide(TestHost.layerLog())
    )
  })
})
