/** What a failure leads to: another attempt, an instance that waits for a person, and what the person may say. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schedule, Schema } from "effect"
import type { LayerOptions } from "../../src/processor/Processor.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
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

const make = (version: number, weight = 1) =>
  Processor.make("summing", { version, state: Schema.Int, initial: 0, consumes: [Went], emits: [Came] })
    .reduce({ went: (sum, { payload }) => sum + weight * payload.n })
const Summing = make(1)

const went = (...all: ReadonlyArray<number>) => all.map((n) => Went.make({ n }))

/** Answers each number with itself once `judge` lets it; `ran` counts the attempts. */
const summing = (judge: (n: number, attempt: number) => Effect.Effect<unknown, unknown>, options?: LayerOptions, of = Summing) => {
  const ran = new Map<number, number>()
  const layer = of.toLayer({
    afterAppend: {
      went: ({ payload: { n } }, { emit }) =>
        Effect.suspend(() => {
          const attempt = (ran.get(n) ?? 0) + 1
          ran.set(n, attempt)
          return emit(Came.make({ n })).pipe(Effect.andThen(judge(n, attempt)))
        })
    }
  }, { retry: thrice, ...options })
  return { layer, ran }
}

const fine = summing(() => Effect.void)
const failingAt = (...bad: ReadonlyArray<number>) =>
  summing((n) => bad.includes(n) ? Effect.fail(new Error(`not ${n}`)) : Effect.void)

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
        { name: "summing", offset: 2, error: "Error: not 1" }
      ])
    }).pipe(work(Summing.toLayer({ afterAppend: { went: () => Effect.fail(new Error("not 1")) } }))))

  it.effect("parks its instance at that event, which says so once, and the others go on", () => {
    const { layer } = failingAt(2)
    return Effect.gen(function*() {
      yield* append("/s", ...went(1, 2, 3))
      yield* append("/other", ...went(4))
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1])
      assert.deepStrictEqual(yield* numbers("/other", Came), [4])
      const parked = { name: "summing", offset: 3, error: "Error: not 2" }
      assert.deepStrictEqual(yield* payloads("/s", "processor/parked"), [parked])
      assert.deepStrictEqual((yield* read("/s")).at(-1)?.cause?.offset, 3)
      yield* append("/s", ...went(5))
      yield* pass("1 hour")
      assert.deepStrictEqual(yield* numbers("/s", Came), [1])
      assert.deepStrictEqual(yield* payloads("/s", "processor/parked"), [parked])
      const row = yield* written("summing", "/s")
      assert.deepStrictEqual([row?.offset, row?.state, row?.parked], [2, "1", { offset: 3, error: "Error: not 2" }])
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

describe("a person", () => {
  it.effect("resumes: the hook runs again, and what came after it follows", () => {
    let isMended = false
    const { layer } = summing((n) => n === 2 && !isMended ? Effect.fail("broken") : Effect.void)
    return Effect.gen(function*() {
      yield* append("/s", ...went(1, 2, 3))
      yield* quiet
      yield* change("summing", "/s", { _tag: "Resume" })
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1])
      isMended = true
      yield* change("summing", "/s", { _tag: "Resume" })
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1, 2, 3])
      const own = (yield* types("/s")).filter((type) => type.startsWith("processor/"))
      const twice = ["processor/parked", "processor/resumed", "processor/parked", "processor/resumed"]
      assert.deepStrictEqual(own, twice)
      assert.deepStrictEqual(yield* stateOf(Summing, "/s"), 6)
    }).pipe(work(layer))
  })

  it.effect("resumes while the processor is not at work: it goes on when it is started", () =>
    Effect.gen(function*() {
      yield* Effect.andThen(append("/s", ...went(1)), quiet).pipe(during(failingAt(1).layer))
      yield* change("summing", "/s", { _tag: "Resume" })
      yield* quiet.pipe(during(fine.layer))
      assert.deepStrictEqual(yield* numbers("/s", Came).pipe(during(fine.layer)), [1])
    }).pipe(Effect.provide(TestHost.layerLog())))

  it.effect("skips: that hook never runs, its event is folded, and what came after it follows", () => {
    const { layer, ran } = failingAt(2)
    return Effect.gen(function*() {
      yield* append("/s", ...went(1, 2, 3))
      yield* quiet
      yield* change("summing", "/s", { _tag: "Skip" })
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1, 3])
      assert.deepStrictEqual(ran.get(2), 3)
      assert.deepStrictEqual(yield* stateOf(Summing, "/s"), 6)
      const skipped = { name: "summing", offset: 3, error: "Error: not 2" }
      assert.deepStrictEqual(yield* payloads("/s", "processor/skipped"), [skipped])
    }).pipe(work(layer))
  })

  it.effect("skips, and a refold or a restart does not bring the hook back", () => {
    const { layer, ran } = failingAt(2)
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        yield* append("/s", ...went(1, 2, 3))
        yield* quiet
        yield* change("summing", "/s", { _tag: "Skip" })
      }).pipe(during(layer))
      yield* Effect.gen(function*() {
        yield* quiet
        yield* change("summing", "/s", { _tag: "Refold" })
        yield* quiet
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 3])
        assert.strictEqual(yield* stateOf(Summing, "/s"), 6)
      }).pipe(during(layer))
      assert.strictEqual(ran.get(2), 3)
    }).pipe(Effect.provide(TestHost.layerLog()))
  })

  it.effect("refolds: the state is folded anew, and no hook runs again", () => {
    const { layer, ran } = summing(() => Effect.void)
    return Effect.gen(function*() {
      yield* append("/s", ...went(1, 2))
      yield* quiet
      yield* change("summing", "/s", { _tag: "Refold" })
      yield* append("/s", ...went(3))
      yield* pass("2 seconds")
      assert.deepStrictEqual(yield* numbers("/s", Came), [1, 2, 3])
      assert.deepStrictEqual([...ran.values()], [1, 1, 1])
      assert.strictEqual((yield* written("summing", "/s"))?.state, "6")
      const [refolded] = yield* payloads("/s", "processor/refolded")
      assert.deepInclude(refolded, { name: "summing", version: 1 })
    }).pipe(work(layer))
  })

  it.effect("refolds a parked instance: it tries its event again", () => {
    let isMended = false
    const { layer } = summing((n) => n === 2 && !isMended ? Effect.fail("broken") : Effect.void)
    return Effect.gen(function*() {
      yield* append("/s", ...went(1, 2))
      yield* quiet
      isMended = true
      yield* change("summing", "/s", { _tag: "Refold" })
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1, 2])
    }).pipe(work(layer))
  })

  it.effect("can not change what is not parked, or was never there", () =>
    Effect.gen(function*() {
      yield* append("/s", ...went(1))
      yield* quiet
      for (const [path, tag] of [["/s", "Resume"], ["/s", "Skip"], ["/none", "Refold"]] as const) {
        const error = yield* Effect.flip(change("summing", path, { _tag: tag }))
        assert.strictEqual(error._tag, "NotFound")
      }
    }).pipe(work(fine.layer)))
})

