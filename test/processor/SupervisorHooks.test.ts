/** What happens after an append: what its hook sees, and what is recorded of it. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { Paused, Resumed } from "../../src/domain/ControlEvent.ts"
import { EventType } from "../../src/domain/EventType.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
import { Answering, answering, went } from "./Answering.ts"
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
  work
} from "./Workshop.ts"

describe("every event", () => {
  const Audit = Processor.make("audit", {
    state: Schema.Array(Schema.String),
    initial: [],
    consumes: [EventType.any, Went],
    emits: [Came]
  }).reduce({ "*": (seen, { type }) => [...seen, type], went: (seen) => [...seen, "by name"] })

  it.effect("is consumed as `*`, control events too, but those that another key names", () => {
    const hooked: Array<string> = []
    const layer = Audit.toLayer({
      afterAppend: {
        "*": ({ offset, type }) => Effect.sync(() => hooked.push(`${offset} ${type}`)),
        went: (_, { emit }) => emit(Came.make({ n: 1 }), { streamPath: "/elsewhere" })
      }
    }, { streams: "/audited" })
    return Effect.gen(function*() {
      yield* append("/audited", { type: "anything", payload: [] }, went(1), Paused.make({}))
      yield* append("/audited", Resumed.make({}))
      yield* quiet
      assert.deepStrictEqual(hooked, ["1 stream/initialized", "2 anything", "4 stream/paused", "5 stream/resumed"])
      const expected = ["stream/initialized", "anything", "by name", "stream/paused", "stream/resumed"]
      assert.deepStrictEqual(yield* stateOf(Audit, "/audited"), expected)
      assert.deepStrictEqual(yield* numbers("/elsewhere", Came), [1])
    }).pipe(work(layer))
  })

  it.effect("about the processor itself has no hook, only a reducer; one about another has both", () => {
    const hooked: Array<string> = []
    const audit = Audit.toLayer({
      afterAppend: { "*": ({ type }) => Effect.sync(() => hooked.push(type)), went: () => Effect.fail("no") }
    }, { streams: "/s", retry: thrice })
    const other = Answering.toLayer(
      { afterAppend: { went: () => Effect.fail("nor I") } },
      { streams: "/s", retry: thrice }
    )
    return Effect.gen(function*() {
      yield* append("/s", went(1))
      yield* quiet
      yield* change("audit", "/s", { _tag: "Skip" })
      yield* quiet
      const about = (yield* read("/s")).slice(2).map(({ payload, type }) => [type, payload])
      assert.deepStrictEqual(about.map(([type]) => type), ["processor/parked", "processor/parked", "processor/skipped"])
      assert.deepStrictEqual(hooked, ["stream/initialized", "processor/parked"])
      assert.deepStrictEqual(yield* stateOf(Audit, "/s"), [
        "stream/initialized",
        "by name",
        "processor/parked",
        "processor/parked",
        "processor/skipped"
      ])
    }).pipe(work(Layer.merge(audit, other)))
  })
})

describe("a cause", () => {
  const Relay = Processor.make("relay", { state: Schema.Int, initial: 0, consumes: [Went], emits: [Went, Came] })
    .reduce({ went: (seen) => seen + 1 })
  /** Sends what came to `/a` to `/b`, and back, and says on its own stream that it did. */
  const relay = Relay.toLayer({
    afterAppend: {
      went: ({ payload: { n }, streamPath }, { emit }) =>
        Effect.andThen(
          emit(Came.make({ n })),
          emit(Went.make({ n: n + 1 }), { streamPath: streamPath === "/a" ? "/b" : "/a" })
        )
    }
  }, { streams: "/*" })

  it.effect("names the event that an event answers, and how many crossings led to it", () =>
    Effect.gen(function*() {
      yield* append("/a", went(1))
      yield* quiet
      const causes = [...yield* read("/a"), ...yield* read("/b")].flatMap(({ cause, payload, type }) =>
        cause === undefined ? [] : [[type, payload, cause]])
      const processor = "relay"
      const by = (streamPath: string, offset: number, hops: number) => ({ streamPath, offset, processor, hops })
      assert.deepStrictEqual(causes.filter(([type]) => type === "went" || type === "came"), [
        ["came", { n: 1 }, by("/a", 2, 0)],
        ["went", { n: 3 }, by("/b", 2, 2)],
        ["came", { n: 3 }, by("/a", 4, 2)],
        ["went", { n: 2 }, by("/a", 2, 1)],
        ["came", { n: 2 }, by("/b", 2, 1)],
        ["went", { n: 4 }, by("/a", 4, 3)],
        ["came", { n: 4 }, by("/b", 4, 3)]
      ])
    }).pipe(work(relay, { maxHops: 3 })))

  it.effect("with too many crossings drops the event, says so once, and the processor goes on", () =>
    Effect.gen(function*() {
      yield* append("/a", went(1))
      yield* quiet
      assert.deepStrictEqual(yield* payloads("/b", "stream/error-occurred"), [{
        message: "This would be the 4th crossing between streams; at most 3 are allowed",
        source: "processor",
        processor: "relay",
        offset: 4,
        dropped: { streamPath: "/a", type: "went", payload: { n: 5 } }
      }])
      assert.deepStrictEqual(yield* payloads("/a", "stream/error-occurred"), [])
      yield* append("/b", went(10))
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/a", Came), [1, 3, 11, 13])
      assert.deepStrictEqual(yield* numbers("/b", Came), [2, 4, 10, 12])
    }).pipe(work(relay, { maxHops: 3 })))
})

