/** A reducer that is not pure is found and named, with the first event at which it differs. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric, Schema } from "effect"
import { Processor } from "../../src/processor/Processor.ts"
import { append, numbers, pass, payloads, quiet, read, Went, work } from "./Workshop.ts"

const summing = (name: string, add: (sum: number, n: number) => number) =>
  Processor.make(name, { state: Schema.Struct({ sum: Schema.Finite }), initial: { sum: 0 }, consumes: [Went] }).reduce({
    went: ({ sum }, { payload }) => ({ sum: add(sum, payload.n) })
  })

const pure = summing("pure", (sum, n) => sum + n)
// From the third event on it depends on how often it was asked.
let asked = 0
const impure = summing("impure", (sum, n) => n < 3 ? sum + n : sum + ++asked)

const found = Effect.map(Metric.snapshot, (all) => {
  const counter = all.find(({ id }) => id === "millstream_impure_processors_total")
  return counter?.type === "Counter" ? Number(counter.state.count) : 0
})

describe("an impure reducer", () => {
  it.effect("is named within a minute or so, once, with the first offset that differs", () =>
    Effect.gen(function*() {
      const before = yield* found
      yield* append("/a", Went.make({ n: 1 }), Went.make({ n: 2 }), Went.make({ n: 3 }), Went.make({ n: 4 }))
      yield* quiet
      yield* pass("3 minutes")
      const [error, ...others] = yield* payloads("/a", "stream/error-occurred")
      assert.deepInclude(error, { processor: "impure", offset: 4, source: "processor" })
      assert.deepStrictEqual(others, [])
      assert.strictEqual((yield* found) - before, 1)
      assert.deepStrictEqual(yield* numbers("/a", Went), [1, 2, 3, 4])
    }).pipe(work(impure.toLayer({}))))

  it.effect("is not said of one that is pure", () =>
    Effect.gen(function*() {
      yield* append("/a", Went.make({ n: 1 }), Went.make({ n: 2 }))
      yield* quiet
      yield* pass("3 minutes")
      assert.lengthOf(yield* read("/a"), 3)
    }).pipe(work(pure.toLayer({}))))
})
