/** What is made up for at a pace, so that no breaker trips; and what found no room, told of once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Paused, Resumed } from "../../../src/domain/ControlEvent.ts"
import { Streams } from "../../../src/domain/Streams.ts"
import { TestHost } from "../../../src/testing/TestHost.ts"
import { append, during, pass, payloads, quiet, read, types } from "../../processor/Workshop.ts"
import { configured, layer, nobodyFor, on, other, secondsOf, words } from "./Scheduling.ts"

const pausedOn = (path: string) =>
  Effect.map(types(path), (all) => all.filter((type) => type === "stream/paused").length)

describe("what was missed", () => {
  it.effect("is made up for on its own stream without its breaker, beside what is due meanwhile", () =>
    on(Effect.gen(function*() {
      yield* append("/s", configured("x", { every: 100 }, { catchUp: "all" }), Paused.make({}))
      yield* pass("40 seconds")
      yield* append("/s", Resumed.make({}))
      for (let i = 0; i < 150; i++) yield* pass("100 millis")
      assert.strictEqual(yield* pausedOn("/s"), 1)
      const all = yield* words("/s")
      assert.deepStrictEqual(all, Array.from({ length: 550 }, (_, i) => `${(i + 1) / 10} appended`))
      const perSecond = Map.groupBy(yield* secondsOf("/s", "x"), Math.floor)
      for (const [second, found] of perSecond) assert.isAtMost(found.length, 110, `${second}`)
    })))

  it.effect("by many schedules goes at the pace of the stream that they share", () =>
    on(Effect.gen(function*() {
      const every = { every: "1 hour" }
      const many = Array.from({ length: 300 }, (_, i) => configured(`s${i}`, every, { to: other }, { type: "x" }))
      for (let i = 0; i < 300; i += 50) {
        yield* append("/s", ...many.slice(i, i + 50))
        yield* pass("1 second")
      }
      yield* append("/s", Paused.make({}))
      yield* pass("90 minutes")
      yield* append("/s", Resumed.make({}))
      for (let i = 0; i < 80; i++) yield* pass("100 millis")
      assert.deepStrictEqual([yield* pausedOn("/other"), (yield* secondsOf("/other", "x")).length], [0, 300])
    })))

  it.effect("goes at half of what the stream lets through that configured its breaker, and at once without one", () =>
    on(Effect.gen(function*() {
      const slow = { enabled: true, capacity: 10, refillPerSecond: 10 }
      yield* append("/slow", { type: "stream/circuit-breaker-configured", payload: slow })
      yield* append("/free", { type: "stream/circuit-breaker-configured", payload: { enabled: false } })
      const missed = configured("x", { every: "1 second" }, { catchUp: "all" })
      for (const path of ["/slow", "/free"]) yield* append(path, missed, Paused.make({}))
      yield* pass("60 seconds")
      for (const path of ["/slow", "/free"]) yield* append(path, Resumed.make({}))
      yield* quiet
      assert.lengthOf(yield* secondsOf("/free", "x"), 60)
      assert.lengthOf(yield* secondsOf("/slow", "x"), 5)
      for (let i = 0; i < 160; i++) yield* pass("100 millis")
      assert.deepStrictEqual([yield* pausedOn("/slow"), (yield* secondsOf("/slow", "x")).length], [1, 76])
    })))

  it.effect("and waited for its paused stream comes at that pace too", () =>
    on(Effect.gen(function*() {
      yield* append("/other", Paused.make({}))
      const more = { to: other, overlap: "allow" } as const
      const many = [1, 2, 3].map((i) => configured(`s${i}`, { every: 100 }, more, { type: "x" }))
      yield* append("/s", ...many)
      for (let i = 0; i < 90; i++) yield* pass("100 millis")
      yield* append("/other", Resumed.make({}))
      for (let i = 0; i < 120; i++) yield* pass("100 millis")
      assert.strictEqual(yield* pausedOn("/other"), 1)
      const all = yield* words("/s")
      assert.lengthOf(all.filter((word) => word.endsWith("appended")), (yield* secondsOf("/other", "x")).length)
      assert.isAtLeast(all.filter((word) => word.endsWith("appended")).length, 600)
    })))

  it.effect("is a thousand events at most", () =>
    on(Effect.gen(function*() {
      yield* append("/s", configured("a", { every: "1 second" }, { catchUp: "all", to: other }))
      yield* append("/s", { type: "stream/paused" })
      yield* pass("3000500 millis")
      yield* append("/other", { type: "stream/circuit-breaker-configured", payload: { enabled: false } })
      yield* append("/s", Resumed.make({}))
      yield* quiet
      const seconds = yield* words("/s")
      assert.deepStrictEqual([seconds.length, seconds[0], seconds[1]], [
        1_001, "2000 skipped, missed 1999", "2001 appended"
      ])
      assert.lengthOf(yield* secondsOf("/other", "a"), 1_000)
    })))

  it.effect("goes on where it stood when its stream was paused in the middle of it", () =>
    Effect.gen(function*() {
      const missed = { catchUp: "all" } as const
      yield* append("/s", configured("a", { every: "1 second" }, missed), configured("b", { every: "1 second" }, missed))
        .pipe(during(Layer.empty))
      yield* nobodyFor("150 seconds")
      yield* during(layer)(Effect.gen(function*() {
        yield* quiet
        for (let i = 0; i < 20; i++) {
          const { paused } = yield* Effect.flatMap(Streams, (streams) => streams.state("/s"))
          yield* append("/s", paused === null || paused === undefined ? Paused.make({}) : Resumed.make({}))
          yield* pass("500 millis")
        }
        const all = yield* words("/s")
        assert.deepStrictEqual(new Set(all.map((word) => word.replace(/.* /, ""))), new Set(["appended"]))
        for (const slug of ["a", "b"]) {
          const own = (yield* read("/s")).flatMap(({ idempotencyKey, type }) => type === slug ? [idempotencyKey] : [])
          assert.deepStrictEqual([own.length, new Set(own).size > 100], [new Set(own).size, true])
        }
      }))
    }).pipe(Effect.provide(TestHost.layerLog())))
})

it.effect("what finds no room is told of, once, by name", () =>
  Effect.gen(function*() {
    const large = (slug: string) =>
      configured(slug, { after: "1 hour" }, {}, { type: slug, payload: "x".repeat(900_000) })
    yield* during(layer)(Effect.gen(function*() {
      yield* append("/s", ...["a", "b", "c", "d"].map(large))
      yield* append("/s", large("e"), large("f"))
      yield* quiet
    }))
    yield* during(layer)(Effect.gen(function*() {
      yield* quiet
      const [told, ...more] = yield* payloads("/s", "stream/error-occurred")
      assert.deepStrictEqual(more, [])
      assert.deepStrictEqual(told, {
        message: "A stream has at most 10000 schedules, of 4194304 bytes together: these are not kept. " +
          "Cancel others first, or use another stream",
        source: "schedule", slug: "f", configured: 7, count: 2, slugs: ["e", "f"]
      })
      yield* append("/s", large("g"))
      yield* pass("30 seconds")
      yield* append("/s", large("h"))
      yield* pass("29 seconds")
      assert.lengthOf(yield* payloads("/s", "stream/error-occurred"), 1)
      yield* pass("1 second")
      yield* pass("10 minutes")
      const [, second, ...none] = yield* payloads("/s", "stream/error-occurred")
      assert.deepStrictEqual(none, [])
      assert.include(JSON.stringify(second), "\"count\":2,\"slugs\":[\"g\",\"h\"]")
    }))
  }).pipe(Effect.provide(TestHost.layerLog())))
