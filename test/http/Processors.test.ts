/** What is told of processors over HTTP: how they fare, what they were, and what is done to one that is parked. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Ref, Schema, Stream } from "effect"
import {
  InstanceState,
  InstanceSummary,
  PastState,
  PastStream,
  ProcessorSummary,
  StatePatch,
  StreamWithProcessors
} from "../../src/domain/ProcessorState.ts"
import { Streams } from "../../src/domain/Streams.ts"
import { TypeDescription, TypeSummary } from "../../src/api/SystemApi.ts"
import * as ControlEvent from "../../src/domain/ControlEvent.ts"
import * as Client from "../../src/client/Client.ts"
import { Processor } from "../../src/processor/Processor.ts"
import * as ProcessorStreams from "../../src/processor/ProcessorStreams.ts"
import * as Fuse from "../processor/Fuse.ts"
import { isBroken, Lit, Noted } from "../processor/Fuse.ts"
import * as PingPong from "../../src/examples/PingPong.ts"
import { ask, json, problem } from "./Asked.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { layer as server, layerOver, TestServer } from "./TestServer.ts"

const over = <E>(server: Layer.Layer<Layer.Success<typeof memory>, E>) =>
  Layer.merge(PingPong.layer, Fuse.layer).pipe(
    Layer.provideMerge(ProcessorStreams.layer({ breaker: "off" })),
    Layer.provideMerge(server)
  )

const memory = server()
const postgres = Layer.unwrap(Effect.map(Layer.build(TestPostgres.log), (log) => layerOver(Layer.succeedContext(log))))

/** Waits for an event of a type on a stream. */
const first = (path: string, type: string) =>
  Effect.flatMap(Streams, (streams) =>
    streams.tail(path).pipe(
      Stream.filter((event) => event.type === type),
      Stream.runHead,
      Effect.flatMap(Effect.fromOption)
    ))

const state = (path: string, query: string) => json(InstanceState, `/api/state${path}?${query}`)

