/** Answers that a fault or a delete cuts short: nobody may take them for complete. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { HttpServer, HttpServerResponse } from "effect/http"
import { createServer } from "node:http"
import { EventStore } from "../../src/log/EventStore.ts"
import type { Page, ReadOptions } from "../../src/log/EventStore.ts"
import { Secrets } from "../../src/builtin/Secrets.ts"
import { Growth } from "../../src/log/Growth.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
import * as HotAppend from "../../src/http/HotAppend.ts"
import { ServiceConfig } from "../../src/ServiceConfig.ts"
import { layerOver, patience, TestServer } from "./TestServer.ts"

const memory = MemoryEventStore.layer.pipe(Layer.provideMerge(Growth.layer))

/** The log in memory, with a part of its store replaced. */
const over = (part: Partial<EventStore["Service"]>) =>
  Layer.effect(EventStore, Effect.map(EventStore, (store) => ({ ...store, ...part }))).pipe(Layer.provideMerge(memory))

const head = 3_000
/** Pages of a stream, `pageSize` events each, that is another one behind `until`. */
const pages = (until: number, pageSize: number) => (_: string, { after }: ReadOptions): Effect.Effect<Page> => {
  const lines = Array.from({ length: pageSize }, (_, i) => `{"offset":${after + i + 1}}`)
  return Effect.succeed({ lines, last: after + pageSize, head, life: after < until ? 1n : 2n })
}

layer(layerOver(over({ read: pages(1, 1_000) })))("a short array whose stream is deleted", (it) => {
  it.effect("is a problem that tells to try again", () =>
    Effect.gen(function*() {
      const { status, headers, text } = yield* (yield* TestServer).ask("/api/streams/a?format=json")
      assert.strictEqual(status, 503)
      assert.strictEqual(headers["retry-after"], "1")
      assert.include(text, "The stream was deleted while it was read")
    }))
})

layer(layerOver(over({ read: pages(1_500, 1_000) })))("a long array whose stream is deleted", (it) => {
  it.effect("is broken off", () =>
    Effect.gen(function*() {
      const { port } = yield* TestServer
      const signal = AbortSignal.timeout(patience)
      const answer = yield* Effect.promise(() =>
        fetch(`http://127.0.0.1:${port}/api/streams/a?format=json`, { signal }))
      assert.strictEqual(answer.status, 200)
      const read = yield* Effect.exit(Effect.tryPromise(() => answer.text()))
      assert.strictEqual(read._tag, "Failure")
    }))
})

/** A server of the short way alone. */
const hot = HttpServer.serve(Effect.succeed(HttpServerResponse.empty({ status: 404 }))).pipe(
  Layer.provideMerge(Layer.unwrap(Effect.map(HotAppend.make, (take) => {
    const options = { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: "100 millis" } as const
    return NodeHttpServer.layer(() => take(createServer()), options)
  }))),
  Layer.provide(over({ append: () => Effect.die(new Error("a fault of ours")) })),
  Layer.provide([Secrets.layer, ServiceConfig.layerOptions({})])
)

describe("an append that ends in a defect", () => {
  it.live("is answered, and the server goes on", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const port = "port" in address ? address.port : 0
      const body = "{\"type\":\"ping\"}"
      const headers = { "content-type": "application/json" }
      for (let i = 0; i < 2; i++) {
        const signal = AbortSignal.timeout(patience)
        const answer = yield* Effect.promise(() =>
          fetch(`http://127.0.0.1:${port}/api/streams/a`, { method: "POST", body, headers, signal })
        )
        assert.strictEqual(answer.status, 503)
        assert.include(yield* Effect.promise(() => answer.text()), "The server failed; its log says why")
      }
    }).pipe(Effect.provide(hot)))
})