describe("a reducer that throws", () => {
  const Throwing = Processor.make("summing", { state: Schema.Int, initial: 0, consumes: [Went], emits: [Came] }).reduce({
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

describe("another version", () => {
  const second = make(2, 10)
  const before = Effect.andThen(append("/s", ...went(1, 2)), pass("1 minute")).pipe(during(fine.layer))

  it.effect("folds the state anew; no hook runs again, and those to come run", () => {
    const { layer, ran } = summing(() => Effect.void, {}, second)
    return Effect.gen(function*() {
      yield* before
      yield* Effect.gen(function*() {
        yield* append("/s", ...went(4))
        yield* pass("2 seconds")
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 2, 4])
        assert.deepStrictEqual([...ran.keys()], [4])
        assert.strictEqual(yield* stateOf(second, "/s"), 70)
        const row = yield* written("summing", "/s")
        assert.deepStrictEqual([row?.version, row?.state], [2, "70"])
      }).pipe(during(layer))
    }).pipe(Effect.provide(TestHost.layerLog()))
  })

  it.effect("folds it anew for a stream to which nothing comes any more", () =>
    Effect.gen(function*() {
      yield* before
      yield* Effect.gen(function*() {
        yield* pass("1 minute")
        const row = yield* written("summing", "/s")
        assert.deepStrictEqual([row?.version, row?.state], [2, "30"])
      }).pipe(during(summing(() => Effect.void, {}, second).layer))
    }).pipe(Effect.provide(TestHost.layerLog())))

  it.effect("keeps what a person skipped, and what is parked", () =>
    Effect.gen(function*() {
      yield* Effect.gen(function*() {
        yield* append("/s", ...went(1, 2, 3))
        yield* quiet
        yield* change("summing", "/s", { _tag: "Skip" })
        yield* quiet
      }).pipe(during(failingAt(2, 3).layer))
      const { layer, ran } = summing(() => Effect.void, {}, make(2, 10))
      yield* Effect.gen(function*() {
        yield* pass("1 minute")
        assert.deepStrictEqual(yield* numbers("/s", Came), [1])
        assert.isTrue(Option.isSome(Option.fromUndefinedOr((yield* written("summing", "/s"))?.parked)))
        yield* change("summing", "/s", { _tag: "Resume" })
        yield* quiet
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 3])
        assert.strictEqual(yield* stateOf(make(2, 10), "/s"), 60)
      }).pipe(during(layer))
      assert.deepStrictEqual([...ran.keys()], [3])
    }).pipe(Effect.provide(TestHost.layerLog())))
})
