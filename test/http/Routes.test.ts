import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Redacted, Schema } from "effect"
import { Child, StreamState } from "../../src/domain/StreamState.ts"
import * as ControlEvent from "../../src/domain/ControlEvent.ts"
import { propose } from "../../src/domain/EventText.ts"
import { StreamError, Unavailable } from "../../src/domain/StreamError.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { maxChildren } from "../../src/api/InspectApi.ts"
import { Deleted, maxBatch } from "../../src/api/StreamsApi.ts"
import { Health, TypeDescription, TypeSummary } from "../../src/api/SystemApi.ts"
import * as Batch from "../../src/http/Batch.ts"
import * as LogDirectory from "../../src/log/Directory.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import { Growth } from "../../src/log/Growth.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
import type { Asking } from "./TestServer.ts"
import { layer as server, layerOver, TestServer } from "./TestServer.ts"

const ask = (path: string, asking?: Asking) => Effect.flatMap(TestServer, (server) => server.ask(path, asking))

/** Asks for JSON that fits a schema. */
const json = <S extends Schema.ConstraintCodec<unknown, unknown>>(schema: S, path: string, asking?: Asking) =>
  Effect.map(ask(path, asking), ({ headers, status, text }) => {
    assert.strictEqual(status, 200, text)
    assert.strictEqual(headers["content-type"], "application/json")
    return Schema.decodeSync(Schema.fromJsonString(Schema.toCodecJson(schema)))(text)
  })

/** Asks for what is refused, as a problem document of the contract. */
const problem = (path: string, asking?: Asking) =>
  Effect.map(ask(path, asking), ({ headers, status, text }) => {
    assert.strictEqual(headers["content-type"], "application/problem+json", text)
    const error = Schema.decodeSync(Schema.fromJsonString(StreamError))(text)
    return { status, error, headers }
  })

const append = (path: string, event: { readonly type: string; readonly payload?: Schema.Json }) =>
  Effect.flatMap(EventStore, (store) => store.append({ path: StreamPath.make(path), events: [propose(event)] }))

layer(server())("state", (it) => {
  it.effect("tells what a stream has come to, however its path is written", () =>
    Effect.gen(function*() {
      yield* append("/state/one", { type: "ping" })
      for (const path of ["/api/state/state/one", "/api/state/state%2Fone", "/api/state/%2Fstate%2Fone"]) {
        const state = yield* json(StreamState, path)
        assert.strictEqual(state.path, "/state/one")
        assert.strictEqual(state.head, 2)
        assert.deepStrictEqual(state.circuitBreaker, { enabled: true, capacity: 100, refillPerSecond: 100 })
        assert.isNull(state.paused)
      }
      for (const path of ["/api/state", "/api/state/", "/api/state/%2F"]) {
        assert.strictEqual((yield* json(StreamState, path)).path, "/")
      }
    }))

  it.effect("keeps the spelling of metadata", () =>
    Effect.gen(function*() {
      const metadata = String.raw`{"n":1.0,"big":12345678901234567890,"n":2,"s":"\u0000"}`
      const store = yield* EventStore
      yield* store.append({
        path: StreamPath.make("/state/metadata"),
        events: [{ type: "stream/metadata-updated", payload: `{"metadata":${metadata}}` }]
      })
      assert.include((yield* ask("/api/state/state/metadata")).text, `"metadata":${metadata},`)
      const pretty = (yield* ask("/api/state/state/metadata?pretty")).text
      assert.include(pretty, "\n    \"big\": 12345678901234567890,\n")
    }))

  it.effect("tells of a pause, a limit of its own, and a deletion", () =>
    Effect.gen(function*() {
      yield* append("/state/own", {
        type: "stream/circuit-breaker-configured",
        payload: { capacity: 7, refillPerSecond: 2 }
      })
      yield* append("/state/own", { type: "stream/paused", payload: { reason: "lunch" } })
      const state = yield* json(StreamState, "/api/state/state/own")
      assert.strictEqual(state.paused?.reason, "lunch")
      assert.deepStrictEqual(state.circuitBreaker, { enabled: true, capacity: 7, refillPerSecond: 2 })
      assert.deepStrictEqual(
        yield* json(Deleted, "/api/streams/state/own", { method: "DELETE" }),
        { deleted: [StreamPath.make("/state/own")] }
      )
      const deleted = yield* json(StreamState, "/api/state/state/own")
      assert.strictEqual(deleted.head, 3)
      assert.isDefined(deleted.deletedAt)
      assert.deepStrictEqual(deleted.metadata, {})
    }))

  it.effect("refuses what is no stream, or never was one", () =>
    Effect.gen(function*() {
      assert.strictEqual((yield* problem("/api/state/state/never")).error._tag, "NotFound")
      for (const path of ["a/", "a//b", ".", "a%2F", "%zz", "a%2F%2Fb", "a%00", "é", `${"a/".repeat(16)}a`]) {
        const { error, status } = yield* problem(`/api/state/${encodeURI(path).replaceAll("%25", "%")}`)
        assert.deepStrictEqual([error._tag, status], ["InvalidPath", 400], path)
      }
      assert.strictEqual((yield* problem("/api/state/a/**")).error._tag, "InvalidRequest")
      assert.include((yield* problem("/api/state/a?prety")).error.message, "`pretty`")
    }))

  it.effect("takes long paths", () =>
    Effect.map(problem(`/api/state/${"a".repeat(255)}/${"b".repeat(255)}`), ({ error }) =>
      assert.strictEqual(error._tag, "NotFound")))
})

