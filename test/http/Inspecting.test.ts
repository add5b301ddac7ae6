/** What is told of streams without their history, and what is left of them when they are deleted. */
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { Child, StreamState } from "../../src/domain/StreamState.ts"
import { Unavailable } from "../../src/domain/StreamError.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Deleted } from "../../src/api/StreamsApi.ts"
import { Directory } from "../../src/log/Directory.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import { Growth } from "../../src/log/Growth.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
import { append, ask, json, problem } from "./Asked.ts"
import { layer as server, layerOver } from "./TestServer.ts"

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

const away = Effect.fail(new Unavailable({ reason: "The database is away", retryAfterSeconds: 2 }))
const unwell = Layer.merge(
  MemoryEventStore.layer.pipe(Layer.provideMerge(Growth.layer)),
  Layer.succeed(Directory, { describe: () => away, children: () => away, check: away, horizonAge: away })
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