describe("a payload that does not fit", () => {
  const misfit = { type: "went", payload: { n: "many" } }

  it.effect("is passed over, and told of once", () =>
    Effect.gen(function*() {
      yield* append("/s", went(1), misfit, went(2))
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1, 2])
      const [error, ...others] = (yield* read("/s")).filter(({ type }) => type === "stream/error-occurred")
      assert.deepStrictEqual(others, [])
      assert.include(error?.payload, { source: "processor", processor: "answering", offset: 3 })
      assert.match(JSON.stringify(error?.payload), /The payload does not fit went: .*n/)
      assert.strictEqual(error?.cause?.offset, 3)
    }).pipe(work(answering())))

  it.effect("is not told of where it was there before the processor, nor a second time after a restart", () =>
    Effect.gen(function*() {
      yield* append("/old", misfit).pipe(during(Layer.empty))
      for (const n of [1, 2]) {
        yield* Effect.gen(function*() {
          yield* append("/old", went(n))
          yield* append("/s", ...n === 1 ? [misfit] : [])
          yield* quiet
        }).pipe(during(answering()))
      }
      yield* Effect.gen(function*() {
        assert.deepStrictEqual(yield* types("/old"), ["went", "went", "came", "went", "came"])
        assert.deepStrictEqual(yield* types("/s"), ["went", "stream/error-occurred"])
      }).pipe(during(Layer.empty))
    }).pipe(Effect.provide(TestHost.layerLog())))
})

describe("a paused target", () => {
  const Double = Processor.make("double", { state: Schema.Int, initial: 0, consumes: [Went], emits: [Came] })
    .reduce({ went: (n) => n + 1 })

  it.effect("makes the commit wait, all of it, and the hook does not run twice", () => {
    let runs = 0
    const layer = Double.toLayer({
      afterAppend: {
        went: ({ payload: { n } }, { emit }) =>
          Effect.suspend(() => {
            runs += 1
            return Effect.andThen(emit(Came.make({ n })), emit(Came.make({ n: runs }), { streamPath: "/target" }))
          })
      }
    }, { streams: "/s", retry: thrice })
    return Effect.gen(function*() {
      yield* append("/target", Paused.make({}))
      yield* append("/s", went(1))
      yield* append("/s", went(2))
      yield* quiet
      yield* pass("1 hour")
      assert.deepStrictEqual(yield* types("/s"), ["went", "went"])
      assert.deepStrictEqual(yield* types("/target"), ["stream/paused"])
      yield* append("/target", Resumed.make({}))
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1, 2])
      assert.deepStrictEqual(yield* numbers("/target", Came), [1, 2])
      assert.strictEqual(runs, 2)
    }).pipe(work(layer))
  })
})

describe("what a hook emits", () => {
  const Free = Processor.make("free", { state: Schema.Int, initial: 0, consumes: [Went], emits: [Came, Paused] })
    .reduce({ went: (n) => n + 1 })

  it.effect("counts as recorded under a key that is known with the same content, and parks with another", () => {
    const layer = Free.toLayer({
      afterAppend: {
        went: ({ payload: { n } }, { emit }) => emit(Came.make({ n }, { idempotencyKey: n < 10 ? "small" : "large" }))
      }
    }, { streams: "/s", retry: thrice })
    return Effect.gen(function*() {
      yield* append("/s", went(1), went(1), went(10))
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1, 10])
      yield* append("/s", went(2))
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1, 10])
      const [parked] = yield* payloads("/s", "processor/parked")
      assert.include(parked, { name: "free", offset: 7 })
      assert.match(JSON.stringify(parked), /refused what was emitted/)
    }).pipe(work(layer))
  })

  it.effect("that is no path fails the hook, and parks it", () => {
    const layer = Free.toLayer({
      afterAppend: { went: (_, { emit }) => emit(Came.make({ n: 1 }), { streamPath: "no path" }) }
    }, { streams: "/s", retry: thrice })
    return Effect.gen(function*() {
      yield* append("/s", went(1))
      yield* quiet
      assert.deepStrictEqual(yield* types("/s"), ["went", "processor/parked"])
    }).pipe(work(layer))
  })

  it.effect("to a stream that it pauses itself is refused: nobody could resume it in between", () => {
    const layer = Free.toLayer({
      afterAppend: { went: (_, { emit }) => Effect.andThen(emit(Paused.make({})), emit(Came.make({ n: 1 }))) }
    }, { streams: "/s", retry: thrice })
    return Effect.gen(function*() {
      yield* append("/s", went(1))
      yield* quiet
      assert.deepStrictEqual(yield* types("/s"), ["went", "processor/parked"])
    }).pipe(work(layer))
  })

  it.effect("may pause its own stream: then what came before is recorded and what comes after waits", () => {
    const layer = Free.toLayer({
      afterAppend: {
        went: ({ payload: { n } }, { emit }) =>
          Effect.andThen(emit(Came.make({ n })), n === 1 ? emit(Paused.make({ reason: "enough" })) : Effect.void)
      }
    }, { streams: "/s", retry: thrice })
    return Effect.gen(function*() {
      yield* append("/s", went(1), went(2))
      yield* quiet
      assert.deepStrictEqual((yield* types("/s")).at(-1), "stream/paused")
      yield* append("/s", Resumed.make({}))
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [1, 2])
    }).pipe(work(layer))
  })
})
