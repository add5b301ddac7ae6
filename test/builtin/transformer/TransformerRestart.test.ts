/** Each event is transformed once, whatever is reconfigured, interrupted or started again meanwhile. */
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { Jsonata } from "../../../src/builtin/Jsonata.ts"
import { Transformer } from "../../../src/builtin/transformer/Transformer.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import { Streams } from "../../../src/domain/Streams.ts"
import type { Commit } from "../../../src/log/EventStore.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import { TestHost } from "../../../src/testing/TestHost.ts"
import * as TestPostgres from "../../TestPostgres.ts"
import { append, pass, stateOf, written } from "../../processor/Workshop.ts"
import { arrived, configure, during, numbers, numbersOf, remove, tick, ticks, work } from "./Transforming.ts"

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)
const tock = "{ 'type': 'tock', 'payload': payload }"

/** How far the one called x has come, as it is written. */
const cursorOf = Effect.map(written("transformer", "/s"), (row) => row?.cursors.map(({ key, value }) => [key, value]))

/** On a log in memory that outlives it. */
layer(Jsonata.layer)("a transformer", (it) => {
  it.effect("that is configured again goes on from where it was", () =>
    Effect.gen(function*() {
      yield* append("/s", configure("x", "type = 'tick' and payload.n < 3", tock), ...ticks(1, 4))
      yield* arrived("/s", "tock", 2)
      // Its cursor passes what does not match, though a little later.
      yield* pass("1 second")
      yield* append("/s", configure("x", "type = 'tick'", "{ 'type': 'tock', 'payload': { 'n': payload.n * 10 } }"))
      yield* append("/s", ...ticks(5, 6))
      assert.deepStrictEqual(numbersOf(yield* arrived("/s", "tock", 4)), [1, 2, 50, 60])
      // Said again it is the same: it would have to begin anew otherwise.
      yield* append("/s", configure("x", "type = 'tick'", "{ 'type': 'tock', 'payload': { 'n': payload.n * 10 } }"))
      yield* append("/s", tick(7))
      assert.deepStrictEqual(numbersOf(yield* arrived("/s", "tock", 5)), [1, 2, 50, 60, 70])
    }).pipe(work()))

  it.effect("that is removed sees nothing any more, and configured anew what comes after", () =>
    Effect.gen(function*() {
      yield* append("/s", configure("x", "type = 'tick'", tock), configure("y", "type = 'tick'", "{ 'type': 'seen' }"))
      yield* append("/s", tick(1))
      yield* arrived("/s", "tock", 1)
      yield* append("/s", remove("x"))
      yield* append("/s", tick(2))
      yield* arrived("/s", "seen", 2)
      yield* append("/s", configure("x", "type = 'tick'", tock), tick(3))
      assert.deepStrictEqual(numbersOf(yield* arrived("/s", "tock", 2)), [1, 3])
    }).pipe(work()))

  it.effect("moves its cursor past what does not match once a second, and with what it appends", () =>
    Effect.gen(function*() {
      const seen = configure("y", "type = 'tick'", "{ 'type': 'seen' }", "/y")
      yield* append("/s", configure("x", "payload.n = 9", tock), seen)
      for (let n = 1; n <= 5; n++) {
        yield* append("/s", tick(n))
        yield* arrived("/y", "seen", n)
      }
      assert.deepStrictEqual(yield* cursorOf, [["y", "{\"at\":8}"]])
      // Whether the other one has judged the last event by the first second's end, nothing tells.
      yield* Effect.repeat(Effect.andThen(pass("1 second"), cursorOf), {
        until: (cursors) => cursors?.some(([name, value]) => name === "x" && value === "{\"at\":8}") === true
      })
      assert.sameDeepMembers([...(yield* cursorOf) ?? []], [["x", "{\"at\":8}"], ["y", "{\"at\":8}"]])
      yield* append("/s", tick(9))
      yield* arrived("/s", "tock", 1)
      yield* arrived("/y", "seen", 6)
      assert.sameDeepMembers([...(yield* cursorOf) ?? []], [["x", "{\"at\":9}"], ["y", "{\"at\":9}"]])
    }).pipe(work()))

  it.effect("goes on after a restart, with what came meanwhile", () =>
    Effect.gen(function*() {
      yield* Effect.gen(function*() {
        yield* append("/s", configure("x", "type = 'tick'", tock, "/t"), ...ticks(1, 3))
        yield* arrived("/t", "tock", 3)
      }).pipe(during)
      const store = yield* EventStore
      yield* store.append({
        path: StreamPath.make("/s"),
        events: range(4, 9).map((n) => ({ type: "tick", payload: JSON.stringify({ n }) }))
      })
      yield* Effect.gen(function*() {
        assert.deepStrictEqual(numbersOf(yield* arrived("/t", "tock", 9)), range(1, 9))
        yield* append("/s", tick(10))
        assert.deepStrictEqual(numbersOf(yield* arrived("/t", "tock", 10)), range(1, 10))
      }).pipe(during)
    }).pipe(Effect.provide(TestHost.layerLog({ breaker: "off" }))))

  it.effect("that is stopped between any two commits records each event once, in order", () =>
    Effect.gen(function*() {
      const count = 40
      yield* Effect.gen(function*() {
        const twice = "[1..2].{ 'type': 'tock', 'payload': { 'n': $$.payload.n * 10 + $ } }"
        yield* append("/s", configure("x", "type = 'tick'", twice))
        yield* append("/s", ...ticks(1, count))
      }).pipe(during)
      for (let made = 2; made <= 2 * count; made += 2) yield* during(arrived("/s", "tock", made))
      const expected = range(1, count).flatMap((n) => [10 * n + 1, 10 * n + 2])
      const all = yield* during(Effect.andThen(append("/s", tick(0)), Effect.andThen(
        arrived("/s", "tock", 2 * count + 2),
        numbers("/s", "tock")
      )))
      assert.deepStrictEqual(all, [...expected, 1, 2])
    }).pipe(Effect.provide(TestHost.layerLog({ breaker: "off" }))))

  it.effect("that is interrupted while its events are being recorded does not record them again", () =>
    Effect.gen(function*() {
      const submitted = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      // The log takes its time over the second one; the transformer is configured anew meanwhile.
      const isSecond = ({ appends }: Commit) =>
        appends.some(({ events }) => events.some(({ payload, type }) => type === "tock" && payload.includes("2")))
      const wait = Effect.andThen(Deferred.succeed(submitted, undefined), Deferred.await(go))
      const slow = Layer.effect(EventStore, Effect.map(EventStore, (store) =>
        EventStore.of({
          ...store,
          commit: (commit) => Effect.andThen(isSecond(commit) ? wait : Effect.void, store.commit(commit))
        })))
      yield* Effect.gen(function*() {
        yield* append("/s", configure("x", "type = 'tick'", tock), ...ticks(1, 3))
        yield* Deferred.await(submitted)
        const configured = yield* Effect.forkChild(append("/s", configure("x", "type = 'tick' and true", tock)))
        yield* Fiber.join(configured)
        yield* Deferred.succeed(go, undefined)
        yield* arrived("/s", "tock", 3)
        yield* append("/s", tick(4))
        yield* arrived("/s", "tock", 4)
        assert.deepStrictEqual(yield* numbers("/s", "tock"), [1, 2, 3, 4])
      }).pipe(during, Effect.provide(Layer.provideMerge(slow, TestHost.layerLog({ breaker: "off" }))))
    }))

  it.effect("begins anew with its stream", () =>
    Effect.gen(function*() {
      const streams = yield* Streams
      yield* append("/s", configure("x", "type = 'tick'", tock), tick(1))
      yield* arrived("/s", "tock", 1)
      yield* streams.delete("/s")
      yield* append("/s", tick(2))
      yield* append("/s", configure("x", "type = 'tick'", tock), tick(3))
      assert.deepStrictEqual(numbersOf(yield* arrived("/s", "tock", 1)), [3])
      assert.deepStrictEqual(yield* stateOf(Transformer, "/s"), {
        transformers: { x: { matcher: "type = 'tick'", transform: tock, since: 7 } }
      })
    }).pipe(work()))
})

layer(Layer.merge(Jsonata.layer, TestPostgres.log), { excludeTestServices: true, timeout: "60 seconds" })(
  "a transformer on Postgres",
  (it) => {
    it.effect("that is stopped again and again records each event once, in order", () =>
      Effect.gen(function*() {
        const count = 60
        yield* append("/s", configure("x", "type = 'tick'", tock, "/t"), ...ticks(1, count)).pipe(during)
        for (let made = 1; made < count; made += 7) yield* during(arrived("/t", "tock", made))
        const all = yield* during(Effect.andThen(append("/s", tick(count + 1)), arrived("/t", "tock", count + 1)))
        assert.deepStrictEqual(numbersOf(all), range(1, count + 1))
        assert.deepStrictEqual(yield* during(numbers("/t", "tock")), range(1, count + 1))
      }))
  }
)
