/** What a failure leads to: another attempt, or an instance that waits for a person. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule, Schema } from "effect"
import { Processor } from "../../src/processor/Processor.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
import { failingAt, fine, Refused, Summing, summing, went } from "./Summing.ts"
import {
  append,
  Came,
  change,
  during,
  numbers,
  pass,
  payloads,
  quiet,
  read,
  stateOf,
  thrice,
  types,
  Went,
  work,
  written
} from "./Workshop.ts"

describe("a state that is too large", () => {
  it.effect("parks its instance and says so; skipped, the event that made it counts for nothing", () => {
    const Grown = Processor.make("growing", { state: Schema.String, initial: "", consumes: [Went], emits: [] })
      .reduce({ went: (state, { payload }) => state + "é".repeat(payload.n) })
    return Effect.gen(function*() {
      yield* append("/s", ...went(10))
      yield* pass("2 seconds")
      yield* append("/s", ...went(5_000_000))
      yield* pass("2 seconds")
      const [parked] = yield* payloads("/s", "processor/parked")
      assert.match(JSON.stringify(parked), /"offset":3.*The state has more than 8388608 bytes/)
      yield* change("growing", "/s", { _tag: "Skip" })
      yield* append("/s", ...went(1))
      yield* pass("2 seconds")
      assert.strictEqual(yield* stateOf(Grown, "/s"), "é".repeat(11))
    }).pipe(work(Grown.toLayer({})))
  })
})

describe("a hook that fails", () => {
  it.effect("is tried again, and only what the attempt emitted that succeeded is recorded", () => {
    const { layer, ran } = summing((n, attempt) => n === 1 && attempt < 3 ? Effect.fail("not yet") : Effect.void)
    return Effect.gen(function*() {
      yield* append("/s", ...went(1, 2))
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1, 2])
      assert.deepStrictEqual([...ran], [[1, 3], [2, 1]])
    }).pipe(work(layer))
  })

  it.effect("waits as its schedule says", () => {
    const { layer, ran } = summing(
      (_, attempt) => attempt < 3 ? Effect.fail("not yet") : Effect.void,
      { retry: Schedule.spaced("1 minute") }
    )
    return Effect.gen(function*() {
      yield* append("/s", ...went(1))
      yield* pass("59 seconds")
      assert.strictEqual(ran.get(1), 1)
      yield* pass("1 second")
      assert.strictEqual(ran.get(1), 2)
      yield* pass("1 minute")
      assert.deepStrictEqual(yield* numbers("/s", Came), [1])
    }).pipe(work(layer))
  })

  it.effect("by default is tried for some seconds, then the instance is parked", () =>
    Effect.gen(function*() {
      yield* append("/s", ...went(1))
      yield* pass("20 seconds")
      assert.deepStrictEqual(yield* payloads("/s", "processor/parked"), [
        { name: "summing", offset: 2, error: "Refused: not 1" }
      ])
    }).pipe(work(Summing.toLayer({ afterAppend: { went: () => Effect.fail(new Refused({ message: "not 1" })) } }))))

  it.effect("parks its instance at that event, which says so once, and the others go on", () => {
    const { layer } = failingAt(2)
    return Effect.gen(function*() {
      yield* append("/s", ...went(1, 2, 3))
      yield* append("/other", ...went(4))
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1])
      assert.deepStrictEqual(yield* numbers("/other", Came), [4])
      const parked = { name: "summing", offset: 3, error: "Refused: not 2" }
      assert.deepStrictEqual(yield* payloads("/s", "processor/parked"), [parked])
      assert.deepStrictEqual((yield* read("/s")).at(-1)?.cause?.offset, 3)
      yield* append("/s", ...went(5))
      yield* pass("1 hour")
      assert.deepStrictEqual(yield* numbers("/s", Came), [1])
      assert.deepStrictEqual(yield* payloads("/s", "processor/parked"), [parked])
      const row = yield* written("summing", "/s")
      assert.deepStrictEqual([row?.offset, row?.state, row?.parked], [2, "1", { offset: 3, error: "Refused: not 2" }])
    }).pipe(work(layer))
  })

  it.effect("by a defect is parked too", () =>
    Effect.gen(function*() {
      yield* append("/s", ...went(1))
      yield* quiet
      assert.deepStrictEqual(yield* payloads("/s", "processor/parked"), [
        { name: "summing", offset: 2, error: "TypeError: no such thing" }
      ])
    }).pipe(work(summing(() => Effect.die(new TypeError("no such\n  thing"))).layer)))

  it.effect("has no fibers while it is parked, and has them again when it goes on", () => {
    const notes: Array<string> = []
    let isMended = false
    const Busy = Processor.make("busy", { state: Schema.Int, initial: 0, consumes: [Went] })
      .reduce({ went: (sum, { payload }) => sum + payload.n })
      .fibers({ run: () => ({ all: "work" }) })
    const layer = Busy.toLayer({
      afterAppend: { went: ({ payload }) => payload.n === 2 && !isMended ? Effect.fail("no") : Effect.void },
      fibers: {
        run: () =>
          Effect.sync(() => notes.push("starts")).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Effect.sync(() => notes.push("stops")))
          )
      }
    }, { retry: thrice })
    return Effect.gen(function*() {
      yield* append("/s", ...went(1))
      yield* quiet
      yield* append("/s", ...went(2))
      yield* pass("1 minute")
      assert.deepStrictEqual(notes, ["starts", "stops"])
      isMended = true
      yield* change("busy", "/s", { _tag: "Resume" })
      yield* quiet
      assert.deepStrictEqual(notes, ["starts", "stops", "starts"])
    }).pipe(work(layer))
  })

  it.effect("stays parked over a restart", () => {
    const { layer, ran } = failingAt(1)
    return Effect.gen(function*() {
      yield* Effect.andThen(append("/s", ...went(1)), quiet).pipe(during(layer))
      yield* Effect.andThen(append("/s", ...went(2)), pass("1 hour")).pipe(during(layer))
      assert.deepStrictEqual([...ran], [[1, 3]])
      yield* Effect.gen(function*() {
        assert.deepStrictEqual(yield* types("/s"), ["went", "processor/parked", "went"])
      }).pipe(during(fine.layer))
    }).pipe(Effect.provide(TestHost.layerLog()))
  })
})

describe("a reducer that throws", () => {
  const Throwing = Processor.make("summing", { state: Schema.Int, initial: 0, consumes: [Went], emits: [Came] })
    .reduce({
      went: (sum, { payload: { n } }) => {
        if (n === 2) throw new Error("two is too many")
        return sum + n
      }
    })
  const throwing = () => summing(() => Effect.void, {}, Throwing)

  it.effect("parks the instance before that event", () =>
    Effect.gen(function*() {
      yield* append("/s", ...went(1, 2, 3))
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1])
      assert.deepStrictEqual(yield* payloads("/s", "processor/parked"), [
        { name: "summing", offset: 3, error: "The definition threw: Error: two is too many" }
      ])
      yield* change("summing", "/s", { _tag: "Resume" })
      yield* quiet
      assert.lengthOf(yield* payloads("/s", "processor/parked"), 2)
    }).pipe(work(throwing().layer)))

  it.effect("is passed over by a skip, for good", () => {
    const { layer, ran } = throwing()
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        yield* append("/s", ...went(1, 2, 3))
        yield* quiet
        yield* change("summing", "/s", { _tag: "Skip" })
        yield* quiet
        yield* change("summing", "/s", { _tag: "Refold" })
        yield* quiet
      }).pipe(during(layer))
      yield* Effect.gen(function*() {
        yield* append("/s", ...went(4))
        yield* quiet
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 3, 4])
        assert.strictEqual(yield* stateOf(Throwing, "/s"), 8)
        assert.lengthOf(yield* payloads("/s", "processor/parked"), 1)
      }).pipe(during(layer))
      assert.deepStrictEqual([...ran.keys()], [1, 3, 4])
    }).pipe(Effect.provide(TestHost.layerLog()))
  })

  it.effect("is mended by a better one, and a resume", () =>
    Effect.gen(function*() {
      yield* Effect.andThen(append("/s", ...went(1, 2, 3)), quiet).pipe(during(throwing().layer))
      yield* Effect.gen(function*() {
        yield* change("summing", "/s", { _tag: "Resume" })
        yield* quiet
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 2, 3])
        assert.strictEqual(yield* stateOf(Summing, "/s"), 6)
      }).pipe(during(fine.layer))
    }).pipe(Effect.provide(TestHost.layerLog())))
})
