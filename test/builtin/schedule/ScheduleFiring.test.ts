/** Schedules at work on a log: each due time once, by its policies, whoever is restarted. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { Schedule } from "../../../src/builtin/schedule/Schedule.ts"
import { Paused, Resumed } from "../../../src/domain/ControlEvent.ts"
import { ScheduleCancelled } from "../../../src/domain/Schedule.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import { Streams } from "../../../src/domain/Streams.ts"
import { TestHost } from "../../../src/testing/TestHost.ts"
import { Mortal } from "../../processor/Mortal.ts"
import { append, during, pass, quiet, read, stateOf, types } from "../../processor/Workshop.ts"
import type { More } from "./Scheduling.ts"
import { configured, layer, nobodyFor, on, other, secondsOf, words } from "./Scheduling.ts"

describe("a schedule", () => {
  it.effect("fires at its time, once, with its keys and its cause", () =>
    on(Effect.gen(function*() {
      const [, asked] = yield* append("/s", { type: "hello" }, configured("tea", { after: "90 seconds" }, {}, {
        type: "tea/ready", payload: { cups: 2 }, metadata: { by: "clock" }
      }))
      yield* pass("89999 millis")
      assert.deepStrictEqual(yield* types("/s"), ["hello", "schedule/configured"])
      yield* pass("1 millis")
      yield* pass("1 hour")
      const [event, fired, ...more] = (yield* read("/s")).slice(3)
      assert.deepStrictEqual(more, [])
      assert.deepStrictEqual(
        [event?.type, event?.payload, event?.metadata, event?.idempotencyKey, event?.cause],
        ["tea/ready", { cups: 2 }, { by: "clock" }, "schedule/tea/1970-01-01T00:01:30.000Z", {
          streamPath: "/s", offset: asked?.offset, processor: "schedule", hops: 0
        }]
      )
      assert.deepStrictEqual(fired?.payload, {
        slug: "tea", configured: 3, due: "1970-01-01T00:01:30.000Z", outcome: "appended"
      })
      assert.deepStrictEqual(yield* stateOf(Schedule, "/s"), { schedules: [] })
    })))

  it.effect("again and again, on another stream, which leads back to its configuration", () =>
    on(Effect.gen(function*() {
      yield* append("/s", configured("beat", { every: 400 }, { to: other }))
      yield* pass("1 second")
      yield* pass("1 second")
      assert.deepStrictEqual(yield* secondsOf("/other", "beat"), [0.4, 0.8, 1.2, 1.6, 2])
      assert.deepStrictEqual(yield* words("/s"), [0.4, 0.8, 1.2, 1.6, 2].map((second) => `${second} appended`))
      const streams = yield* Streams
      const causes = yield* streams.causes("/other", 3)
      assert.deepStrictEqual(causes.map(({ type }) => type), ["schedule/configured", "beat"])
    })))

  it.effect("at a time that is past fires at once, whatever its policy", () =>
    on(Effect.gen(function*() {
      yield* pass("1 hour")
      const past = { at: (yield* (yield* Streams).append("/s", { type: "x" })).createdAt }
      yield* pass("1 hour")
      for (const catchUp of ["latest", "all", "none"] as const) {
        yield* append("/s", configured(catchUp, past, { catchUp }))
      }
      yield* quiet
      assert.deepStrictEqual(yield* words("/s"), ["3600 appended", "3600 appended", "3600 appended"])
      // Again: its event is there already, and that is told.
      yield* append("/s", configured("all", past, { catchUp: "all" }))
      yield* pass("1 minute")
      assert.deepStrictEqual(yield* secondsOf("/s", "all"), [7_200])
      assert.lengthOf(yield* words("/s"), 4)
    })))

  it.effect("by a cron expression in a time zone", () =>
    on(Effect.gen(function*() {
      yield* append("/s", configured("morning", { cron: "30 8 * * *", timezone: "Europe/Berlin" }))
      yield* pass("32 hours")
      assert.deepStrictEqual(yield* words("/s"), ["27000 appended", "113400 appended"])
    })))

  it.effect("replaced it fires as it is now; cancelled not at all", () =>
    on(Effect.gen(function*() {
      yield* append("/s", configured("a", { every: "10 seconds" }), configured("b", { every: "10 seconds" }))
      yield* pass("10 seconds")
      yield* pass("5 seconds")
      yield* append("/s", configured("a", { every: "7 seconds" }), ScheduleCancelled.make({ slug: "b" }))
      for (let i = 0; i < 14; i++) yield* pass("1 second")
      assert.deepStrictEqual(yield* secondsOf("/s", "a"), [10, 22, 29])
      assert.deepStrictEqual(yield* secondsOf("/s", "b"), [10])
    })))

  it.effect("many at once, and at many times, fire each", () =>
    on(Effect.gen(function*() {
      const at = (i: number) => ({ after: 1_000 + Math.floor(i / 100) * 100 })
      const to = (i: number) => StreamPath.make(`/t/${i % 50}`)
      const many = Array.from({ length: 300 }, (_, i) => configured(`s${i}`, at(i), { to: to(i) }))
      for (let i = 0; i < 300; i += 50) {
        yield* append(`/s/${i}`, ...many.slice(i, i + 50))
        yield* pass("10 millis")
      }
      for (let i = 0; i < 20; i++) yield* pass("100 millis")
      const counts = yield* Effect.forEach(Array.from({ length: 50 }, (_, i) => `/t/${i}`), types)
      assert.deepStrictEqual(counts.flat().toSorted(), many.map((_, i) => `s${i}`).toSorted())
    })))
})

describe("what it can not append", () => {
  it.effect("is told of, and it goes on", () =>
    on(Effect.gen(function*() {
      const key = "schedule/a/1970-01-01T00:00:10.000Z"
      yield* append("/s", configured("a", { every: "10 seconds" }), { type: "mine", idempotencyKey: key })
      yield* pass("10 seconds")
      yield* pass("10 seconds")
      assert.deepStrictEqual(yield* words("/s"), ["10 refused", "20 appended"])
      const [refusal] = (yield* read("/s")).filter(({ type }) => type === "schedule/fired")
      assert.include(JSON.stringify(refusal?.payload), "is at offset 3 with another content")
    })))
})

describe("times that were missed", () => {
  const absent = (more: More, wanted: ReadonlyArray<string>, events: ReadonlyArray<number>) =>
    Effect.gen(function*() {
      yield* during(layer)(Effect.gen(function*() {
        yield* append("/s", configured("a", { every: "1 minute" }, more))
        yield* pass("1 minute")
      }))
      yield* nobodyFor("200 seconds")
      yield* during(layer)(Effect.gen(function*() {
        yield* quiet
        assert.deepStrictEqual(yield* words("/s"), ["60 appended", ...wanted])
        assert.deepStrictEqual(yield* secondsOf("/s", "a"), [60, ...events])
        yield* pass("40 seconds")
        assert.deepStrictEqual((yield* words("/s")).at(-1), "300 appended")
      }))
    }).pipe(Effect.provide(TestHost.layerLog()))

  it.effect("latest: the last is made up for", () => absent({}, ["240 appended, missed 2"], [260]))
  it.effect("all: each is", () =>
    absent({ catchUp: "all" }, ["120 appended", "180 appended", "240 appended"], [260, 260, 260]))
  it.effect("none: that is said", () => absent({ catchUp: "none" }, ["240 skipped, missed 2"], []))
})

describe("a paused stream", () => {
  it.effect("of its own waits, and the policy holds when it is resumed", () =>
    on(Effect.gen(function*() {
      yield* append("/s", configured("a", { every: "10 seconds" }, { catchUp: "none" }), Paused.make({}))
      yield* pass("25 seconds")
      yield* pass("1 second")
      assert.deepStrictEqual(yield* words("/s"), [])
      yield* append("/s", Resumed.make({}))
      yield* pass("4 seconds")
      assert.deepStrictEqual(yield* words("/s"), ["20 skipped, missed 1", "30 appended"])
    })))

  it.effect("that it goes to is waited for; the next times are left out", () =>
    on(Effect.gen(function*() {
      yield* append("/other", Paused.make({}))
      const every = { every: "10 seconds" }
      yield* append("/s", configured("a", every, { to: other }), configured("b", every))
      for (let i = 0; i < 35; i++) yield* pass("1 second")
      assert.deepStrictEqual((yield* words("/s")).toSorted(), [
        "10 appended", "10 waiting", "20 appended", "20 skipped", "30 appended", "30 skipped"
      ])
      yield* append("/other", Resumed.make({}))
      for (let i = 0; i < 15; i++) yield* pass("1 second")
      assert.deepStrictEqual((yield* words("/s")).toSorted().filter((word) => !/[23]0/.test(word)), [
        "10 appended", "10 appended", "10 waiting", "40 appended", "40 appended", "50 appended", "50 appended"
      ])
      assert.lengthOf(yield* secondsOf("/other", "a"), 3)
      assert.deepStrictEqual((yield* stateOf(Schedule, "/s")).schedules.map(({ waiting }) => waiting), [[], []])
    })))

  it.effect("that it goes to gets each event, in order, where overlap is allowed", () =>
    on(Effect.gen(function*() {
      yield* append("/other", Paused.make({}))
      yield* append("/s", configured("a", { every: "10 seconds" }, { to: other, overlap: "allow" }))
      for (let i = 0; i < 4; i++) yield* pass("10 seconds")
      yield* append("/other", Resumed.make({}))
      yield* pass("9 seconds")
      const keys = (yield* read("/other")).flatMap(({ idempotencyKey }) => idempotencyKey?.slice(-51, -49) ?? [])
      assert.deepStrictEqual(keys, ["10", "20", "30", "40"])
      yield* pass("1 second")
      assert.deepStrictEqual((yield* words("/s")).at(-1), "50 appended")
    })))

  it.effect("what waits for it goes with a cancellation", () =>
    on(Effect.gen(function*() {
      yield* append("/other", Paused.make({}))
      yield* append("/s", configured("a", { after: "1 second" }, { to: other }))
      yield* pass("2 seconds")
      yield* append("/s", ScheduleCancelled.make({ slug: "a" }))
      yield* append("/other", Resumed.make({}))
      yield* pass("1 minute")
      assert.deepStrictEqual([yield* words("/s"), yield* secondsOf("/other", "a")], [["1 waiting"], []])
    })))
})

it.effect("a stream that is deleted takes its schedules with it", () =>
  on(Effect.gen(function*() {
    const streams = yield* Streams
    yield* append("/s", configured("a", { every: "1 second" }, { to: other }))
    yield* pass("1 second")
    yield* streams.delete("/s")
    yield* pass("1 minute")
    assert.deepStrictEqual(yield* secondsOf("/other", "a"), [1])
    assert.isFalse((yield* streams.children("/")).some(({ path }) => path === "/s"))
  })))

describe("a server that is killed", () => {
  const steps = ["before append", "after append", "before checkpoint", "after checkpoint", "before read", "after read"]
  for (const step of steps) {
    for (const turn of [1, 2, 3]) {
      it.effect(`${step}, the ${turn}. time: each due time is met once`, () =>
        Effect.gen(function*() {
          const mortal = new Mortal(step, turn)
          yield* mortal.live(layer)
          yield* Effect.gen(function*() {
            yield* append("/other", Paused.make({}))
            yield* append(
              "/s",
              configured("a", { every: "2 seconds" }, { catchUp: "all" }),
              configured("b", { every: "3 seconds" }, { catchUp: "all", to: StreamPath.make("/third") }),
              configured("c", { after: "2 seconds" }, { to: other })
            )
            for (let i = 0; i < 8; i++) yield* pass("500 millis")
          }).pipe(during(Layer.empty))
          yield* Effect.gen(function*() {
            mortal.isDead = true
            // It does not give its lease back.
            yield* Effect.andThen(TestClock.adjust("10 seconds"), quiet)
            yield* append("/other", Resumed.make({}))
            for (let i = 0; i < 40; i++) yield* pass("500 millis")
            const now = (yield* Clock.currentTimeMillis) / 1_000
            const dues = (period: number) => Array.from({ length: Math.floor(now / period) }, (_, i) => (i + 1) * period)
            const keys = (path: string, slug: string) =>
              Effect.map(read(path), (events) =>
                events.flatMap(({ idempotencyKey: key = "", type }) =>
                  type === slug ? [Date.parse(key.slice(11, 35)) / 1_000] : []))
            assert.deepStrictEqual(yield* keys("/s", "a"), dues(2))
            assert.deepStrictEqual(yield* keys("/third", "b"), dues(3))
            assert.deepStrictEqual(yield* keys("/other", "c"), [2])
            const all = (yield* words("/s")).filter((word) => !word.endsWith("waiting"))
            assert.lengthOf(all, dues(2).length + dues(3).length + 1)
          }).pipe(during(layer))
        }).pipe(Effect.provide(TestHost.layerLog())))
    }
  }

  it.effect("two servers meet each time once between them", () =>
    Effect.gen(function*() {
      const [first, second] = [new Mortal("never"), new Mortal("never")]
      yield* first.live(layer)
      yield* second.live(layer)
      yield* Effect.gen(function*() {
        yield* append("/s", configured("a", { every: "2 seconds" }, { catchUp: "all" }))
        for (let i = 0; i < 20; i++) yield* pass("1 second")
        first.isDead = true
        for (let i = 0; i < 20; i++) yield* pass("1 second")
        assert.lengthOf(yield* words("/s"), 20)
        assert.lengthOf(yield* secondsOf("/s", "a"), 20)
      }).pipe(during(Layer.empty))
    }).pipe(Effect.provide(TestHost.layerLog())))
})
