/** Bodies that arrive share a room: what has none is refused, at both doors, and what was taken is given back. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Metric } from "effect"
import { HttpServer, HttpServerResponse } from "effect/http"
import { createServer, request as send } from "node:http"
import { maxRequestBytes } from "../../src/domain/Bounds.ts"
import * as BodyRoom from "../../src/http/BodyRoom.ts"
import * as HotAppend from "../../src/http/HotAppend.ts"
import * as NodeServer from "../../src/http/NodeServer.ts"
import { Secrets } from "../../src/builtin/Secrets.ts"
import { Growth } from "../../src/log/Growth.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
import { defaults, ServiceConfig } from "../../src/ServiceConfig.ts"
import { crowded, left, start } from "./Crowding.ts"
import { asking, layer as server } from "./TestServer.ts"
import type { TestServer } from "./TestServer.ts"

/** A server of the short way alone, which leaves no request to a route. */
const hot = asking.pipe(
  Layer.provideMerge(HttpServer.serve(Effect.succeed(HttpServerResponse.empty({ status: 404 })))),
  Layer.provide(Layer.unwrap(Effect.map(HotAppend.make, (take) => {
    const options = { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: "100 millis" } as const
    return NodeHttpServer.layer(() => take(createServer()), options)
  }))),
  Layer.provide(MemoryEventStore.layer.pipe(Layer.provideMerge(Growth.layer))),
  Layer.provide([Secrets.layer, ServiceConfig.layerOptions({})])
)

const event = "{\"type\":\"ping\"}"
const room = BodyRoom.ofProcess

const doors: { readonly [name: string]: Layer.Layer<TestServer, unknown> } = {
  "a route": server(),
  "the short way": hot
}
for (const [name, served] of Object.entries(doors)) {
  describe(`the room for bodies, at ${name}`, () => {
    it.live("is no more than there is: who finds none is told when to try again", () =>
      Effect.gen(function*() {
        const refused = yield* crowded(room, Effect.gen(function*() {
          const { answer, sent } = yield* start({ "content-length": event.length })
          sent.write(event.slice(0, 5))
          return yield* Effect.ensuring(answer, Effect.sync(() => sent.destroy()))
        }))
        assert.deepEqual([refused.status, refused.retryAfter], [503, "1"])
        assert.include(refused.text, "\"_tag\":\"Unavailable\"")
        const again = yield* start({ "content-length": event.length })
        again.sent.end(event)
        assert.strictEqual((yield* again.answer).status, 201)
      }).pipe(Effect.provide(served)))

    it.live("is not asked for by a short body that is there as a whole", () =>
      crowded(room, Effect.gen(function*() {
        const { answer, sent } = yield* start({ "content-length": event.length })
        sent.end(event)
        assert.strictEqual((yield* answer).status, 201)
      })).pipe(Effect.provide(served)))

    it.live("is given back by who is done and by who goes", () =>
      Effect.gen(function*() {
        const all = room.free
        const done = yield* start({ "content-length": event.length })
        done.sent.write(event.slice(0, 5))
        const gone = yield* start({ "content-length": event.length })
        gone.sent.write(event.slice(0, 7))
        yield* left(room, all - 12)
        done.sent.end(event.slice(5))
        assert.strictEqual((yield* done.answer).status, 201)
        assert.strictEqual(room.free, all - 7)
        gone.sent.destroy()
        yield* left(room, all)
      }).pipe(Effect.provide(served)))
  })
}

describe("the room for bodies", () => {
  // Without a length it is refused only once it has turned out too long.
  it.live("is given back by a body that turned out too long", () =>
    Effect.gen(function*() {
      const all = room.free
      const { answer, sent } = yield* start()
      sent.end(Buffer.alloc(maxRequestBytes + 1))
      assert.strictEqual((yield* answer).status, 413)
      yield* left(room, all)
    }).pipe(Effect.provide(server())))
})

describe("the sockets of a server", () => {
  it.effect("are as many as its tails and some to spare", () =>
    Effect.gen(function*() {
      const server = yield* NodeServer.make({ ...defaults, maxTails: 7, requestSeconds: 5 })
      assert.strictEqual(server.maxConnections, 7 + NodeServer.otherSockets)
      assert.deepEqual([server.requestTimeout, server.headersTimeout], [5_000, 5_000])
      assert.strictEqual((yield* NodeServer.make(defaults)).headersTimeout, 10_000)
    }))

  it.live("are closed beyond that", () =>
    Effect.gen(function*() {
      const server = yield* NodeServer.make(defaults)
      server.maxConnections = 1
      server.on("request", (_, response) => response.write("here"))
      yield* Effect.acquireRelease(
        Effect.promise(() => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))),
        () => Effect.sync(() => server.close())
      )
      const address = server.address()
      const port = typeof address === "object" ? address?.port : 0
      const ask = () =>
        new Promise<string>((resolve) => {
          const sent = send({ host: "127.0.0.1", port, agent: false })
          sent.on("response", ({ statusCode }) => resolve(String(statusCode)))
          sent.on("error", () => resolve("closed"))
          sent.end()
        })
      assert.deepEqual([yield* Effect.promise(ask), yield* Effect.promise(ask)], ["200", "closed"])
      const refused = yield* Metric.snapshot
      const counted = refused.find(({ id }) => id === "millstream_sockets_refused_total")
      assert.strictEqual(counted?.type === "Counter" ? Number(counted.state.count) : 0, 1)
      server.closeAllConnections()
    }).pipe(Effect.scoped))
})
