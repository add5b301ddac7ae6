/** What followers share of what they read, and what each of them must read anew. */
import { assert, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as FollowReads from "../../../src/builtin/subscription/FollowReads.ts"
import { propose } from "../../../src/domain/EventText.ts"
import { Unavailable } from "../../../src/domain/StreamError.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import { Growth } from "../../../src/log/Growth.ts"
import * as MemoryEventStore from "../../../src/log/MemoryEventStore.ts"

const memory = MemoryEventStore.layerOptions({ breaker: "off" }).pipe(Layer.provideMerge(Growth.layer))
const path = StreamPath.make("/shared")

/** A log of some events whose reads wait for a word, and are counted. */
const slow = (events: number) =>
  Effect.gen(function*() {
    const store = yield* EventStore
    const append = (count: number) =>
      store.append({ path, events: Array.from({ length: count }, () => propose({ type: "ping" })) })
    for (let left = events; left > 0; left -= 1_000) yield* append(Math.min(left, 1_000))
    const begun: Array<Deferred.Deferred<void, Unavailable>> = []
    const shared = yield* FollowReads.share({
      ...store,
      read: (path, options) =>
        Effect.suspend(() => {
          const go = Deferred.makeUnsafe<void, Unavailable>()
          begun.push(go)
          // As Postgres does: the snapshot is taken when it begins.
          return Effect.flatMap(store.read(path, options), (page) => Effect.as(Deferred.await(go), page))
        })
    }, yield* Growth)
    const reading = (after = 0) => Effect.forkChild(shared.read(path, { after }), { startImmediately: true })
    const go = (index: number) => Deferred.succeed(begun[index] ?? assert.fail("Nobody reads"), undefined)
    return { append, begun, go, reading, store, shared }
  })

it.effect("a page with more behind it is read once by all who ask for it, and for some time", () =>
  Effect.gen(function*() {
    const { begun, go, reading } = yield* slow(2_000)
    const readers = yield* Effect.forEach([1, 2, 3], () => reading())
    yield* Effect.yieldNow
    yield* go(0)
    const pages = yield* Effect.forEach(readers, Fiber.join)
    assert.strictEqual(begun.length, 1)
    for (const page of pages) assert.strictEqual(page, pages[0])
    assert.strictEqual(yield* Effect.flatMap(reading(), Fiber.join), pages[0])
    yield* TestClock.adjust("2 seconds")
    yield* reading()
    yield* Effect.yieldNow
    assert.strictEqual(begun.length, 2)
  }).pipe(Effect.scoped, Effect.provide(memory)))

it.effect("pages are kept up to so many characters in all, the newest first", () =>
  Effect.gen(function*() {
    const store = yield* EventStore
    const line = "x".repeat(1_000_000)
    const asked: Array<number> = []
    const shared = yield* FollowReads.share({
      ...store,
      read: (_, { after }) =>
        Effect.sync(() => {
          asked.push(after)
          return { lines: [line], last: after + 1, head: 100, life: 1n }
        })
    }, yield* Growth)
    for (let after = 0; after < 20; after++) yield* shared.read(path, { after })
    yield* shared.read(path, { after: 19 })
    yield* shared.read(path, { after: 4 })
    assert.strictEqual(asked.length, 20)
    yield* shared.read(path, { after: 3 })
    assert.strictEqual(asked.length, 21)
  }).pipe(Effect.scoped, Effect.provide(memory)))

it.effect("the end of a stream is not what it was before somebody asked", () =>
  Effect.gen(function*() {
    const { append, begun, go, reading } = yield* slow(3)
    const first = yield* reading()
    yield* Effect.yieldNow
    yield* append(1)
    const [second, third] = [yield* reading(), yield* reading()]
    yield* go(0)
    assert.strictEqual((yield* Fiber.join(first)).head, 4)
    yield* Effect.yieldNow
    yield* go(1)
    const page = yield* Fiber.join(second)
    assert.strictEqual(page.head, 5)
    assert.strictEqual(yield* Fiber.join(third), page)
    assert.strictEqual(begun.length, 2)
  }).pipe(Effect.scoped, Effect.provide(memory)))

it.effect("who is called off does not take the others along, and a failure is not kept", () =>
  Effect.gen(function*() {
    const { begun, go, reading } = yield* slow(2_000)
    const first = yield* reading()
    const second = yield* reading()
    yield* Effect.yieldNow
    yield* Fiber.interrupt(first)
    yield* go(0)
    assert.strictEqual((yield* Fiber.join(second)).last, 1_000)
    const failing = yield* reading(1)
    yield* Effect.yieldNow
    const away = new Unavailable({ reason: "It is away", retryAfterSeconds: 1 })
    yield* Deferred.fail(begun[1] ?? assert.fail("Nobody reads"), away)
    assert.strictEqual(yield* Effect.flip(Fiber.join(failing)), away)
    const again = yield* reading(1)
    yield* Effect.yieldNow
    yield* go(2)
    assert.strictEqual((yield* Fiber.join(again)).last, 1_001)
  }).pipe(Effect.scoped, Effect.provide(memory)))

it.effect("what was deleted is not read from memory", () =>
  Effect.gen(function*() {
    const { begun, go, reading, store } = yield* slow(2_000)
    const first = yield* reading()
    yield* Effect.yieldNow
    yield* go(0)
    yield* Fiber.join(first)
    yield* store.remove(path, { recursive: false })
    yield* reading()
    yield* Effect.yieldNow
    assert.strictEqual(begun.length, 2)
  }).pipe(Effect.scoped, Effect.provide(memory)))
