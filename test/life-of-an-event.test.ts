/** The whole service, from the first append to a deleted stream and over a restart; and inside other programs. */
import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Queue, Schema, Scope, Stream } from "effect"
import { FetchHttpClient, HttpBody, HttpClient, HttpClientRequest } from "effect/http"
import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"
import * as SseFrame from "../src/client/SseFrame.ts"
import { Event } from "../src/domain/Event.ts"
import { Streams } from "../src/millstream.ts"
import * as Server from "../src/server.ts"
import * as FreePort from "./bench/FreePort.ts"
import * as TestPostgres from "./TestPostgres.ts"

/** A service on a free port that ends when it is told to, or with the test. */
const serve = Effect.fnUntraced(function*(dataDir: string, port: number) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope, exit) => Scope.close(scope, exit))
  yield* Layer.buildWithScope(Server.layerOptions({ dataDir, port }), scope)
  return { url: `http://127.0.0.1:${port}`, stop: Scope.close(scope, Exit.void) }
})

const decodeEvent = Schema.decodeSync(Schema.fromJsonString(Schema.toCodecJson(Event)))

/** What is said of a place: a frame's name where it is no event, else offset, type and stream. */
const outline = ({ data, event }: SseFrame.SseFrame): string => {
  if (event !== "message") return event
  const { offset, streamPath, type } = decodeEvent(data)
  return `${streamPath} ${offset} ${type}`
}

/** A tail that a test takes from, one frame at a time. */
const tail = Effect.fnUntraced(function*(url: string) {
  const client = yield* HttpClient.HttpClient
  const frames = yield* Queue.unbounded<string>()
  const response = yield* client.execute(HttpClientRequest.get(url, { headers: { accept: "text/event-stream" } }))
  yield* Effect.forkScoped(SseFrame.fromBytes(response.stream).pipe(
    Stream.runForEach((frame) => Queue.offer(frames, outline(frame))),
    Effect.ensuring(Queue.offer(frames, "(end)"))
  ))
  return (count: number) => Effect.replicateEffect(Queue.take(frames), count)
})

/** An answer's text, of the form that programs ask for. */
const ask = Effect.fnUntraced(function*(method: "GET" | "POST" | "DELETE", url: string, body?: string) {
  const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)
  const request = HttpClientRequest.make(method)(url, { headers: { accept: "application/json" } })
  // As `curl -d` sends it.
  const form = "application/x-www-form-urlencoded"
  const response = yield* client.execute(
    body === undefined ? request : HttpClientRequest.setBody(request, HttpBody.text(body, form))
  )
  return yield* response.text
})

const asJson = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Json))
const asChildren = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Array(Schema.Struct({ path: Schema.String })))
)