layer(server())("children and deletion", (it) => {
  it.effect("lists what is below, page by page", () =>
    Effect.gen(function*() {
      for (const name of ["a", "b", "b/c", "d"]) yield* append(`/list/${name}`, { type: "ping" })
      const list = (query: string) =>
        Effect.map(
          json(Schema.Array(Child), `/api/children/list${query}`),
          (entries) => entries.map(({ path }) => path)
        )
      assert.deepEqual(yield* list(""), ["/list/a", "/list/b", "/list/d"])
      assert.deepEqual(yield* list("?recursive"), ["/list/a", "/list/b", "/list/b/c", "/list/d"])
      assert.deepEqual(yield* list("?recursive&limit=2"), ["/list/a", "/list/b"])
      assert.deepEqual(yield* list("?recursive&limit=2&after=/list/b"), ["/list/b/c", "/list/d"])
      assert.deepEqual(yield* list("?recursive=false&after=%2Flist%2Fd"), [])
      assert.strictEqual((yield* json(Schema.Array(Child), "/api/children/list"))[1]?.children, 1)
      assert.deepEqual(yield* json(Schema.Array(Child), "/api/children/nobody"), [])
      assert.strictEqual((yield* problem("/api/children/list?limit=1001")).status, 400)
      assert.strictEqual((yield* problem("/api/children/list?after=list")).status, 400)
      assert.include((yield* problem("/api/children/list/**")).error.message, "/api/children/list?recursive")
    }))

  it.effect("deletes one, or all below it", () =>
    Effect.gen(function*() {
      for (const name of ["x", "x/y", "x/z"]) yield* append(`/gone/${name}`, { type: "ping" })
      const { error } = yield* problem("/api/streams/gone/x/**", { method: "DELETE" })
      assert.include(error.message, "DELETE /api/streams/gone/x?recursive")
      const remove = (path: string) => Effect.map(json(Deleted, path, { method: "DELETE" }), ({ deleted }) => deleted)
      assert.deepEqual(yield* remove("/api/streams/gone/nothing"), [])
      assert.deepEqual(yield* remove("/api/streams/gone/x/y"), [StreamPath.make("/gone/x/y")])
      assert.deepEqual((yield* remove("/api/streams/gone%2Fx?recursive")).toSorted(), ["/gone/x", "/gone/x/z"])
      assert.deepEqual(yield* json(Schema.Array(Child), "/api/children/gone"), [])
    }))
})

