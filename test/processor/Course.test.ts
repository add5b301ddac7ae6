/** What could go on for ever, or stop without a word, ends where a person sees it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import * as Control from "../../src/domain/ControlEvent.ts"
import { EventType } from "../../src/domain/EventType.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
import { append, Came, change, during, pass, payloads, quiet, stateOf, thrice, types, Went, work } from "./Workshop.ts"

const never = { afterAppend: {} }
const counting = (version: number) =>
  Processor.make("counting", { version, state: Schema.Int, initial: 0, consumes: [Went], emits: [Came] }).reduce({
    went: (count) => count + 1
  })

const parked = (path: string) => payloads(path, "processor/parked")

describe("errors that the runtime tells of", () => {
  // Each crosses to the other stream, for every event there is.
  const Echo = Processor.make("echo", {
    state: Schema.Int,
    initial: 0,
    consumes: [EventType.any],
    emits: [Came]
  }).reduce({ "*": (count) => count + 1 })
  const echoing = Echo.toLayer({
    afterAppend: {
      "*": ({ offset, streamPath }, { emit }) =>
        emit(Came.make({ n: offset }), { streamPath: streamPath === "/a" ? "/b" : "/a" })
    }
  })

  it.effect("are not answered without end where a chain of causes is too long", () =>
    Effect.gen(function*() {
      yield* append("/a", Went.make({ n: 1 }))
      yield* quiet
      const all = [...(yield* types("/a")), ...(yield* types("/b"))]
      assert.isAtLeast(all.filter((type) => type === "stream/error-occurred").length, 1)
      assert.isBelow(all.length, 60)
    }).pipe(work(echoing, { maxHops: 3, breaker: "off" })))

  it.effect("are not told of again where they do not fit who consumes them", () =>
    Effect.gen(function*() {
      yield* append("/a", { type: "went", payload: { n: "no number" } })
      yield* quiet
      assert.deepStrictEqual(yield* types("/a"), ["went", "stream/error-occurred"])
    }).pipe(work(
      Processor.make("strict", {
        state: Schema.Int,
        initial: 0,
        consumes: [Went, EventType.make(Control.ErrorOccurred.type, Schema.Struct({ code: Schema.Int }))]
      }).reduce({ went: (count) => count, "stream/error-occurred": (count) => count }).toLayer(never)
    )))
})

describe("a state", () => {
  it.effect("that its schema does not read any more is folded anew, without its hooks", () =>
    Effect.gen(function*() {
      yield* Effect.andThen(append("/a", Went.make({ n: 1 }), Went.make({ n: 2 })), quiet).pipe(
        during(counting(1).toLayer({ afterAppend: { went: (_, { emit }) => emit(Came.make({ n: 1 })) } }))
      )
      const other = Processor.make("counting", {
        state: Schema.Struct({ last: Schema.Int }),
        initial: { last: 0 },
        consumes: [Went],
        emits: [Came]
      }).reduce({ went: (_, { payload }) => ({ last: payload.n }) })
      yield* Effect.gen(function*() {
        yield* append("/a", Went.make({ n: 3 }))
        yield* quiet
        assert.deepStrictEqual(yield* stateOf(other, "/a"), { last: 3 })
        assert.lengthOf(yield* payloads("/a", "came"), 3)
      }).pipe(during(other.toLayer({ afterAppend: { went: (_, { emit }) => emit(Came.make({ n: 1 })) } })))
    }).pipe(Effect.provide(TestHost.layerLog())))

  it.effect("that does not fit its own schema parks at the event that made it, and skipping that one helps", () =>
    Effect.gen(function*() {
      yield* append("/a", Went.make({ n: 1 }), Went.make({ n: -50 }), Went.make({ n: 2 }), Went.make({ n: 3 }))
      yield* pass("2 seconds")
      const [first, ...others] = yield* parked("/a")
      assert.deepInclude(first, { name: "positive", offset: 3 })
      assert.lengthOf(others, 0)
      yield* change("positive", "/a", { _tag: "Skip" })
      yield* quiet
      assert.lengthOf(yield* parked("/a"), 1)
      assert.strictEqual(yield* stateOf(positive, "/a"), 6)
    }).pipe(work(Layer.suspend(() => positive.toLayer(never)))))
  const positive = Processor.make("positive", {
    state: Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0))),
    initial: 0,
    consumes: [Went]
  }).reduce({ went: (sum, { payload }) => sum + payload.n })
})

describe("a hook", () => {
  const failing = (hook: () => Effect.Effect<unknown, unknown>) =>
    counting(1).toLayer({ afterAppend: { went: hook } }, { retry: thrice })
  const reason = Effect.gen(function*() {
    yield* append("/a", Went.make({ n: 1 }))
    yield* quiet
    return yield* parked("/a")
  })

  it.effect("that interrupts itself has failed", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* reason, [{
        name: "counting",
        offset: 2,
        error: "Error: The hook interrupted itself"
      }])
    }).pipe(work(failing(() => Effect.interrupt))))

  it.effect("that throws has failed", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* reason, [{ name: "counting", offset: 2, error: "Error: thrown" }])
    }).pipe(work(failing(() => {
      throw new Error("thrown")
    }))))

  it.effect("that fails with plain data is told of in its words", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* reason, [{ name: "counting", offset: 2, error: `{"code":1}` }])
    }).pipe(work(failing(() => Effect.fail({ code: 1 })))))

  it.effect("that emits more than the log takes at once has failed", () =>
    Effect.gen(function*() {
      const [told] = yield* reason
      assert.include(JSON.stringify(told), "at most 1000 events")
    }).pipe(work(counting(1).toLayer({
      afterAppend: { went: (_, { emit }) => Effect.forEach(Array.from({ length: 1_001 }), () => emit(Came.make({ n: 1 }))) }
    }, { retry: thrice }), { breaker: "off" })))
})
