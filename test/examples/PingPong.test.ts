import { assert, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as PingPong from "../../src/examples/PingPong.ts"
import { Streams } from "../../src/millstream.ts"
import { Scenario, TestHost } from "../../src/testing.ts"

it.effect("a ping is answered by one pong, on its stream and no other", () =>
  Effect.gen(function*() {
    const streams = yield* Streams
    const host = yield* TestHost
    yield* streams.append("/games/chess", PingPong.Ping.make({ from: "ada" }))
    yield* streams.append("/games/chess", PingPong.Ping.make({ from: "grace" }))
    yield* streams.append("/elsewhere", PingPong.Ping.make({ from: "eve" }))
    yield* host.quiet
    const pongs = yield* Stream.runCollect(streams.tailWithin("/", { types: [PingPong.Pong] }).pipe(Stream.take(2)))
    assert.deepStrictEqual(pongs.map(({ payload }) => payload.to), ["ada", "grace"])
    const { state } = yield* streams.state("/games/chess", { processor: PingPong.PingPong })
    assert.deepStrictEqual(state, { pings: 2 })
    const all = yield* Stream.runCollect(streams.read("/elsewhere"))
    assert.deepStrictEqual(all.map(({ type }) => type), ["stream/initialized", "ping"])
  }).pipe(Effect.provide(PingPong.layer.pipe(Layer.provideMerge(TestHost.layer)))))

it.effect("the same without a log", () =>
  Scenario.make(PingPong.PingPong, PingPong.layer)
    .given(PingPong.Ping.make({ from: "ada" }))
    .when(PingPong.Ping.make({ from: "grace" }))
    .then({ state: { pings: 2 }, emitted: [PingPong.Pong.make({ to: "grace" })] }))