layer(server())("the server itself", (it) => {
  it.effect("describes every control event", () =>
    Effect.gen(function*() {
      const types = yield* json(Schema.Array(TypeSummary), "/api/types")
      assert.deepEqual(types.map(({ type }) => type), [...ControlEvent.all.keys()])
      for (const { type } of types) {
        for (const path of [type, encodeURIComponent(type)]) {
          const described = yield* json(TypeDescription, `/api/types/${path}`)
          assert.strictEqual(described.example.type, type)
          const control = ControlEvent.all.get(type)
          const payload = Schema.toCodecJson(control?.eventType.payload ?? Schema.Never)
          assert.isTrue(Schema.is(Schema.toEncoded(payload))(described.example.payload))
          assert.strictEqual(described.schema["$schema"], "https://json-schema.org/draft/2020-12/schema")
          // What a client may append is ready to be sent.
          const refusal = ControlEvent.judge(propose(described.example))
          assert.strictEqual(refusal === undefined, described.appendedBy === "client", type)
        }
      }
      const { error } = yield* problem("/api/types/stream/pausd")
      assert.include(error.message, "stream/paused")
    }))

  it.effect("guides, by its own URL", () =>
    Effect.gen(function*() {
      const { port } = yield* TestServer
      for (const accept of ["text/html", "*/*"]) {
        const { headers, text } = yield* ask("/", { headers: { accept, host: `localhost:${port}` } })
        assert.include(headers["content-type"], "text/plain")
        for (const part of ["curl -d", "curl -N", "/api/state/", "/api/children/", "/api/types", "/docs"]) {
          assert.include(text, part)
        }
        const urls = text.match(/http:\/\/[^/\s]*/g) ?? []
        assert.deepEqual([...new Set(urls)], [`http://localhost:${port}`])
        assert.isTrue(text.split("\n").every((line) => line.length <= 120))
      }
    }))

  it.effect("is well", () =>
    Effect.gen(function*() {
      assert.deepEqual(yield* json(Health, "/health"), { status: "ok" })
      const head = yield* ask("/health", { method: "HEAD" })
      assert.deepEqual([head.status, head.text], [200, ""])
    }))

  it.effect("prints JSON on several lines for curl, and where it is asked to", () =>
    Effect.gen(function*() {
      const curl = { headers: { "user-agent": "curl/8.5.0" } }
      const lines = "{\n  \"status\": \"ok\"\n}\n"
      assert.strictEqual((yield* ask("/health", curl)).text, lines)
      assert.strictEqual((yield* ask("/health?pretty")).text, lines)
      assert.strictEqual((yield* ask("/health?pretty=false", curl)).text, "{\"status\":\"ok\"}")
      assert.strictEqual((yield* ask("/health")).text, "{\"status\":\"ok\"}")
      const refused = yield* ask("/api/state/never", curl)
      assert.match(refused.text, /^\{\n {2}"type": "about:blank",\n[^]*\n\}\n$/)
      assert.strictEqual(refused.headers["content-type"], "application/problem+json")
      assert.strictEqual(Number(refused.headers["content-length"]), Buffer.byteLength(refused.text))
    }))

  it.effect("names the nearest route, and the methods of one", () =>
    Effect.gen(function*() {
      assert.include((yield* problem("/api/stat/a")).error.message, "/api/state")
      assert.include((yield* problem("/helth")).error.message, "/health")
      assert.include((yield* problem("/api", { method: "POST" })).error.message, "Did you mean")
      for (const path of ["//api/state/a", "/HEALTH", "/API/state/", "/api/"]) {
        assert.strictEqual((yield* problem(path)).error._tag, "NotFound", path)
      }
      // What follows /in/ may be a token, and no other handler is here to take it.
      const lost = yield* ask("/in/hunter2/a")
      assert.strictEqual(lost.status, 405)
      assert.notInclude(lost.text, "hunter2")
      const wrong = yield* ask("/api/state/a", { method: "PUT" })
      assert.deepEqual([wrong.status, wrong.headers["allow"]], [405, "GET, HEAD, OPTIONS"])
      const options = yield* ask("/api/streams/a", { method: "OPTIONS" })
      assert.deepEqual([options.status, options.headers["allow"]], [204, "DELETE, GET, HEAD, OPTIONS, POST"])
      assert.strictEqual((yield* problem("/health", { method: "PROPFIND" })).status, 400)
    }))

  it.effect("has metrics", () =>
    Effect.map(ask("/metrics"), ({ headers, status }) => {
      assert.strictEqual(status, 200)
      assert.include(headers["content-type"], "text/plain; version=0.0.4")
    }))

  it.effect("says the same bounds in the contract and in the log", () =>
    Effect.sync(() => {
      assert.strictEqual(maxChildren, LogDirectory.maxChildren)
      assert.strictEqual(maxBatch, Batch.maxEvents)
    }))
})

