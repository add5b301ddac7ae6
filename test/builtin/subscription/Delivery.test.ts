/** Subscriptions at work on a log in memory: what is pushed, in which order, and where it goes on. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Queue } from "effect"
import { TestHost } from "../../../src/testing/TestHost.ts"
import * as Workshop from "../../processor/Workshop.ts"
import type { Pushed } from "./Delivering.ts"
import { configure, cursorOf, offsetsOf, ping, pings, resumed, told, working } from "./Delivering.ts"

const { append, pass, quiet } = Workshop

describe("delivery", () => {
  it.effect("pushes what comes, in order and as it is, but not what is said of subscriptions", () => {
    const { on, take } = working()
    return on(Effect.gen(function*() {
      yield* append("/s", ping(0), configure("a"), ...pings(1, 3))
      const removed = { type: "subscription/removed", payload: { slug: "x" } }
      yield* append("/s", removed, ping(4))
      const pushed = yield* take(4)
      const lines = yield* told("/s", "ping")
      assert.deepStrictEqual(pushed.map(({ text }) => JSON.parse(text).payload.n), [1, 2, 3, 4])
      assert.strictEqual(JSON.parse(pushed[0]?.text ?? "").createdAt, lines[1]?.createdAt.toJSON())
      const { headers, url } = pushed[0] ?? assert.fail("Nothing was pushed")
      assert.strictEqual(url, "https://receiver.test/hook")
      assert.include(headers, {
        "content-type": "application/json",
        "millstream-subscription": "a",
        "millstream-stream": "/s",
        "millstream-offset": "4"
      })
      assert.match(headers["user-agent"] ?? "", /^millstream\/\d+\.\d+\.\d+$/)
      assert.match(headers["webhook-id"] ?? "", /^msg_/)
      assert.notProperty(headers, "webhook-signature")
      assert.strictEqual(new Set(pushed.map(({ headers }) => headers["webhook-id"])).size, 4)
    }))
  })

  it.effect("begins at the start or behind an offset, and takes only the types it names", () => {
    const { offsets, on } = working()
    return on(Effect.gen(function*() {
      yield* append("/s", ...pings(1, 3), configure("a", { startFrom: "start" }))
      assert.deepStrictEqual(yield* offsets(4), [[1], [2], [3], [4]])
      yield* append("/s", configure("a", { startFrom: 2, types: ["ping"] }), { type: "pong" }, ping(5))
      assert.deepStrictEqual(yield* offsets(3), [[3], [4], [8]])
    }))
  })

  it.effect("moves its cursor past what it does not want", () => {
    const { offsets, on } = working()
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a", { filter: "payload.n = 3", startFrom: "start" }), ...pings(1, 9))
      assert.deepStrictEqual(yield* offsets(1), [[5]])
      yield* quiet
      yield* pass("1 minute")
      assert.deepStrictEqual(yield* cursorOf("/s", "a"), { at: 11, generation: 2 })
    }))
  })

  it.effect("sends batches of what exists, and what a transform makes", () => {
    const { on, take } = working()
    return on(Effect.gen(function*() {
      yield* append("/s", ...pings(1, 5), configure("a", { startFrom: "start", types: ["ping"], batch: 2 }))
      assert.deepStrictEqual((yield* take(3)).map(offsetsOf), [[2, 3], [4, 5], [6]])
      yield* append("/s", configure("b", { startFrom: "start", types: ["ping"], transform: "{ \"n\": payload.n }" }))
      assert.deepStrictEqual((yield* take(5)).map(({ text }) => text), [1, 2, 3, 4, 5].map((n) => `{"n":${n}}`))
      yield* append("/s", configure("c", { startFrom: 4, types: ["ping"], transform: "payload.n", batch: 9 }))
      assert.strictEqual((yield* take(1))[0]?.text, "{\"events\":[4,5]}")
    }))
  })

  it.effect("one that hangs delays no other", () => {
    const never = working((pushed) => pushed.url.includes("slow") ? Effect.never : Effect.succeed(200))
    return never.on(Effect.gen(function*() {
      yield* append("/s", configure("slow", { url: "https://slow.test" }), configure("a"), ...pings(1, 20))
      const all = yield* never.take(21)
      assert.strictEqual(all.filter(({ url }) => url.includes("slow")).length, 1)
    }))
  })

  it.effect("stops when it is removed, and keeps its place when it is configured again", () => {
    const { offsets, on, pushed } = working()
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a"), ping(1), ping(2))
      assert.deepStrictEqual(yield* offsets(2), [[3], [4]])
      yield* append("/s", configure("a", { batch: 5 }), ping(3))
      assert.deepStrictEqual(yield* offsets(1), [[6]])
      yield* append("/s", { type: "subscription/removed", payload: { slug: "a" } })
      yield* quiet
      yield* append("/s", ping(4))
      yield* pass("1 minute")
      assert.strictEqual(yield* Queue.size(pushed), 0)
      yield* append("/s", configure("a"), ping(5))
      assert.deepStrictEqual(yield* offsets(1), [[10]])
    }))
  })

  it.effect("goes on where it was after a restart, also in the middle of a push", () =>
    Effect.gen(function*() {
      const hanging = yield* Deferred.make<void>()
      const first = working((_, index) => index === 2
        ? Effect.andThen(Deferred.succeed(hanging, undefined), Effect.never)
        : Effect.succeed(200))
      let id: string | undefined
      yield* first.during(Effect.gen(function*() {
        yield* append("/s", configure("a"), ...pings(1, 4))
        yield* Deferred.await(hanging)
        const all: ReadonlyArray<Pushed> = yield* first.take(3)
        id = all[2]?.headers["webhook-id"]
      }))
      const second = working()
      yield* second.during(Effect.gen(function*() {
        const all = yield* second.take(2)
        assert.deepStrictEqual(all.map(offsetsOf), [[5], [6]])
        assert.strictEqual(all[0]?.headers["webhook-id"], id)
      }))
    }).pipe(Effect.provide(TestHost.layerLog({ breaker: "off" }))))

  it.effect("goes on while its stream is paused", () => {
    const { offsets, on } = working()
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a"), ping(1), { type: "stream/paused", payload: {} })
      assert.deepStrictEqual(yield* offsets(2), [[3], [4]])
    }))
  })
})

describe("a replay", () => {
  it.effect("of one that is not parked pushes again, under the same names", () => {
    const { on, take } = working()
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a"), ping(1), ping(2))
      const ids = (yield* take(2)).map(({ headers }) => headers["webhook-id"])
      yield* append("/s", resumed({ from: 3 }))
      assert.deepStrictEqual((yield* take(2)).map(({ headers }) => headers["webhook-id"]), ids)
    }))
  })
})