const suite = <E>(name: string, server: Layer.Layer<Layer.Success<typeof memory>, E>) =>
  layer(over(server), { excludeTestServices: true, timeout: "30 seconds" })(`processors over ${name}`, (it) => {
    it.effect("are told of with their stream, and wait for what has not been folded", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const ping = yield* streams.append("/games/1", PingPong.Ping.make({ from: "ada" }))
        const one = yield* state("/games/1", `processor=ping-pong&atLeast=${ping.offset}`)
        const status = "caught-up" as const
        assert.deepInclude(one, { version: 1, status, lag: 0, state: { pings: 1 }, fibers: [], cursors: [] })
        const stream = yield* json(StreamWithProcessors, "/api/state/games/1")
        assert.strictEqual(stream.path, "/games/1")
        assert.deepStrictEqual(Object.keys(stream.processors), ["ping-pong"])
        assert.deepStrictEqual(stream.processors["ping-pong"]?.state, { pings: 1 })
        // What it does not consume puts it no step behind.
        const other = yield* streams.append("/games/1", { type: "other" })
        const still = yield* state("/games/1", `processor=ping-pong&atLeast=${other.offset}`)
        assert.deepStrictEqual([still.lag, still.status, still.offset >= other.offset], [0, "caught-up", true])
      }))

    it.effect("are told of before their first event", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const { offset } = yield* streams.append("/games/quiet", { type: "other" })
        const quiet = yield* state("/games/quiet", `processor=ping-pong&atLeast=${offset}`)
        assert.deepStrictEqual([quiet.state, quiet.status, quiet.lag], [{ pings: 0 }, "caught-up", 0])
        yield* streams.append("/elsewhere", { type: "other" })
        const cases = [
          ["/elsewhere?processor=ping-pong", "/games/**"],
          ["/elsewhere?processor=ping-pnog", "Did you mean ping-pong?"],
          ["/games/never?processor=ping-pong", "/games/never was never written to"]
        ] as const
        for (const [path, part] of cases) {
          const { error, status } = yield* problem(`/api/state${path}`)
          assert.deepStrictEqual([status, error._tag], [404, "NotFound"])
          assert.include(error.message, part)
        }
      }))

    it.effect("are folded as of any offset, and compared between two", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        yield* streams.append("/games/past", PingPong.Ping.make({ from: "ada" }))
        yield* streams.append("/games/past", { type: "ping", payload: "not what a ping is" })
        const { offset } = yield* streams.append("/games/past", PingPong.Ping.make({ from: "grace" }))
        const at = (offset: number) => json(PastState, `/api/state/games/past?processor=ping-pong&at=${offset}`)
        assert.deepStrictEqual((yield* at(0)).state, { pings: 0 })
        assert.deepStrictEqual((yield* at(2)).state, { pings: 1 })
        assert.deepStrictEqual((yield* at(offset)).state, { pings: 2 })
        yield* state("/games/past", `processor=ping-pong&atLeast=${offset}`)
        const all = yield* json(PastStream, "/api/state/games/past?at=2")
        assert.deepStrictEqual([all.path, all.processors["ping-pong"]?.state], ["/games/past", { pings: 1 }])
        const patches = yield* json(
          Schema.Array(StatePatch),
          `/api/state/games/past?processor=ping-pong&from=0&to=${offset}`
        )
        const changed = patches.filter(({ patch }) => patch.length > 0)
        assert.deepStrictEqual(changed.map(({ offset, patch }) => [Number(offset), patch]), [
          [2, [{ op: "replace", path: "/pings", value: 1 }]],
          [offset, [{ op: "replace", path: "/pings", value: 2 }]]
        ])
      }))

    it.effect("are asked one thing at a time", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        yield* streams.append("/games/asked", PingPong.Ping.make({ from: "ada" }))
        const wrong = [
          "atLeast=2",
          "from=1&to=2",
          "processor=ping-pong&from=1",
          "processor=ping-pong&at=1&atLeast=1",
          "processor=ping-pong&at=1&from=1&to=2",
          "processor=ping-pong&from=2&to=1",
          "processor=ping-pong&from=0&to=1001",
          "processor=",
          "at=x"
        ]
        for (const query of wrong) {
          const { error, status } = yield* problem(`/api/state/games/asked?${query}`)
          assert.deepStrictEqual([status, error._tag], [400, "InvalidRequest"], query)
        }
      }))

    it.effect("park, and go on at a person's word", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        yield* Ref.set(isBroken, true)
        const { offset } = yield* streams.append("/fuses/1", Lit.make({ id: "long" }))
        yield* first("/fuses/1", ControlEvent.ProcessorParked.type)
        const parked = yield* state("/fuses/1", "processor=fuse")
        assert.deepStrictEqual([parked.status, parked.parked?.offset], ["parked", offset])
        assert.include(parked.parked?.error, "out of matches")
        const { error, status } = yield* problem("/api/processors/fuse/skip?streamPath=/fuses/none", { method: "POST" })
        assert.deepStrictEqual([status, error._tag], [404, "NotFound"])
        yield* Ref.set(isBroken, false)
        yield* json(InstanceState, "/api/processors/fuse/resume?streamPath=/fuses/1", { method: "POST" })
        assert.deepStrictEqual((yield* first("/fuses/1", Noted.type)).cause?.offset, offset)
        const resumed = yield* first("/fuses/1", ControlEvent.ProcessorResumed.type)
        assert.deepStrictEqual(resumed.payload, { name: "fuse", offset })
        const again = yield* problem("/api/processors/fuse/resume?streamPath=/fuses/1", { method: "POST" })
        assert.strictEqual(again.status, 404)
      }))

    it.effect("skip an event at which the reducer throws; time travel stops there", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const { offset } = yield* streams.append("/fuses/2", Lit.make({ id: "wet" }))
        const after = yield* streams.append("/fuses/2", Lit.make({ id: "dry" }))
        yield* first("/fuses/2", ControlEvent.ProcessorParked.type)
        const stopped = yield* json(PastState, `/api/state/fuses/2?processor=fuse&at=${after.offset}`)
        assert.deepStrictEqual([stopped.offset, stopped.state], [offset - 1, { lit: [] }])
        assert.strictEqual(stopped.stopped?.offset, offset)
        assert.include(stopped.stopped?.error, "wet fuse")
        yield* json(InstanceState, "/api/processors/fuse/skip?streamPath=%2Ffuses%2F2", { method: "POST" })
        const skipped = yield* state("/fuses/2", `processor=fuse&atLeast=${after.offset}`)
        assert.deepStrictEqual(skipped.state, { lit: ["dry"] })
        const past = yield* json(PastState, `/api/state/fuses/2?processor=fuse&at=${after.offset}`)
        assert.deepStrictEqual(past.state, { lit: ["dry"] })
      }))

    it.effect("show their fibers and what these keep, and resume one", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        yield* streams.append("/fuses/3", Lit.make({ id: "long" }))
        yield* first("/fuses/3", Noted.type)
        yield* Ref.set(isBroken, true)
        // Only the fiber fails: the hook of this event is none.
        const { offset } = yield* streams.append("/fuses/3", Lit.make({ id: "short" }))
        yield* first("/fuses/3", ControlEvent.ProcessorParked.type)
        yield* Ref.set(isBroken, false)
        yield* json(InstanceState, "/api/processors/fuse/resume?streamPath=/fuses/3", { method: "POST" })
        const told = yield* state("/fuses/3", `processor=fuse&atLeast=${offset}`)
        assert.deepStrictEqual(told.fibers.map(({ key, kind }) => [kind, key]), [["burn", "long"], ["burn", "short"]])
        assert.deepInclude(told.fibers[0], { kind: "burn", key: "long", input: { length: 2 }, status: "running" })
        assert.deepStrictEqual(told.cursors, [{ kind: "burn", key: "long", value: { left: 1 } }])
        const then = yield* json(PastState, "/api/state/fuses/3?processor=fuse&at=2")
        assert.deepStrictEqual(then.fibers, [{ kind: "burn", key: "long", input: { length: 2 } }])
        const half = yield* problem("/api/processors/fuse/resume?streamPath=/fuses/3&kind=burn", { method: "POST" })
        assert.deepStrictEqual([half.status, half.error._tag], [400, "InvalidRequest"])
        const whole = "/api/processors/fuse/resume?streamPath=/fuses/3&kind=burn&key=long"
        const healthy = yield* problem(whole, { method: "POST" })
        assert.deepStrictEqual([healthy.status, healthy.error._tag], [404, "NotFound"])
      }))

    it.effect("are folded anew without their hooks", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const { offset } = yield* streams.append("/games/refolded", PingPong.Ping.make({ from: "ada" }))
        yield* first("/games/refolded", "pong")
        yield* state("/games/refolded", `processor=ping-pong&atLeast=${offset}`)
        yield* json(InstanceState, "/api/processors/ping-pong/refold?streamPath=/games/refolded", { method: "POST" })
        const next = yield* streams.append("/games/refolded", PingPong.Ping.make({ from: "grace" }))
        const folded = yield* state("/games/refolded", `processor=ping-pong&atLeast=${next.offset}`)
        assert.deepStrictEqual(folded.state, { pings: 2 })
        yield* first("/games/refolded", ControlEvent.ProcessorRefolded.type)
        const pongs = yield* streams.tail("/games/refolded", { types: [PingPong.Pong] }).pipe(
          Stream.take(2),
          Stream.runCollect
        )
        assert.deepStrictEqual(pongs.map(({ payload }) => payload.to), ["ada", "grace"])
      }))

    it.effect("are listed, each with its instances", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        for (const name of ["a", "b", "c"]) {
          const path = `/games/listed-${name}`
          const { offset } = yield* streams.append(path, PingPong.Ping.make({ from: "ada" }))
          yield* state(path, `processor=ping-pong&atLeast=${offset}`)
        }
        const all = yield* json(Schema.Array(ProcessorSummary), "/api/processors")
        assert.deepStrictEqual(all.map(({ name }) => name), ["fuse", "ping-pong"])
        assert.deepInclude(all[1], { consumes: ["ping"], emits: ["pong"], streams: "/games/**", here: true })
        assert.isString(all[1]?.owner)
        const list = (query: string) =>
          json(Schema.Array(InstanceSummary), `/api/processors/ping-pong/instances?after=/games/listed&${query}`)
        const listed = yield* list("")
        assert.deepStrictEqual(
          listed.map(({ streamPath }) => String(streamPath)).slice(0, 3),
          ["/games/listed-a", "/games/listed-b", "/games/listed-c"]
        )
        assert.deepInclude(listed[0], { lag: 0, status: "caught-up" })
        assert.deepStrictEqual(listed[0]?.fibers, { running: 0, done: 0, retrying: 0, parked: 0 })
        assert.lengthOf(yield* list("limit=2"), 2)
        assert.strictEqual((yield* problem("/api/processors/nobody/instances")).status, 404)
        assert.strictEqual((yield* problem("/api/processors/%zz/instances")).status, 400)
        assert.strictEqual((yield* problem("/api/processors?limit=1")).status, 400)
        assert.strictEqual((yield* ask("/api/processors/ping-pong/resume")).status, 405)
      }))

    it.effect("tell their state decoded, in process and over HTTP", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const { port } = yield* TestServer
        const overHttp = yield* Effect.provide(
          Effect.flatMap(Streams, Effect.succeed),
          Client.layer({ baseUrl: `http://127.0.0.1:${port}` })
        )
        yield* streams.append("/games/typed", PingPong.Ping.make({ from: "ada" }))
        const { offset } = yield* streams.append("/games/typed", PingPong.Ping.make({ from: "grace" }))
        const Other = Processor.make("ping-pong", {
          state: Schema.Struct({ rallies: Schema.Int }),
          initial: { rallies: 0 },
          consumes: []
        }).reduce({})
        for (const either of [streams, overHttp]) {
          const now = yield* either.state("/games/typed", { processor: PingPong.PingPong, atLeast: offset })
          assert.deepStrictEqual([now.state.pings, now.version, now.offset >= offset], [2, 1, true])
          const past = yield* either.state("/games/typed", { processor: PingPong.PingPong, at: 2 })
          assert.deepStrictEqual(past, { version: 1, offset: 2, state: { pings: 1 } })
          assert.strictEqual((yield* either.state("/games/typed")).path, "/games/typed")
          const unlike = yield* Effect.flip(either.state("/games/typed", { processor: Other }))
          assert.deepStrictEqual(unlike._tag, "InvalidRequest")
          assert.include(unlike.message, "does not fit this definition")
          const nowhere = yield* Effect.flip(either.state("/elsewhere", { processor: PingPong.PingPong }))
          assert.strictEqual(nowhere._tag, "NotFound")
        }
      }))

    it.effect("make their events known", () =>
      Effect.gen(function*() {
        const types = yield* json(Schema.Array(TypeSummary), "/api/types")
        const find = (name: string) => types.find(({ type }) => type === name)
        assert.deepInclude(find("ping"), { appendedBy: "client", consumedBy: ["ping-pong"] })
        assert.deepInclude(find("fuse/noted"), { description: "A fuse was seen", emittedBy: ["fuse"] })
        assert.isUndefined(find("*"))
        const noted = yield* json(TypeDescription, "/api/types/fuse%2Fnoted")
        assert.deepStrictEqual(noted.example, { type: "fuse/noted", payload: { id: "red" } })
        const ping = yield* json(TypeDescription, "/api/types/ping")
        assert.isUndefined(ping.example)
        assert.deepInclude(ping.schema, { type: "object", required: ["from"] })
        assert.include((yield* problem("/api/types/fuse/nooted")).error.message, "fuse/noted")
      }))
  })

suite("memory", memory)
suite("Postgres", postgres)
