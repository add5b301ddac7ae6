/** Verification over HTTP: in memory and on Postgres, by routes and the short way, and on two servers at once. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { Growth } from "../../../src/log/Growth.ts"
import * as MemoryEventStore from "../../../src/log/MemoryEventStore.ts"
import * as TestPostgres from "../../TestPostgres.ts"
import { layerOver, TestServer } from "../TestServer.ts"
import { configure, deliver, fresh, ingestToken, post, refused, remove, secrets, token, types } from "./Posting.ts"
import { samples } from "./Sent.ts"
import { suite } from "./Suite.ts"

const settings = { token: Redacted.make(token), ingestToken: Redacted.make(ingestToken) }
const memory = MemoryEventStore.layer.pipe(Layer.provideMerge(Growth.layer))

suite("by routes", layerOver(memory, settings, { secrets }))
suite("the short way", layerOver(memory, settings, { secrets, port: "short" }))
suite("on Postgres", layerOver(TestPostgres.log, settings, { secrets, port: "short" }))

class Other extends Context.Service<Other, TestServer["Service"]>()("millstream/test/Other") {}

/** Another server of the same database, which hears late of what the first one does. */
const two = Layer.unwrap(Effect.gen(function*() {
  const database = yield* Layer.build(TestPostgres.layer)
  const log = Layer.fresh(TestPostgres.logOver).pipe(Layer.provide(Layer.succeedContext(database)))
  const server = Layer.fresh(layerOver(log, settings, { secrets }))
  return Layer.merge(server, Layer.succeed(Other, yield* Effect.provide(TestServer, yield* Layer.build(server))))
}))

layer(two, { excludeTestServices: true, timeout: "60 seconds" })("two servers", (it) => {
  it.effect("agree on what a stream asks for, whoever heard of it", () =>
    Effect.gen(function*() {
      const other = yield* Other
      const there = Effect.provideService(TestServer, other)
      for (let i = 0; i < 10; i++) {
        const path = fresh()
        assert.strictEqual((yield* there(post(path, "1"))).status, 201)
        yield* configure(path, "slack")
        refused(yield* there(post(path, "2")), 401, /Slack/)
        const first = yield* there(deliver(path, samples.slackEvent))
        assert.strictEqual(first.status, 201, first.text)
        assert.strictEqual((yield* deliver(path, samples.slackEvent, { isClient: false, off: 1 })).text, first.text)
        yield* remove(path)
        refused(yield* there(deliver(path, samples.slackEvent, { isClient: false })), 401, /token/)
        assert.strictEqual((yield* there(post(path, "3"))).status, 201)
        assert.deepStrictEqual(yield* types(path), ["webhook/received"])
      }
    }))
})
