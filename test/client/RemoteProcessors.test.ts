/** Processors at work in another process than the log: over a real server, by the clock of the wall. */
import { assert, layer as layered } from "@effect/vitest"
import { Cause, Deferred, Effect, Exit, Layer, Option, Schedule, Schema, Scope, Stream } from "effect"
import { FetchHttpClient } from "effect/http"
import * as Connection from "../../src/client/Connection.ts"
import { Calling } from "../../src/client/remote/Calling.ts"
import * as RemoteCheckpoints from "../../src/client/remote/RemoteCheckpoints.ts"
import * as RemoteProcessors from "../../src/client/RemoteProcessors.ts"
import * as ControlEvent from "../../src/domain/ControlEvent.ts"
import { Offset } from "../../src/domain/Event.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { Processors } from "../../src/processor/Processors.ts"
import { layer as server, layerOver, TestServer } from "../http/TestServer.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { Begun, Counted, counting, Ended, first, holding, losing, names, Ping, pingPong, pings } from "./Elsewhere.ts"
import { Pong, pongsOn, start, streamsOf } from "./Elsewhere.ts"

const until = (isSo: () => boolean) =>
  Effect.sync(isSo).pipe(Effect.repeat({ schedule: Schedule.spaced("5 millis"), until: (so) => so }))
const never = Schedule.recurs(0)
const settings = { maxHops: 3 }
const options = { excludeTestServices: true, timeout: "30 seconds" } as const

