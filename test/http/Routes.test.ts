/** The server around its streams: types, guide, health, spelling, wrong turns, and who may do what. */
import { assert, layer } from "@effect/vitest"
import { Effect, Redacted, Schema } from "effect"
import * as ControlEvent from "../../src/domain/ControlEvent.ts"
import { judge } from "../../src/domain/Judgement.ts"
import { propose } from "../../src/domain/EventText.ts"
import { StreamState } from "../../src/domain/StreamState.ts"
import { Health, TypeDescription, TypeSummary } from "../../src/api/SystemApi.ts"
import { append, ask, json, problem } from "./Asked.ts"
import { layer as server, TestServer } from "./TestServer.ts"

layer(server())("the server itself", (it) => {
  it.effect("describes every control event", () =>
    Effect.gen(function*() {
      const types = yield* json(Schema.Array(TypeSummary), "/api/types")
      assert.deepEqual(types.map(({ type }) => type), [...ControlEvent.all.keys()])
      for (const { type } of types) {
        for (const path of [type, encodeURIComponent(type)]) {
          const described = yield* json(TypeDescription, `/api/types/${path}`)
          const example = described.example ?? { type: "none" }
          assert.strictEqual(example.type, type)
          const control = ControlEvent.all.get(type)
          const payload = Schema.toCodecJson(control?.eventType.payload ?? Schema.Never)
          assert.isTrue(Schema.is(Schema.toEncoded(payload))(example.payload))
          assert.strictEqual(described.schema["$schema"], "https://json-schema.org/draft/2020-12/schema")
          // What a client may append is ready to be sent.
          const refusal = judge(propose(example))
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
        const routes = ["state/", "children/", "causes/", "processors", "types"].map((name) => `/api/${name}`)
        for (const part of ["curl -d", "curl -N", ...routes, "/docs"]) {
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
