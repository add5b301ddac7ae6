/** What a person says to an instance, and what another version of the processor means for it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestHost } from "../../src/testing/TestHost.ts"
import { failingAt, fine, make, Summing, summing, went } from "./Summing.ts"
import {
  append,
  Came,
  change,
  during,
  numbers,
  pass,
  payloads,
  quiet,
  stateOf,
  types,
  work,
  written
} from "./Workshop.ts"

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
      const skipped = { name: "summing", offset: 3, error: "Refused: not 2" }
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
        assert.isDefined((yield* written("summing", "/s"))?.parked)
        yield* change("summing", "/s", { _tag: "Resume" })
        yield* quiet
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 3])
        assert.strictEqual(yield* stateOf(make(2, 10), "/s"), 60)
      }).pipe(during(layer))
      assert.deepStrictEqual([...ran.keys()], [3])
    }).pipe(Effect.provide(TestHost.layerLog())))
})
