import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Backoff from "../../src/client/Backoff.ts"
import { Offset } from "../../src/millstream.ts"
import { connect } from "./Connected.ts"
import * as FakeServer from "./FakeServer.ts"
import { caughtUp, deleted, frame } from "./FakeServer.ts"
import { Ping, Pong } from "./Games.ts"

const offsets = (...numbers: ReadonlyArray<number>) => numbers.map((n) => Offset.make(n))
const collect = <E>(events: Stream.Stream<{ readonly offset: Offset }, E>) =>
  Stream.runCollect(Stream.map(events, ({ offset }) => offset))
const away = FakeServer.problem(503, "Unavailable", { reason: "The database is away", retryAfterSeconds: 0 })

describe("tail", () => {
  it.live("resumes after the last whole event, shows none twice, and ends with the stream", () =>
    Effect.gen(function*() {
      const half = frame(3).slice(0, 40)
      const { client, server } = yield* connect([
        FakeServer.sse(`${frame(1)}${frame(2)}${half}`, "break"),
        away,
        // One that resumes too early, as a cache between might.
        FakeServer.sse(`${frame(2)}: heartbeat\n\n${frame(3)}${frame(4)}${caughtUp(4)}`, "end"),
        FakeServer.sse(`${caughtUp(4)}${frame(5)}${deleted}`, "open")
      ])
      assert.deepStrictEqual(yield* collect(client.tail("/games")), offsets(1, 2, 3, 4, 5))
      assert.deepStrictEqual(server.requests.map(({ query }) => query), [
        { live: "true" },
        { afterOffset: "2", live: "true" },
        { afterOffset: "2", live: "true" },
        { afterOffset: "4", live: "true" }
      ])
      assert.isTrue(server.requests.every(({ headers }) => headers.accept === "text/event-stream"))
    }))

  it.live("from the end resumes at what was the end, and past events of other types", () =>
    Effect.gen(function*() {
      const { client, server } = yield* connect([
        FakeServer.sse(caughtUp(7), "break"),
        FakeServer.sse(caughtUp(9), "end"),
        FakeServer.sse(`${frame(10)}`, "open")
      ])
      const events = client.tail("/games", { after: "end", types: [Ping, Pong] }).pipe(Stream.take(1))
      assert.deepStrictEqual(yield* collect(events), offsets(10))
      assert.deepStrictEqual(server.requests.map(({ query }) => query), [
        { afterOffset: "end", types: "ping,pong", live: "true" },
        { afterOffset: "7", types: "ping,pong", live: "true" },
        { afterOffset: "9", types: "ping,pong", live: "true" }
      ])
    }))

  it.live("asks for what is left of its limit", () =>
    Effect.gen(function*() {
      const { client, server } = yield* connect([
        FakeServer.sse(`${frame(8)}${frame(9)}`, "break"),
        FakeServer.sse(frame(10), "end")
      ])
      assert.deepStrictEqual(yield* collect(client.tail("/games", { last: 3, limit: 3 })), offsets(8, 9, 10))
      assert.deepStrictEqual(server.requests.map(({ query }) => query), [
        { last: "3", limit: "3", live: "true" },
        { afterOffset: "9", limit: "1", live: "true" }
      ])
    }))

  it.live("decodes what it names and passes over what does not fit", () =>
    Effect.gen(function*() {
      const at = "2026-01-01T00:00:00.000Z"
      const { client } = yield* connect([
        FakeServer.sse(`${frame(2, "ping", { n: "one" })}${frame(3)}${frame(4, "pong", { at })}${deleted}`, "open")
      ])
      const events = yield* Stream.runCollect(client.tail("/games", { types: [Ping, Pong] }))
      const told = events.map((event) =>
        event.type === "ping" ? event.payload.n : DateTime.formatIso(event.payload.at)
      )
      assert.deepStrictEqual(told, [3, at])
    }))

  it.live("fails at once where the request is wrong, at first and later", () =>
    Effect.gen(function*() {
      const unauthorized = FakeServer.problem(401, "Unauthorized", { reason: "the token is wrong" })
      const { client, server } = yield* connect([unauthorized, FakeServer.sse(frame(1), "break"), unauthorized])
      assert.strictEqual((yield* Effect.flip(collect(client.tail("/games"))))._tag, "Unauthorized")
      assert.strictEqual((yield* Effect.flip(collect(client.tail("/games"))))._tag, "Unauthorized")
      assert.strictEqual((yield* Effect.flip(collect(client.tail("/a/"))))._tag, "InvalidPath")
      assert.strictEqual(server.requests.length, 3)
    }))

  it.live("gives up where it was never connected", () =>
    Effect.gen(function*() {
      const { client, server } = yield* connect([away, FakeServer.sse("", "end")], { attempts: 2 })
      assert.strictEqual((yield* Effect.flip(collect(client.tail("/games"))))._tag, "Unavailable")
      assert.strictEqual(server.requests.length, 2)
    }))

  it.live("does not give up once it was connected", () =>
    Effect.gen(function*() {
      const { client, server } = yield* connect([
        FakeServer.sse(frame(1), "break"),
        away,
        away,
        FakeServer.sse(`${frame(2)}${deleted}`, "open")
      ], { attempts: 1 })
      assert.deepStrictEqual(yield* collect(client.tail("/games")), offsets(1, 2))
      assert.strictEqual(server.requests.length, 4)
    }))

  it.live("closes its connection when its reader leaves", () =>
    Effect.gen(function*() {
      const left = Promise.withResolvers<void>()
      const { client } = yield* connect([(response, request) => {
        response.on("close", () => left.resolve())
        FakeServer.sse(frame(1), "open")(response, request)
      }])
      assert.deepStrictEqual(yield* collect(Stream.take(client.tail("/games"), 1)), offsets(1))
      yield* Effect.promise(() => left.promise)
    }))

  it.effect("takes a connection that is silent for 45 seconds for dead", () =>
    Effect.gen(function*() {
      const dropped = Promise.withResolvers<void>()
      let open = true
      const { client, server } = yield* connect([
        (response, request) => {
          response.on("close", () => {
            open = false
            dropped.resolve()
          })
          FakeServer.sse(frame(1), "open")(response, request)
        },
        FakeServer.sse(`${frame(2)}${deleted}`, "open")
      ])
      const events = yield* Effect.forkChild(collect(client.tail("/games")))
      // Sockets take real time, of which the test's clock knows nothing: it moves between turns of the event loop until
      // what should follow from it has happened.
      const turn = Effect.promise(() => new Promise<void>((resolve) => void setImmediate(resolve)))
      yield* server.arrived(1)
      while (open) yield* Effect.andThen(TestClock.adjust("15 seconds"), turn)
      yield* Effect.promise(() => dropped.promise)
      while (server.requests.length < 2) yield* Effect.andThen(TestClock.adjust("5 millis"), turn)
      assert.deepStrictEqual(yield* Fiber.join(events), offsets(1, 2))
      assert.deepStrictEqual(server.requests[1]?.query, { afterOffset: "1", live: "true" })
    }))
})

