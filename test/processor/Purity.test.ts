/** A reducer that is not pure is found and named, with the first event at which it differs. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Metric, Schema, SchemaGetter } from "effect"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import type { Any } from "../../src/processor/Processor.ts"
import { Processor } from "../../src/processor/Processor.ts"
import * as Purity from "../../src/processor/Purity.ts"
import { append, numbers, pass, payloads, quiet, read, Went, work, written } from "./Workshop.ts"

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

describe("a look at an instance", () => {
  const differs = (processor: Any, path: string) =>
    Effect.gen(function*() {
      const [store, checkpoints] = [yield* EventStore, yield* Checkpoints]
      const instance = yield* Effect.orDie(Effect.fromNullishOr(yield* written(processor.name, path)))
      return yield* Purity.differs({ processor, store, checkpoints }, instance)
    })

  it.effect("passes over states between checkpoints that do not fit the schema", () => {
    const Low = Processor.make("low", {
      state: Schema.Int.pipe(Schema.check(Schema.isLessThanOrEqualTo(1))),
      initial: 0,
      consumes: [Went]
    }).reduce({ went: (sum, { payload }) => sum + payload.n })
    return Effect.gen(function*() {
      yield* append("/s", Went.make({ n: 1 }), Went.make({ n: 1 }), Went.make({ n: -1 }))
      yield* quiet
      yield* pass("3 minutes")
      assert.strictEqual((yield* written("low", "/s"))?.state, "1")
      assert.deepStrictEqual(yield* payloads("/s", "stream/error-occurred"), [])
      assert.isUndefined(yield* differs(Low, "/s"))
    }).pipe(work(Low.toLayer({})))
  })

  it.effect("finds a reducer that throws where it did not", () => {
    const judged = (isStrict: boolean) =>
      summing("judged", (sum, n) => {
        if (isStrict && n === 2) throw new Error("two is too many")
        return sum + n
      })
    return Effect.gen(function*() {
      yield* append("/s", Went.make({ n: 1 }), Went.make({ n: 2 }), Went.make({ n: 3 }))
      yield* quiet
      yield* pass("1 second")
      assert.isUndefined(yield* differs(judged(false), "/s"))
      assert.strictEqual(yield* differs(judged(true), "/s"), 3)
    }).pipe(work(judged(false).toLayer({})))
  })

  it.effect("encodes the state of one that is pure once, and lets others take their turn", () => {
    let encodings = 0
    const Counted = Schema.Int.pipe(Schema.decodeTo(Schema.Int, {
      decode: SchemaGetter.passthrough(),
      encode: SchemaGetter.transform((n: number) => {
        encodings += 1
        return n
      })
    }))
    const Slow = Processor.make("slow", { state: Counted, initial: 0, consumes: [Went] }).reduce({
      went: (sum, { payload }) => {
        const end = performance.now() + 1
        while (performance.now() < end);
        return sum + payload.n
      }
    })
    return Effect.gen(function*() {
      yield* append("/s", ...Array.from({ length: 90 }, (_, n) => Went.make({ n })))
      yield* quiet
      yield* pass("1 second")
      encodings = 0
      let turns = 0
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sync(() => turns += 1), Effect.yieldNow)))
      assert.isUndefined(yield* differs(Slow, "/s"))
      assert.strictEqual(encodings, 1)
      assert.isAbove(turns, 5)
    }).pipe(Effect.scoped, work(Slow.toLayer({})))
  })
})

describe("looks at instances", () => {
  it.effect("come to every one in turn, few at a time", () => {
    const looked: Array<string> = []
    const paths = Array.from({ length: 12 }, (_, n) => `/s${n + 10}`)
    return Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      yield* Effect.forEach(paths, (path) => append(path, Went.make({ n: 1 })), { discard: true })
      yield* quiet
      yield* pass("30 seconds")
      const store = yield* EventStore
      yield* Effect.forkScoped(Purity.watch({
        processor: pure,
        checkpoints,
        store: {
          ...store,
          read: (path, options) => {
            looked.push(path)
            return store.read(path, options)
          }
        }
      }))
      yield* pass("1 minute")
      assert.deepStrictEqual(looked, paths.slice(0, 5))
      // After the last of them a look finds nothing, and the next one begins anew.
      for (let minute = 0; minute < 4; minute++) yield* pass("1 minute")
      assert.deepStrictEqual(looked, [...paths, ...paths.slice(0, 5)])
    }).pipe(Effect.scoped, work(pure.toLayer({})))
  })
})