const suite = <E>(log: string, layer: Layer.Layer<TestServer | Processors, E>) =>
  layered(layer, options)(`a processor elsewhere, of a log in ${log}`, (it) => {
    it.effect("answers each event once, with its cause", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        yield* start(pingPong("simple", "a"))
        yield* streams.append("/simple/1", Ping.make({ from: "ada" }))
        yield* streams.append("/simple/1", Ping.make({ from: "grace" }))
        const pongs = yield* first(streams, "/simple/1", Pong, 2)
        assert.deepStrictEqual(pongs.map(({ payload }) => payload.to), ["ada", "grace"])
        assert.deepStrictEqual(pongs.map(({ cause }) => cause?.offset), [2, 3].map((offset) => Offset.make(offset)))
        assert.deepStrictEqual(pongs.map(({ cause }) => cause?.processor), ["simple", "simple"])
      }))

    it.effect("that is killed in the middle is carried on by the next one", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        const middle = yield* Deferred.make<void>()
        const a = yield* start(pingPong("killed", "a", (from) =>
          from === "p7" ? Effect.andThen(Deferred.succeed(middle, undefined), Effect.never) : Effect.void))
        yield* streams.appendAll("/killed/1", pings(names(20)))
        yield* Deferred.await(middle)
        yield* a.kill
        yield* streams.appendAll("/killed/1", pings(names(5, 20)))
        yield* start(pingPong("killed", "b"))
        yield* first(streams, "/killed/1", Pong, 25)
        assert.deepStrictEqual((yield* pongsOn(streams, "/killed/1")).to, names(25))
      }))

    it.effect("records nothing twice where the answer to a commit is lost", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        yield* start(pingPong("lost", "a"), losing("/commit"))
        yield* streams.appendAll("/lost/1", pings(names(3)))
        yield* first(streams, "/lost/1", Pong, 3)
        yield* streams.append("/lost/1", Ping.make({ from: "p3" }))
        yield* first(streams, "/lost/1", Pong, 4)
        assert.deepStrictEqual((yield* pongsOn(streams, "/lost/1")).to, names(4))
      }))

    it.effect("does not act twice where two copies run, and the second one takes over", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        const a = yield* start(pingPong("copies", "a"))
        yield* streams.append("/copies/0", Ping.make({ from: "first" }))
        yield* first(streams, "/copies/0", Pong, 1)
        yield* start(pingPong("copies", "b"))
        yield* streams.appendAll("/copies/1", pings(names(10)))
        yield* first(streams, "/copies/1", Pong, 10)
        assert.deepStrictEqual(yield* pongsOn(streams, "/copies/1"), { to: names(10), by: ["a"] })
        yield* a.stop
        yield* streams.appendAll("/copies/2", pings(names(10)))
        yield* first(streams, "/copies/2", Pong, 10)
        assert.deepStrictEqual(yield* pongsOn(streams, "/copies/2"), { to: names(10), by: ["b"] })
      }))

    it.effect("that was cut off while it worked is refused when it comes back", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        const started = yield* Deferred.make<void>()
        const go = yield* Deferred.make<void>()
        const a = yield* start(pingPong("frozen", "a", () =>
          Effect.andThen(Deferred.succeed(started, undefined), Deferred.await(go))))
        yield* streams.append("/frozen/1", Ping.make({ from: "ada" }))
        yield* Deferred.await(started)
        a.line.set("hold")
        // Its commit is on the way now, and arrives after another has taken over.
        yield* Deferred.succeed(go, undefined)
        yield* start(pingPong("frozen", "b"))
        yield* first(streams, "/frozen/1", Pong, 1)
        a.line.set("pass")
        yield* streams.append("/frozen/1", Ping.make({ from: "grace" }))
        yield* first(streams, "/frozen/1", Pong, 2)
        assert.deepStrictEqual(yield* pongsOn(streams, "/frozen/1"), { to: ["ada", "grace"], by: ["b"] })
      }))

    it.effect("comes back by itself when the server was away", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        const { line } = yield* start(pingPong("away", "a"))
        yield* streams.append("/away/1", Ping.make({ from: "p0" }))
        yield* first(streams, "/away/1", Pong, 1)
        line.set("break")
        yield* streams.appendAll("/away/1", pings(names(3, 1)))
        yield* streams.append("/away/2", Ping.make({ from: "q" }))
        line.set("pass")
        yield* first(streams, "/away/1", Pong, 4)
        yield* first(streams, "/away/2", Pong, 1)
        assert.deepStrictEqual((yield* pongsOn(streams, "/away/1")).to, names(4))
      }))

    it.effect("goes on in a stream that was deleted and is written again", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        yield* start(pingPong("deleted", "a"))
        yield* streams.append("/deleted/1", Ping.make({ from: "ada" }))
        yield* first(streams, "/deleted/1", Pong, 1)
        yield* streams.delete("/deleted/1")
        yield* streams.append("/deleted/1", Ping.make({ from: "grace" }))
        const [pong] = yield* first(streams, "/deleted/1", Pong, 1)
        assert.strictEqual(pong?.payload.to, "grace")
      }))

    it.effect("stops its fibers on the stream that its pattern begins with when that is deleted", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        const { ask } = yield* TestServer
        const stopped = yield* Deferred.make<void>()
        yield* start(counting("above", () =>
          Effect.onInterrupt(Effect.never, () => Deferred.succeed(stopped, undefined))))
        yield* streams.append("/above", Begun.make({ key: "k" }))
        // Once that is written nothing is under way that would hear of the delete.
        yield* Effect.repeat(ask("/api/state/above"), {
          schedule: Schedule.spaced("5 millis"),
          until: ({ text }) => text.includes(`"kind":"count"`)
        })
        yield* streams.delete("/above")
        yield* Deferred.await(stopped)
      }))

    it.effect("keeps its fibers running, each fact once, and their cursors", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        const appended = yield* Deferred.make<void>()
        const a = yield* start(counting("fibers", ({ append }) =>
          Effect.gen(function*() {
            yield* append(Counted.make({ up: 1 }), { once: "counted", cursor: { at: [1.5] } })
            yield* Deferred.succeed(appended, undefined)
            return yield* Effect.never
          })))
        yield* streams.append("/fibers/1", Begun.make({ key: "k" }))
        yield* Deferred.await(appended)
        yield* a.kill
        yield* start(counting("fibers", ({ append, cursor, moveCursor }) =>
          Effect.gen(function*() {
            // A second attempt with other words: the first fact stands.
            const first = yield* append(Counted.make({ up: 2 }), { once: "counted" })
            assert.deepStrictEqual(first.payload, { up: 1 })
            assert.deepStrictEqual(yield* cursor, { at: [1.5] })
            yield* moveCursor({ at: [2] })
            yield* append(Ended.make({ key: "k" }))
          })))
        yield* first(streams, "/fibers/1", Ended, 1)
        const counted = yield* Stream.runCollect(streams.read("/fibers/1", { types: [Counted] }))
        assert.deepStrictEqual(counted.map(({ cause, payload }) => [payload.up, cause?.offset]), [[1, Offset.make(2)]])
      }))

    it.effect("is parked where its hook fails for good, goes on when a person says so", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        const { ask } = yield* TestServer
        let isBroken = true
        const work = Effect.suspend(() => isBroken ? Effect.fail("no") : Effect.void)
        yield* start(pingPong("parking", "a", () => work, never))
        yield* streams.append("/parking/1", Ping.make({ from: "ada" }))
        const [parked] = yield* first(streams, "/parking/1", ControlEvent.ProcessorParked, 1)
        assert.deepStrictEqual({ ...parked?.payload }, { name: "parking", offset: Offset.make(2), error: "no" })
        isBroken = false
        yield* ask("/api/processors/parking/resume?streamPath=/parking/1", { method: "POST" })
        const [pong] = yield* first(streams, "/parking/1", Pong, 1)
        assert.strictEqual(pong?.payload.to, "ada")
      }))

    it.effect("passes over what does not fit, and says so once", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        yield* start(pingPong("misfit", "a"))
        yield* streams.append("/misfit/1", { type: "ping", payload: { from: 1 } })
        yield* streams.append("/misfit/1", Ping.make({ from: "ada" }))
        yield* first(streams, "/misfit/1", Pong, 1)
        const [error] = yield* first(streams, "/misfit/1", ControlEvent.ErrorOccurred, 1)
        assert.include(error?.payload, { source: "processor", processor: "misfit" })
      }))

    it.effect("waits for a paused stream that it emits to", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        let runs = 0
        yield* streams.append("/paused/1", Begun.make({ key: "first" }))
        yield* streams.append("/paused/1", ControlEvent.Paused.make({ reason: "test" }))
        yield* start(
          Processor.make("paused", { state: Schema.Int, initial: 0, consumes: [Ping], emits: [Pong] })
            .reduce({ ping: (n) => n + 1 })
            .toLayer({
              afterAppend: {
                ping: ({ payload }, { emit }) => {
                  runs += 1
                  return emit(Pong.make({ to: payload.from, by: "a" }), { streamPath: "/paused/1" })
                }
              }
            }, { streams: "/paused/**" })
        )
        yield* streams.append("/paused/2", Ping.make({ from: "ada" }))
        yield* until(() => runs === 1)
        yield* streams.append("/paused/1", ControlEvent.Resumed.make({}))
        const [pong] = yield* first(streams, "/paused/1", Pong, 1)
        assert.strictEqual(pong?.cause?.hops, 1)
        assert.strictEqual(runs, 1)
      }))

    it.effect("ends a chain that crosses too often, by the bound of the server", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        yield* start(
          Processor.make("chain", { state: Schema.Int, initial: 0, consumes: [Ping], emits: [Ping] })
            .reduce({ ping: (n) => n + 1 })
            .toLayer({
              afterAppend: {
                ping: ({ payload }, { emit, streamPath }) =>
                  emit(Ping.make(payload), { streamPath: streamPath === "/chain/1" ? "/chain/2" : "/chain/1" })
              }
            }, { streams: "/chain/**" })
        )
        yield* streams.append("/chain/1", Ping.make({ from: "ada" }))
        // Three crossings come back to the second stream: there the fourth one is dropped.
        const [error] = yield* first(streams, "/chain/2", ControlEvent.ErrorOccurred, 1)
        assert.include(error?.payload, { source: "processor", processor: "chain" })
        const [, ...all] = yield* Stream.runCollect(streams.read("/chain/2", { types: [Ping] }))
        assert.deepStrictEqual(all.map(({ cause }) => cause?.hops), [3])
      }))

    it.effect("folds its state anew with another version, and answers nothing twice", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        const summing = (version: number, state: Deferred.Deferred<number>) =>
          Processor.make("versions", { version, state: Schema.Int, initial: 0, consumes: [Ping], emits: [Pong] })
            .reduce({ ping: (n) => n + version })
            .toLayer({
              afterAppend: {
                ping: ({ payload }, { emit, state: now }) =>
                  Effect.andThen(
                    emit(Pong.make({ to: payload.from, by: String(now) })),
                    payload.from === "last" ? Deferred.succeed(state, now) : Effect.void
                  )
              }
            }, { streams: "/versions/**" })
        const one = yield* Deferred.make<number>()
        const a = yield* start(summing(1, one))
        yield* streams.append("/versions/1", Ping.make({ from: "first" }))
        yield* streams.append("/versions/1", Ping.make({ from: "last" }))
        assert.strictEqual(yield* Deferred.await(one), 2)
        yield* first(streams, "/versions/1", Pong, 2)
        yield* a.stop
        const two = yield* Deferred.make<number>()
        yield* start(summing(10, two))
        yield* streams.append("/versions/1", Ping.make({ from: "last" }))
        assert.strictEqual(yield* Deferred.await(two), 30)
        yield* first(streams, "/versions/1", Pong, 3)
        const pongs = yield* pongsOn(streams, "/versions/1")
        assert.deepStrictEqual(pongs, { to: ["first", "last", "last"], by: ["1", "2", "30"] })
      }))

    it.effect("has another version folded beside it, which takes over when it has caught up", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        const { ask } = yield* TestServer
        const folded = { count: 0 }
        const summing = (version: number) =>
          Processor.make("beside", { version, state: Schema.Int, initial: 0, consumes: [Ping], emits: [Pong] })
            .reduce({
              ping: (n) => {
                if (version === 2) folded.count += 1
                return n + version
              }
            })
            .toLayer({
              afterAppend: {
                ping: ({ payload }, { emit, state }) => emit(Pong.make({ to: payload.from, by: `${version}: ${state}` }))
              }
            }, { streams: "/beside/**" })
        yield* start(summing(1))
        yield* streams.appendAll("/beside/1", pings(names(3)))
        yield* first(streams, "/beside/1", Pong, 3)
        const gate = yield* Deferred.make<void>()
        yield* start(summing(2), holding("/register", gate))
        yield* Effect.repeat(ask("/api/processors"), {
          schedule: Schedule.spaced("5 millis"),
          until: ({ text }) => text.includes(`"preparing":[{"version":2,"left":1}]`)
        })
        yield* until(() => folded.count >= 3)
        yield* streams.appendAll("/beside/1", pings(names(2, 3)))
        yield* first(streams, "/beside/1", Pong, 5)
        yield* Deferred.succeed(gate, undefined)
        yield* until(() => folded.count >= 5)
        yield* streams.append("/beside/1", Ping.make({ from: "p5" }))
        yield* first(streams, "/beside/1", Pong, 6)
        const { by, to } = yield* pongsOn(streams, "/beside/1")
        assert.deepStrictEqual(to, names(6))
        assert.deepStrictEqual(by, ["1: 1", "1: 2", "1: 3", "1: 4", "1: 5", "2: 12"])
        assert.strictEqual(folded.count, 6)
      }))

    it.effect("that goes on does not take the place of a version that was registered since", () =>
      Effect.gen(function*() {
        const { ask, port } = yield* TestServer
        const connection = yield* Connection.make({ baseUrl: `http://127.0.0.1:${port}` })
        const checkpoints = RemoteCheckpoints.make(new Calling(connection))
        const registration = { processor: "since", consumes: ["ping"], emits: [], streams: "/since/**", startFrom: "end" } as const
        yield* checkpoints.register({ ...registration, version: 1 })
        const newer = JSON.stringify({ version: 2, consumes: ["ping"], streams: "/since/**" })
        assert.strictEqual((yield* ask("/api/processors/since/register", { method: "POST", body: newer })).status, 200)
        // As a server that was started anew hears of it.
        assert.isTrue(Option.isNone(yield* checkpoints.claim("since", "a", 1_000)))
        const known = (yield* checkpoints.registered).find(({ processor }) => processor === "since")
        assert.strictEqual(known?.version, 2)
      }).pipe(Effect.provide(FetchHttpClient.layer)))

    it.effect("is not kept a state that nests deeper than a request may, and takes over all the same", () =>
      Effect.gen(function*() {
        const streams = yield* streamsOf
        const deepening = (version: number) =>
          Processor.make("deep", { version, state: Schema.Json, initial: null, consumes: [Ping], emits: [Pong] })
            .reduce({ ping: (): Schema.Json => version === 1 ? 1 : JSON.parse("[".repeat(3_000) + "]".repeat(3_000)) })
            .toLayer({
              afterAppend: { ping: ({ payload }, { emit }) => emit(Pong.make({ to: payload.from, by: String(version) })) }
            }, { streams: "/deep/**" })
        yield* start(deepening(1))
        yield* streams.append("/deep/1", Ping.make({ from: "ada" }))
        yield* first(streams, "/deep/1", Pong, 1)
        yield* start(deepening(2))
        const { ask } = yield* TestServer
        yield* Effect.repeat(ask("/api/processors"), {
          schedule: Schedule.spaced("5 millis"),
          until: ({ text }) => /"name":"deep","version":2/.test(text)
        })
      }))

    it.effect("is refused where the server runs it itself, in whatever version", () =>
      Effect.gen(function*() {
        const { ask, port } = yield* TestServer
        const processors = yield* Processors
        const scope = yield* Scope.make()
        yield* Layer.buildWithScope(pingPong("here", "server"), scope).pipe(
          Effect.provideService(Processors, processors)
        )
        const remote = RemoteProcessors.layer({ baseUrl: `http://127.0.0.1:${port}` })
        for (const processor of [pingPong("here", "a"), pingPong("here", "a", undefined, undefined, 2)]) {
          const exit = yield* Effect.exit(Effect.scoped(Layer.build(processor.pipe(Layer.provide(remote)))))
          assert.include(Exit.isFailure(exit) ? String(Cause.squash(exit.cause)) : "", "here runs on this server itself")
        }
        const body = JSON.stringify({ consumes: ["ping"], takeOver: false })
        assert.strictEqual((yield* ask("/api/processors/here/claim", { method: "POST", body })).status, 400)
        yield* Scope.close(scope, Exit.void)
      }))
  })

suite("memory", server(settings))
suite(
  "Postgres",
  Layer.unwrap(Effect.map(Layer.build(TestPostgres.log), (log) => layerOver(Layer.succeedContext(log), settings)))
)
