/** What a stream asks for is known from memory where it was written last: strangers cost the log no look. */
import { assert, layer as layered } from "@effect/vitest"
import { Effect, Layer, Redacted } from "effect"
import { Directory } from "../../../src/log/Directory.ts"
import { Growth } from "../../../src/log/Growth.ts"
import * as MemoryEventStore from "../../../src/log/MemoryEventStore.ts"
import * as TestPostgres from "../../TestPostgres.ts"
import type { TestServer } from "../TestServer.ts"
import { layerOver } from "../TestServer.ts"
import { asking, deliver, fresh, post, refused, secrets, token } from "./Posting.ts"
import { samples } from "./Sent.ts"

const settings = { token: Redacted.make(token) }

/** How often the log was asked for a stream. */
let looks = 0
const counted = Layer.effect(
  Directory,
  Effect.map(Directory, (directory) => ({
    ...directory,
    describe: (path) => Effect.suspend(() => {
      looks++
      return directory.describe(path)
    })
  }))
)

const suite = <E>(name: string, server: Layer.Layer<TestServer, E>) =>
  layered(server, { excludeTestServices: true, timeout: "60 seconds" })(`a stranger, ${name}`, (it) => {
    it.effect("has the log asked only where memory does not say that a signature is asked for", () =>
      Effect.gen(function*() {
        const path = yield* asking("slack")
        looks = 0
        for (const off of [0, 1]) {
          refused(yield* post(path, "{}", { isClient: false }), 401, /signed: the header/)
          refused(yield* deliver(path, samples.slackEvent, { isClient: false, sent: "{}" }), 401, /does not fit/)
          yield* deliver(path, samples.slackCommand, { isClient: false, off })
        }
        assert.strictEqual(looks, 0)
        refused(yield* post(fresh(), "{}", { isClient: false }), 401, /^This server needs its token/)
        assert.strictEqual(looks, 1)
      }))
  })

const memory = MemoryEventStore.layer.pipe(Layer.provideMerge(Growth.layer))
suite("in memory", layerOver(counted.pipe(Layer.provideMerge(memory)), settings, { secrets }))
suite("on Postgres", layerOver(counted.pipe(Layer.provideMerge(TestPostgres.log)), settings, { secrets }))
