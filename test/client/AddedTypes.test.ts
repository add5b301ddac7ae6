/** A type that a changed definition consumes elsewhere: what was there before is folded, and runs no hooks. */
import { assert, layer as layered } from "@effect/vitest"
import { Effect, Schedule, Schema } from "effect"
import { Processor } from "../../src/processor/Processor.ts"
import { layer as server, TestServer } from "../http/TestServer.ts"
import { Begun, first, Ping, pingPong, Pong, pongsOn, start, streamsOf } from "./Elsewhere.ts"

const wide = Processor
  .make("added", { version: 2, state: Schema.Int, initial: 0, consumes: [Ping, Begun], emits: [Pong] })
  .reduce({ ping: (count) => count + 1, begun: (count) => count + 1 })
  .toLayer({
    afterAppend: { begun: ({ payload }, { emit, state }) => emit(Pong.make({ to: payload.key, by: String(state) })) }
  }, { streams: "/added/**" })

const options = { excludeTestServices: true, timeout: "30 seconds" } as const

layered(server(), options)("a type added elsewhere", (it) => {
  it.effect("counts from the takeover on", () =>
    Effect.gen(function*() {
      const streams = yield* streamsOf
      const { ask } = yield* TestServer
      yield* start(pingPong("added", "1"))
      yield* streams.append("/added/1", Ping.make({ from: "ada" }))
      yield* first(streams, "/added/1", Pong, 1)
      yield* streams.append("/added/1", Begun.make({ key: "before" }))
      yield* start(wide)
      yield* Effect.repeat(ask("/api/processors"), {
        schedule: Schedule.spaced("5 millis"),
        until: ({ text }) => text.includes(`"version":2`) && !text.includes(`"preparing":[{`)
      })
      yield* streams.append("/added/1", Begun.make({ key: "behind" }))
      yield* first(streams, "/added/1", Pong, 2)
      assert.deepStrictEqual((yield* pongsOn(streams, "/added/1")).to, ["ada", "behind"])
    }))
})
