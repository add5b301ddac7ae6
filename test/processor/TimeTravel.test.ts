/** What time travel tells where a definition is broken, and what others get done while it folds. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schema } from "effect"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import type { Any } from "../../src/processor/Processor.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { Instances } from "../../src/processor/Instances.ts"
import { TimeTravel } from "../../src/processor/TimeTravel.ts"
import { append, quiet, Went, work } from "./Workshop.ts"

const path = StreamPath.make("/s")
const went = (...all: ReadonlyArray<number>) => append(path, ...all.map((n) => Went.make({ n })))
const at = (processor: Any, offset: number) =>
  Effect.flatMap(TimeTravel, (travel) => travel.at(processor, path, offset))
const between = (processor: Any, from: number, to: number) =>
  Effect.flatMap(TimeTravel, (travel) => travel.between(processor, path, from, to))

/** Asks for work with the last number; one above 9 makes an input that is no plain data. */
const Asking = Processor.make("asking", { state: Schema.Int, initial: 0, consumes: [Went] })
  .reduce({ went: (_, { payload }) => payload.n })
  .fibers({ run: (n) => ({ it: n > 9 ? NaN : n }) })

const Digit = Schema.Int.pipe(Schema.check(Schema.isLessThanOrEqualTo(9)))
const summing = (initial: number) =>
  Processor.make("summing", { state: Schema.Struct({ sum: Digit }), initial: { sum: initial }, consumes: [Went] })
    .reduce({ went: ({ sum }, { payload }) => ({ sum: sum + payload.n }) })
const Summing = summing(0)

/** As long as it takes to fold: each number keeps the thread busy for so many milliseconds. */
const Slow = Processor.make("slow", { state: Schema.Int, initial: 0, consumes: [Went] }).reduce({
  went: (sum, { payload }) => {
    const until = performance.now() + payload.n
    while (performance.now() < until);
    return sum + 1
  }
})

/** Each number makes another million of characters. */
const Long = Processor.make("long", { state: Schema.String, initial: "", consumes: [Went] })
  .reduce({ went: (_, { payload }) => String(payload.n % 10).repeat(1_000_000) })

describe("time travel", () => {
  it.effect("stops where the work that is asked for is no plain data, with the state before", () =>
    Effect.gen(function*() {
      yield* went(1, 10, 2)
      const { asked, stopped, ...past } = yield* at(Asking, 4)
      assert.deepStrictEqual(past, { offset: 2, state: "1" })
      assert.deepStrictEqual(asked.map(({ input, key }) => [key, input]), [["it", "1"]])
      assert.deepStrictEqual(stopped, { offset: 3, error: "TypeError: NaN is not plain data, at fibers → run → it" })
      assert.deepStrictEqual((yield* between(Asking, 1, 4)).map(({ offset }) => offset), [2])
    }).pipe(work(Asking.toLayer({ fibers: { run: () => Effect.never } }))))

  it.effect("stops at the event whose state does not fit, where it still does not at the end", () =>
    Effect.gen(function*() {
      yield* went(4, 5, 1, 1, -9)
      const { asked, stopped, ...past } = yield* at(Summing, 5)
      assert.deepStrictEqual([past, asked], [{ offset: 3, state: "{\"sum\":9}" }, []])
      assert.strictEqual(stopped?.offset, 4)
      assert.match(stopped?.error ?? "", /^SchemaError: Expected a value less than or equal to 9/)
      assert.deepStrictEqual((yield* between(Summing, 1, 5)).map(({ offset }) => offset), [2, 3])
      // It was never written in between.
      assert.deepInclude(yield* at(Summing, 6), { offset: 6, state: "{\"sum\":2}", stopped: undefined })
    }).pipe(work(Summing.toLayer({}))))

  it.effect("tells of a first state that does not fit, and so does who asks for it now", () =>
    Effect.gen(function*() {
      yield* append(path, { type: "other", payload: {} })
      const broken = summing(10)
      assert.deepInclude(yield* at(broken, 1), { offset: 0, state: "null", asked: [] })
      assert.strictEqual((yield* at(broken, 1)).stopped?.offset, 0)
      const now = yield* Effect.flatMap(Instances, (instances) => instances.one("summing", path))
      assert.isUndefined(now.state)
    }).pipe(work(summing(10).toLayer({}))))

  it.effect("refuses more patches than one answer holds", () =>
    Effect.gen(function*() {
      yield* went(...Array.from({ length: 20 }, (_, n) => n))
      const error = yield* Effect.flip(between(Long, 1, 21))
      assert.match(error.message, /more than 16777216 characters: ask for fewer at a time/)
      assert.lengthOf(yield* between(Long, 1, 11), 10)
    }).pipe(work(Long.toLayer({}))))

  it.effect("lets others have their turn within a page", () =>
    Effect.gen(function*() {
      yield* went(...Array.from({ length: 40 }, () => 6))
      yield* quiet
      let turns = 0
      const turn = Effect.andThen(Effect.yieldNow, Effect.sync(() => turns++))
      const others = yield* Effect.forkChild(Effect.forever(turn))
      yield* at(Slow, 41)
      assert.isAtLeast(turns, 10)
      yield* Fiber.interrupt(others)
    }).pipe(work(Slow.toLayer({}))))
})