const away = Effect.fail(new Unavailable({ reason: "The database is away", retryAfterSeconds: 2 }))
const unwell = Layer.merge(
  MemoryEventStore.layer.pipe(Layer.provideMerge(Growth.layer)),
  Layer.succeed(LogDirectory.Directory, { describe: () => away, children: () => away, check: away, horizonAge: away })
)

layer(layerOver(unwell))("a log that is away", (it) => {
  it.effect("is 503, and says when to try again", () =>
    Effect.gen(function*() {
      for (const path of ["/health", "/api/state/a", "/api/children/a"]) {
        const { error, headers, status } = yield* problem(path)
        assert.deepEqual([status, error._tag, headers["retry-after"]], [503, "Unavailable", "2"])
      }
    }))
})

const guarded = server({
  token: Redacted.make("secret"),
  ingestToken: Redacted.make("inbox"),
  allowedOrigins: ["https://app.example.com"],
  circuitBreaker: "off"
})
layer(guarded)("a server with a token", (it) => {
  it.effect("answers without it nowhere but at /health", () =>
    Effect.gen(function*() {
      for (const path of ["/", "/api/state/a", "/api/types", "/docs", "/openapi.json", "/metrics", "/nothing"]) {
        const { headers, status } = yield* problem(path)
        assert.deepEqual([status, headers["www-authenticate"]], [401, "Bearer"], path)
      }
      assert.strictEqual((yield* ask("/health")).status, 200)
      const guide = yield* ask("/", { headers: { authorization: "Bearer secret" } })
      assert.include(guide.text, "Bearer $MILLSTREAM_TOKEN")
      assert.notInclude(guide.text, "secret")
    }))

  it.effect("tells the server's own limit", () =>
    Effect.gen(function*() {
      yield* append("/off", { type: "ping" })
      const state = yield* json(StreamState, "/api/state/off", { headers: { authorization: "Bearer secret" } })
      assert.deepEqual(state.circuitBreaker, { enabled: false })
    }))

  it.effect("lets a page of an allowed origin read even a refusal", () =>
    Effect.gen(function*() {
      const origin = "https://app.example.com"
      const refused = yield* ask("/api/types", { headers: { origin } })
      assert.deepEqual([refused.status, refused.headers["access-control-allow-origin"]], [401, origin])
      const authorization = "Bearer secret"
      for (const query of ["live=false", "live=false&format=json", "limit=1"]) {
        const read = yield* ask(`/api/streams/?${query}`, { headers: { origin, authorization } })
        assert.deepEqual([read.status, read.headers["access-control-allow-origin"]], [200, origin], query)
        assert.strictEqual(read.headers["vary"], "Origin")
      }
      const preflight = yield* ask("/api/streams/a", {
        method: "OPTIONS",
        headers: { origin, "access-control-request-method": "POST" }
      })
      assert.deepEqual([preflight.status, preflight.headers["access-control-allow-origin"]], [204, origin])
      assert.strictEqual(preflight.headers["x-content-type-options"], "nosniff")
    }))

  it.effect("takes in what a sender brings with the token in the URL, and nothing else", () =>
    Effect.gen(function*() {
      const origin = "http://anywhere.example.com"
      const event = { method: "POST", body: "{\"type\":\"ping\"}", headers: { origin } }
      const taken = yield* ask("/in/inbox/letters/1", event)
      assert.deepEqual([taken.status, taken.headers["access-control-allow-origin"]], [201, origin])
      assert.include(taken.text, "\"type\":\"webhook/received\"")
      assert.notInclude(taken.text, "inbox")
      assert.strictEqual((yield* problem("/in/outbox/letters/1", event)).error._tag, "Unauthorized")
      assert.strictEqual((yield* problem("/in/secret/letters/1", event)).error._tag, "Unauthorized")
      for (const method of ["GET", "DELETE"]) {
        assert.strictEqual((yield* ask("/in/inbox/letters/1", { method })).status, 405)
      }
      const headers = { authorization: "Bearer inbox" }
      assert.strictEqual((yield* problem("/api/streams/letters/1", { method: "POST", headers })).status, 401)
      for (const path of ["/in/inbox/a//b", "/in/inbox/%zz", "/in/inbox/a/**"]) {
        const refused = yield* ask(path, event)
        assert.strictEqual(refused.status, 400, path)
        assert.notInclude(refused.text, "inbox")
      }
    }))
})
