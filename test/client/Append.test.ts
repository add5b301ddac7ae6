import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Redacted, Schema } from "effect"
import { FetchHttpClient } from "effect/http"
import * as Client from "../../src/client/Client.ts"
import { Offset, StreamError, Streams } from "../../src/millstream.ts"
import { connect } from "./Connected.ts"
import * as FakeServer from "./FakeServer.ts"
import { Ping, Pong } from "./Games.ts"

/** A 503 that asks for no patience, so that a test does not wait. */
const away = FakeServer.problem(503, "Unavailable", { reason: "The database is away", retryAfterSeconds: 0 })

describe("append", () => {
  it.live("sends the event as JSON and returns what was recorded", () =>
    Effect.gen(function*() {
      const recorded = FakeServer.event(2, "pong", { at: "2026-01-01T00:00:00.000Z" })
      const { client, server } = yield* connect([FakeServer.json(201, recorded)])
      const event = yield* client.append("/games", Pong.make({ at: DateTime.makeUnsafe("2026-01-01T00:00:00Z") }))
      assert.strictEqual(event.offset, 2)
      assert.strictEqual(DateTime.formatIso(event.createdAt), "2026-01-02T03:04:05.678Z")
      assert.strictEqual(server.requests[0]?.method, "POST")
      assert.strictEqual(server.requests[0]?.path, "/api/streams/games")
      assert.strictEqual(server.requests[0]?.headers["content-type"], "application/json")
      assert.deepStrictEqual(JSON.parse(server.requests[0]?.body ?? ""), {
        type: "pong",
        payload: { at: "2026-01-01T00:00:00.000Z" }
      })
    }))

  it.live("takes untyped events, alone and together, and sends the token", () =>
    Effect.gen(function*() {
      const { client, server } = yield* connect([
        FakeServer.json(201, FakeServer.event(2)),
        FakeServer.json(201, [FakeServer.event(3), FakeServer.event(4)])
      ], { token: Redacted.make("s3cret") })
      yield* client.append("/", { type: "ping", payload: { n: 2 }, offset: Offset.make(2) })
      const events = yield* client.appendAll("/games", [{ type: "ping" }, { type: "ping", metadata: { by: "me" } }])
      assert.deepStrictEqual(events.map(({ offset }) => offset), [3, 4].map((n) => Offset.make(n)))
      assert.deepStrictEqual(server.requests.map(({ path }) => path), ["/api/streams/", "/api/streams/games"])
      assert.strictEqual(server.requests[1]?.headers.authorization, "Bearer s3cret")
      const sent: unknown = JSON.parse(server.requests[1]?.body ?? "")
      assert.deepStrictEqual(sent, [{ type: "ping" }, { type: "ping", metadata: { by: "me" } }])
    }))

  it.live("the layer brings its own fetch and sends no trace headers", () =>
    Effect.gen(function*() {
      const server = yield* FakeServer.make([FakeServer.json(201, FakeServer.event(2))])
      yield* Effect.provide(
        Effect.flatMap(Streams, (streams) => streams.append("/games", { type: "ping" })),
        Client.layer({ baseUrl: server.baseUrl })
      )
      assert.notProperty(server.requests[0]?.headers, "traceparent")
      assert.notProperty(server.requests[0]?.headers, "b3")
    }))

  it.live("judges paths and events before anything is sent", () =>
    Effect.gen(function*() {
      const { client, server } = yield* connect([])
      const path = yield* Effect.flip(client.append("/a//b", { type: "ping" }))
      assert.strictEqual(path._tag, "InvalidPath")
      const type = yield* Effect.flip(client.append("/a", { type: "" }))
      assert.strictEqual(type._tag, "InvalidEvent")
      const untyped: { type: string } = JSON.parse("{\"type\":\"ping\",\"data\":1}")
      const field = yield* Effect.flip(client.appendAll("/a", [{ type: "ping" }, untyped]))
      assert.strictEqual(field.message, "Event 1: `data` is not a field of an event")
      assert.deepStrictEqual(yield* client.appendAll("/a", []), [])
      assert.strictEqual(server.requests.length, 0)
    }))

  it.live("is tried again only where a key makes that safe", () =>
    Effect.gen(function*() {
      const broken: FakeServer.Answer = (response) => response.destroy()
      const { client, server } = yield* connect([
        broken,
        away,
        FakeServer.json(200, FakeServer.event(2)),
        broken
      ])
      const keyed = yield* client.append("/games", Ping.make({ n: 2 }, { idempotencyKey: "once" }))
      assert.strictEqual(keyed.offset, 2)
      assert.strictEqual(server.requests.length, 3)
      const unkeyed = yield* Effect.flip(client.appendAll("/games", [
        Ping.make({ n: 2 }, { idempotencyKey: "once" }),
        Ping.make({ n: 3 })
      ]))
      assert.strictEqual(unkeyed._tag, "Unavailable")
      assert.match(unkeyed.message, /No answer from .*\/api\/streams\/games \(/)
      assert.strictEqual(server.requests.length, 4)
    }))

  it.live("gives up after its attempts", () =>
    Effect.gen(function*() {
      const { client, server } = yield* connect([away, away, away], { attempts: 2 })
      const error = yield* Effect.flip(client.append("/games", { type: "ping", idempotencyKey: "once" }))
      assert.strictEqual(error._tag, "Unavailable")
      assert.strictEqual(server.requests.length, 2)
    }))
})

describe("errors", () => {
  const streamPath = "/games"
  const pausedAt = "2026-01-02T03:04:05.678Z"
  const all: ReadonlyArray<readonly [number, string, Record<string, unknown>]> = [
    [400, "InvalidPath", { path: "/games/", reason: "a path does not end with /" }],
    [400, "InvalidRequest", { reason: "the same key twice" }],
    [401, "Unauthorized", { reason: "the token is missing" }],
    [403, "Forbidden", { reason: "not from there" }],
    [409, "IdempotencyConflict", { idempotencyKey: "once", offset: 3 }],
    [412, "OffsetMismatch", { expected: 3, actual: 4 }],
    [413, "PayloadTooLarge", { limit: 1_048_576, reason: "an event has at most 1 MiB" }],
    [422, "InvalidEvent", { reason: "no", field: "type", index: 2, example: { type: "stream/paused" } }],
    [423, "StreamPaused", { streamPath, reason: "circuit breaker", pausedAt }],
    [503, "Unavailable", { reason: "The database is away", retryAfterSeconds: 7 }]
  ]
  for (const [status, tag, fields] of all) {
    it.live(`${status} ${tag} comes back as itself`, () =>
      Effect.gen(function*() {
        const { client } = yield* connect([FakeServer.problem(status, tag, fields)])
        const error = yield* Effect.flip(client.append("/games", { type: "ping" }))
        const { _tag, ...encoded } = yield* Schema.encodeEffect(StreamError)(error)
        assert.strictEqual(_tag, tag)
        assert.deepStrictEqual(encoded, fields)
      }))
  }

  it.live("NotFound is an error of state alone", () =>
    Effect.gen(function*() {
      const notFound = FakeServer.problem(404, "NotFound", { reason: "there is no /games" })
      const { client, server } = yield* connect([notFound, notFound])
      assert.strictEqual((yield* Effect.flip(client.state("/games")))._tag, "NotFound")
      assert.strictEqual((yield* Effect.flip(client.append("/games", { type: "ping" })))._tag, "InvalidRequest")
      assert.strictEqual(server.requests[0]?.path, "/api/state/games")
    }))

  it.live("what is no Millstream server is told as such", () =>
    Effect.gen(function*() {
      const html: FakeServer.Answer = (response) => response.writeHead(200, { "content-type": "text/html" }).end("<p>")
      const { client } = yield* connect([FakeServer.json(404, "nothing here"), html])
      const missing = yield* Effect.flip(client.append("/games", { type: "ping" }))
      assert.match(missing.message, /answered 404.*address of a Millstream server/)
      const other = yield* Effect.flip(client.append("/games", { type: "ping" }))
      assert.strictEqual(other._tag, "InvalidRequest")
      assert.match(other.message, /does not answer as a Millstream server does/)
    }))

  it.live("a proxy's 503 names its Retry-After, and a refused connection its cause", () =>
    Effect.gen(function*() {
      const { client } = yield* connect([FakeServer.json(503, "busy", { "retry-after": "9" })], { attempts: 1 })
      const busy = yield* Effect.flip(client.state("/games"))
      assert.deepInclude(busy, { _tag: "Unavailable", retryAfterSeconds: 9 })
      const closed = yield* Effect.scoped(Effect.map(FakeServer.make([]), ({ baseUrl }) => baseUrl))
      const nobody = yield* Client.make({ baseUrl: closed, attempts: 1 }).pipe(Effect.provide(FetchHttpClient.layer))
      const refused = yield* Effect.flip(nobody.children("/"))
      assert.match(refused.message, /ECONNREFUSED/)
    }))
})

describe("state, children, causes and delete", () => {
  it.live("ask what the contract says", () =>
    Effect.gen(function*() {
      const at = "2026-01-02T03:04:05.678Z"
      const tooLarge = JSON.stringify(FakeServer.event(3)).replace("{\"n\":3}", "1e400")
      const state = { path: "/games", head: 4, createdAt: at, updatedAt: at, metadata: {}, paused: null }
      const { client, server } = yield* connect([
        away,
        FakeServer.json(200, { ...state, circuitBreaker: { enabled: false }, processors: {} }),
        FakeServer.json(200, [{ path: "/games/chess", head: 2, createdAt: at, updatedAt: at, children: 0 }]),
        FakeServer.ndjson(`${JSON.stringify(FakeServer.event(2))}\n${tooLarge}\n`),
        FakeServer.ndjson(""),
        FakeServer.json(200, { deleted: ["/games/chess"] }),
        away
      ])
      assert.strictEqual((yield* client.state("/games")).head, 4)
      const children = yield* client.children("/games", { recursive: true, limit: 10, after: "/games/checkers" })
      assert.strictEqual(children[0]?.path, "/games/chess")
      const chain = yield* client.causes("/games/chess", 3)
      assert.deepStrictEqual(chain.map(({ payload }) => payload), [{ n: 2 }, Number.MAX_VALUE])
      assert.deepStrictEqual(yield* client.causes("/games/chess", 3, { effects: true }), [])
      assert.deepStrictEqual(yield* client.delete("/games/chess", { recursive: true }), ["/games/chess"])
      assert.strictEqual((yield* Effect.flip(client.delete("/games/chess")))._tag, "Unavailable")
      assert.deepStrictEqual(server.requests.map(({ method, path, query }) => [method, path, query]), [
        ["GET", "/api/state/games", {}],
        ["GET", "/api/state/games", {}],
        ["GET", "/api/children/games", { recursive: "", limit: "10", after: "/games/checkers" }],
        ["GET", "/api/causes/games/chess", { offset: "3", format: "ndjson" }],
        ["GET", "/api/causes/games/chess", { offset: "3", format: "ndjson", effects: "" }],
        ["DELETE", "/api/streams/games/chess", { recursive: "" }],
        ["DELETE", "/api/streams/games/chess", {}]
      ])
    }))
})