describe("the life of an event", () => {
  it.live("append, log, tail, prefix, state, children, delete; and a restart keeps everything", () =>
    Effect.gen(function*() {
      const dataDir = yield* TestPostgres.dataFolder
      const port = yield* Effect.promise(() => FreePort.find())
      const { stop, url } = yield* serve(dataDir, port)
      const stream = `${url}/api/streams/agents/ada`

      const recorded = asJson(yield* ask("POST", stream, "type: ping\npayload: { n: 1.50 }"))
      assert.deepInclude(recorded, { offset: 2, type: "ping", streamPath: "/agents/ada", payload: { n: 1.5 } })
      const own = yield* tail(stream)
      assert.deepStrictEqual(yield* own(3), ["/agents/ada 1 stream/initialized", "/agents/ada 2 ping", "caught-up"])
      const below = yield* tail(`${url}/api/streams/agents/**`)
      assert.deepStrictEqual(yield* below(5), [
        "/agents 1 stream/initialized",
        "/agents/ada 1 stream/initialized",
        "/agents 2 stream/child-created",
        "/agents/ada 2 ping",
        "caught-up"
      ])
      yield* ask("POST", stream, "{\"type\":\"pong\"}")
      assert.deepStrictEqual(yield* own(1), ["/agents/ada 3 pong"])
      assert.deepStrictEqual(yield* below(1), ["/agents/ada 3 pong"])

      assert.deepInclude(asJson(yield* ask("GET", `${url}/api/state/agents/ada`)), { head: 3, paused: null })
      const listed = asChildren(yield* ask("GET", `${url}/api/children/agents`))
      assert.deepStrictEqual(listed.map(({ path }) => path), ["/agents/ada"])

      yield* ask("POST", `${url}/api/streams/agents/bob`, "{\"type\":\"kept\"}")
      assert.deepStrictEqual(yield* below(3), [
        "/agents/bob 1 stream/initialized",
        "/agents 3 stream/child-created",
        "/agents/bob 2 kept"
      ])
      assert.deepStrictEqual(asJson(yield* ask("DELETE", stream)), { deleted: ["/agents/ada"] })
      assert.deepStrictEqual(yield* own(2), ["deleted", "(end)"])
      assert.deepStrictEqual(yield* below(1), ["/agents 4 stream/child-deleted"])

      const bob = yield* ask("GET", `${url}/api/streams/agents/bob?live=false`)
      const began = performance.now()
      yield* stop
      assert.isBelow(performance.now() - began, 2_000, "A tail that is open does not hold the service up")
      assert.deepStrictEqual(yield* below(1), ["(end)"])

      yield* serve(dataDir, port)
      assert.strictEqual(yield* ask("GET", `${url}/api/streams/agents/bob?live=false`), bob)
      assert.deepStrictEqual(asJson(yield* ask("GET", `${stream}?live=false`)), [])
      assert.deepInclude(asJson(yield* ask("POST", stream, "{\"type\":\"again\"}")), { offset: 5 })
      const anew = yield* tail(`${url}/api/streams/agents/**`)
      assert.deepStrictEqual((yield* anew(10)).slice(-4), [
        "/agents/ada 4 stream/initialized",
        "/agents 5 stream/child-created",
        "/agents/ada 5 again",
        "caught-up"
      ])
    }).pipe(Effect.scoped, Effect.provide([NodeServices.layer, FetchHttpClient.layer])))
})

describe("inside another program", () => {
  const headless = Server.layerHeadless.pipe(Layer.provideMerge(TestPostgres.layer))

  it.live("the log uses the client in scope, and is used through Streams", () =>
    Effect.gen(function*() {
      const streams = yield* Streams
      const event = yield* streams.append("/embedded", { type: "ping", payload: { n: 1 } })
      assert.deepStrictEqual(yield* Stream.runCollect(streams.read("/embedded", { after: 1 })), [event])
      const sql = yield* PgClient.PgClient
      const rows = yield* sql<{ readonly type: string }>`
        select e.type from millstream.events e join millstream.streams s on s.id = e.stream_id
        where s.path = '/embedded' order by e."offset"`
      assert.deepStrictEqual(rows.map(({ type }) => type), ["stream/initialized", "ping"])
    }).pipe(Effect.provide(headless)))

  it.live("the routes are mounted beside those of a router of one's own", () =>
    Effect.gen(function*() {
      const own = HttpRouter.add("GET", "/own", HttpServerResponse.text("mine"))
      const quiet = { disableLogger: true, disableListenLog: true }
      const served = yield* HttpRouter.serve(Layer.mergeAll(own, Server.routes), quiet).pipe(
        Layer.provideMerge(NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0 })),
        Layer.provideMerge(headless),
        Layer.provide(Server.ServiceConfig.layerOptions({})),
        Layer.build
      )
      const { url, streams } = yield* Effect.all({
        url: Effect.map(HttpServer.HttpServer, ({ address }) => HttpServer.formatAddress(address)),
        streams: Streams
      }).pipe(Effect.provide(served))
      assert.strictEqual(yield* ask("GET", `${url}/own`), "mine")
      yield* ask("POST", `${url}/api/streams/mounted`, "type: ping")
      const events = yield* Stream.runCollect(streams.read("/mounted"))
      assert.deepStrictEqual(events.map(({ type }) => type), ["stream/initialized", "ping"])
    }).pipe(Effect.scoped, Effect.provide(FetchHttpClient.layer)))
})
