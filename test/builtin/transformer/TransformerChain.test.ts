/** Transformers that feed each other come to an end, however fast or slow they are. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { Jsonata } from "../../../src/builtin/Jsonata.ts"
import { append, pass, payloads, read, types } from "../../processor/Workshop.ts"
import { arrived, configure, numbers, scripted, tick, work } from "./Transforming.ts"

layer(Jsonata.layer)("a transformer", (it) => {
  it.effect("that feeds one which feeds it is stopped by the breaker", () =>
    Effect.gen(function*() {
      yield* append(
        "/s",
        configure("x", "type = 'tick'", "{ 'type': 'tock', 'payload': payload }"),
        configure("y", "type = 'tock'", "{ 'type': 'tick', 'payload': payload }"),
        tick(1)
      )
      const [paused] = yield* arrived("/s", "stream/paused", 1)
      // 20 at once, what the client sent among them, and the one that was too many.
      assert.strictEqual(paused?.offset, 1 + 21 + 1)
    }).pipe(work({ breaker: { capacity: 20, refillPerSecond: 0.001 } })))

  it.effect("that feeds one on another stream which feeds it is stopped by the bound of crossings", () =>
    Effect.gen(function*() {
      yield* append("/b", configure("x", "type = 'tock'", "{ 'type': 'tick', 'payload': payload }", "/a"))
      yield* append("/a", configure("x", "type = 'tick'", "{ 'type': 'tock', 'payload': payload }", "/b"))
      yield* append("/a", tick(1))
      const [error] = yield* arrived("/a", "stream/error-occurred", 1)
      assert.include(JSON.stringify(error?.payload), "cross more than 4 times")
      yield* append("/a", tick(2))
      yield* arrived("/a", "stream/error-occurred", 2)
      assert.deepStrictEqual(yield* numbers("/a", "tick"), [1, 1, 1, 2, 2, 2])
      assert.deepStrictEqual(yield* numbers("/b", "tock"), [1, 1, 2, 2])
    }).pipe(work({ maxHops: 4 })))
})

/** 100 milliseconds a link: the circuit breaker takes no notice of so little. */
layer(scripted("50 millis"))("a slow transformer", (it) => {
  it.effect("that feeds one which feeds it on one stream is stopped by the bound of hops, with one error", () =>
    Effect.gen(function*() {
      const maxHops = 20
      yield* append("/s", configure("x", "tick", "{ \"type\": \"tock\" }"))
      yield* append("/s", configure("y", "tock", "{ \"type\": \"tick\" }"))
      yield* append("/s", tick(1))
      for (let link = 0; link < 2 * maxHops; link++) yield* pass("100 millis")
      yield* pass("1 hour")
      const all = yield* read("/s")
      const hops = all.flatMap(({ cause, type }) => type === "tick" || type === "tock" ? [cause?.hops] : [])
      assert.deepStrictEqual(hops, [undefined, ...Array.from({ length: maxHops + 1 }, (_, i) => i)])
      const errors = yield* payloads("/s", "stream/error-occurred")
      assert.strictEqual(errors.length, 1)
      assert.include(JSON.stringify(errors), "longer than 20 already")
      assert.notInclude(yield* types("/s"), "stream/paused")
    }).pipe(work({ maxHops: 20 })))
})