describe("tailWithin", () => {
  const within = (id: string, offset: number, path: string) =>
    `id: ${id}\ndata: ${JSON.stringify(FakeServer.event(offset, "ping", {}, path))}\n\n`

  it.live("resumes by cursor", () =>
    Effect.gen(function*() {
      const { client, server } = yield* connect([
        FakeServer.sse(`${within("a1", 2, "/games")}${within("b2", 2, "/games/chess")}`, "break"),
        FakeServer.sse("event: caught-up\ndata: {\"cursor\":\"c9\"}\n\n", "end"),
        FakeServer.sse(within("d3", 3, "/games/chess"), "open")
      ])
      const events = yield* Stream.runCollect(client.tailWithin("/games", { limit: 3 }))
      assert.deepStrictEqual(
        events.map(({ offset, streamPath }) => `${streamPath} ${offset}`),
        ["/games 2", "/games/chess 2", "/games/chess 3"]
      )
      assert.deepStrictEqual(server.requests.map(({ path, query }) => [path, query]), [
        ["/api/streams/games/**", { live: "true" }],
        ["/api/streams/games/**", { after: "b2", live: "true" }],
        ["/api/streams/games/**", { after: "c9", live: "true" }]
      ])
    }))

  it.live("takes the root for all streams", () =>
    Effect.gen(function*() {
      const { client, server } = yield* connect([FakeServer.sse(within("a1", 2, "/games"), "open")])
      assert.deepStrictEqual(yield* collect(Stream.take(client.tailWithin("/"), 1)), offsets(2))
      assert.strictEqual(server.requests[0]?.path, "/api/streams/**")
    }))
})

describe("read", () => {
  const line = (offset: number, type?: string, payload?: unknown) =>
    `${JSON.stringify(FakeServer.event(offset, type, payload))}\n`

  it.live("ends with what exists, and goes on where a connection was cut", () =>
    Effect.gen(function*() {
      const { client, server } = yield* connect([
        FakeServer.ndjson(`${line(1)}${line(2)}${line(3).slice(0, 30)}`, "break"),
        FakeServer.ndjson(line(3) + line(4).slice(0, 30)),
        FakeServer.ndjson(line(4, "ping", { text: "è — 😀 \u2028" }))
      ])
      const events = yield* Stream.runCollect(client.read("/games"))
      assert.deepStrictEqual(events.map(({ offset }) => offset), offsets(1, 2, 3, 4))
      assert.deepStrictEqual(events[3]?.payload, { text: "è — 😀 \u2028" })
      assert.deepStrictEqual(server.requests.map(({ query }) => query), [
        { live: "false" },
        { afterOffset: "2", live: "false" },
        { afterOffset: "3", live: "false" }
      ])
    }))

  it.live("counts its limit after decoding", () =>
    Effect.gen(function*() {
      const { client, server } = yield* connect([
        FakeServer.ndjson(line(1, "ping", { n: "one" }) + line(2) + line(3) + line(4))
      ])
      assert.deepStrictEqual(yield* collect(client.read("/games", { types: [Ping], limit: 2 })), offsets(2, 3))
      assert.deepStrictEqual(server.requests[0]?.query, { types: "ping", live: "false" })
    }))

  it.live("gives up where nothing comes any more", () =>
    Effect.gen(function*() {
      const { client, server } = yield* connect([FakeServer.ndjson(line(1), "break"), away], { attempts: 2 })
      assert.strictEqual((yield* Effect.flip(collect(client.read("/games"))))._tag, "Unavailable")
      assert.strictEqual(server.requests.length, 2)
    }))
})

describe("backoff", () => {
  it("doubles up to its bound, with jitter, and honours what the server asks for", () => {
    const millis = (failures: number, random: number, retryAfterSeconds?: number) =>
      Duration.toMillis(Backoff.delay(failures, random, retryAfterSeconds))
    assert.deepStrictEqual([1, 2, 3, 50].map((failures) => millis(failures, 1)), [250, 500, 1_000, Backoff.maxMillis])
    assert.strictEqual(millis(1, 0), 125)
    assert.strictEqual(millis(1, 0, 7), 7_000)
    assert.strictEqual(millis(1, 0, 86_400), Backoff.maxRetryAfterSeconds * 1_000)
  })
})
