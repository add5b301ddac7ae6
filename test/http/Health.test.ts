/** `/health` on logs whose readers are held back. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Option } from "effect"
import { Unavailable } from "../../src/domain/StreamError.ts"
import { Directory } from "../../src/log/Directory.ts"
import { Growth } from "../../src/log/Growth.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
import { layerOver, TestServer } from "./TestServer.ts"

const aged = (horizonAge: Effect.Effect<number, Unavailable>) =>
  layerOver(Layer.merge(
    MemoryEventStore.layer.pipe(Layer.provideMerge(Growth.layer)),
    Layer.succeed(Directory, {
      describe: () => Effect.succeed(Option.none()),
      children: () => Effect.succeed([]),
      check: Effect.void,
      horizonAge
    })
  ))

const health = Effect.gen(function*() {
  const { ask } = yield* TestServer
  const { status, text } = yield* ask("/health")
  return { status, text }
})

layer(aged(Effect.succeed(5)))("readers that are held back for a moment", (it) => {
  it.effect("are no warning", () =>
    Effect.map(health, (answer) => assert.deepEqual(answer, { status: 200, text: "{\"status\":\"ok\"}" })))
})

layer(aged(Effect.succeed(61.7)))("readers that are held back", (it) => {
  it.effect("are a warning", () =>
    Effect.map(health, ({ status, text }) => {
      assert.strictEqual(status, 200)
      assert.match(text, /^\{"status":"ok","warnings":\["A write transaction [^"]* for 61 s: [^"]*"\]\}$/)
    }))
})

layer(aged(Effect.fail(new Unavailable({ reason: "No answer", retryAfterSeconds: 1 }))))("an unknown age", (it) => {
  it.effect("is a warning, since appends work", () =>
    Effect.map(health, ({ status, text }) => {
      assert.strictEqual(status, 200)
      assert.include(text, "is unknown: No answer")
    }))
})
