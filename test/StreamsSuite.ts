/**
 * What every implementation of `Streams` must do, in process or over HTTP: run `suite` over its layer. The log behind
 * it may hold other streams; the suite writes below paths of its own.
 */
import { assert, layer as layered } from "@effect/vitest"
import { Effect, Fiber, Queue, Schema, Stream } from "effect"
import type { Layer } from "effect"
import { ControlEvent, EventType, Offset, Streams } from "../src/millstream.ts"
import type { AccessError, Event } from "../src/millstream.ts"

const Ping = EventType.make("ping", Schema.Struct({ n: Schema.Int }))
const Pong = EventType.make("pong", Schema.Struct({ at: Schema.DateTimeUtcFromString }))

let made = 0
/** A path that nobody has used. */
const fresh = () => `/suite/${process.pid}-${Date.now().toString(36)}-${made++}`

const offsetsOf = (events: ReadonlyArray<{ readonly offset: Offset }>): ReadonlyArray<number> =>
  events.map(({ offset }) => offset)
const typesOf = (events: ReadonlyArray<{ readonly type: string }>) => events.map(({ type }) => type)

/** These fields are as they should be, whatever others there are. */
const has = (actual: object | null, fields: Readonly<Record<string, unknown>>) =>
  assert.deepStrictEqual(
    Object.fromEntries(Object.keys(fields).map((name) => [name, Reflect.get(actual ?? {}, name)])),
    fields
  )

/** A tail that a test takes from, one event at a time. */
const following = <A>(events: Stream.Stream<A, AccessError>) =>
  Effect.gen(function*() {
    const queue = yield* Queue.unbounded<A>()
    const fiber = yield* Effect.forkScoped(Stream.runForEach(events, (event) => Queue.offer(queue, event)))
    return { next: Queue.take(queue), ended: Fiber.join(fiber) }
  })

export const suite = <E>(name: string, layer: Layer.Layer<Streams, E>) =>
  layered(layer, { excludeTestServices: true, timeout: "60 seconds" })(`Streams ${name}`, (it) => {
    it.effect("append records events at dense offsets behind stream/initialized", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const path = fresh()
        const payload = { text: "è — 😀 \u2028 \"\\", list: [1, 2.5, null, true, { deep: [] }], "": {} }
        const first = yield* streams.append(path, { type: "anything at all", payload, metadata: { by: "me" } })
        const second = yield* streams.append(path, { type: "ping" })
        has(first, { offset: 2, streamPath: path, payload, metadata: { by: "me" } })
        has(second, { offset: 3, payload: {} })
        has(yield* streams.append(fresh(), { type: "null", payload: null }), { payload: null })
        const events = yield* Stream.runCollect(streams.read(path))
        assert.deepStrictEqual(offsetsOf(events), [1, 2, 3])
        assert.deepStrictEqual(typesOf(events), ["stream/initialized", "anything at all", "ping"])
        assert.deepStrictEqual(events.slice(1), [first, second])
      }))

    it.effect("appendAll records all or none", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const path = fresh()
        const events = yield* streams.appendAll(path, [Ping.make({ n: 1 }), Ping.make({ n: 2 })])
        assert.deepStrictEqual(offsetsOf(events), [2, 3])
        assert.deepStrictEqual(yield* streams.appendAll(path, []), [])
        const reserved = yield* Effect.flip(streams.appendAll(path, [Ping.make({ n: 3 }), { type: "stream/pawsed" }]))
        has(reserved, { _tag: "InvalidEvent", index: 1 })
        const many = Array.from({ length: 1_001 }, (_, n) => Ping.make({ n }))
        assert.strictEqual((yield* Effect.flip(streams.appendAll(path, many)))._tag, "PayloadTooLarge")
        assert.strictEqual((yield* streams.state(path)).head, 3)
      }))

    it.effect("a key records once, and conflicts with another content", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const path = fresh()
        const once = { type: "ping", payload: { n: 1 }, idempotencyKey: "once" }
        const event = yield* streams.append(path, once)
        assert.deepStrictEqual(yield* streams.append(path, once), event)
        const other = yield* Effect.flip(streams.append(path, { ...once, payload: { n: 2 } }))
        has(other, { _tag: "IdempotencyConflict", idempotencyKey: "once", offset: 2 })
        assert.strictEqual((yield* streams.state(path)).head, 2)
      }))

    it.effect("an expected offset must be the next one", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const path = fresh()
        yield* streams.append(path, Ping.make({ n: 1 }))
        const stale = yield* Effect.flip(streams.append(path, { type: "ping", offset: Offset.make(2) }))
        has(stale, { _tag: "OffsetMismatch", expected: 2, actual: 3 })
        assert.strictEqual((yield* streams.append(path, { type: "ping", offset: Offset.make(3) })).offset, 3)
      }))

    it.effect("a paused stream takes only its resumption", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const path = fresh()
        yield* streams.append(path, ControlEvent.Paused.make({ reason: "tea" }))
        const paused = yield* Effect.flip(streams.append(path, Ping.make({ n: 1 })))
        has(paused, { _tag: "StreamPaused", streamPath: path, reason: "tea" })
        has((yield* streams.state(path)).paused, { reason: "tea" })
        yield* streams.append(path, ControlEvent.Resumed.make({}))
        assert.strictEqual((yield* streams.append(path, Ping.make({ n: 1 }))).offset, 4)
        assert.isNull((yield* streams.state(path)).paused)
      }))

    it.effect("paths are judged by every call", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const calls: ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>> = [
          streams.append("a", { type: "ping" }),
          streams.appendAll("/a/", [{ type: "ping" }]),
          Stream.runDrain(streams.read("/a//b")),
          Stream.runDrain(streams.tail("/..")),
          Stream.runDrain(streams.tailWithin("/a b")),
          streams.state(""),
          streams.children("/a/."),
          streams.delete(`/${"a".repeat(256)}`)
        ]
        for (const call of calls) assert.strictEqual((yield* Effect.flip(call))._tag, "InvalidPath")
      }))

    it.effect("read begins and ends where it is told to, and creates nothing", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const path = fresh()
        assert.deepStrictEqual(yield* Stream.runCollect(streams.read(path)), [])
        assert.strictEqual((yield* Effect.flip(streams.state(path)))._tag, "NotFound")
        yield* streams.appendAll(path, [
          Ping.make({ n: 1 }),
          { type: "pong", payload: { at: "2026-01-01T00:00:00.000Z" } },
          { type: "ping", payload: "not what a ping is" },
          Ping.make({ n: 2 })
        ])
        const offsets = (options: Parameters<typeof streams.read>[1]) =>
          Effect.map(Stream.runCollect(streams.read(path, options)), offsetsOf)
        assert.deepStrictEqual(yield* offsets({ after: 3 }), [4, 5])
        assert.deepStrictEqual(yield* offsets({ after: "start", limit: 2 }), [1, 2])
        assert.deepStrictEqual(yield* offsets({ after: "end" }), [])
        assert.deepStrictEqual(yield* offsets({ after: 99 }), [])
        assert.deepStrictEqual(yield* offsets({ last: 2 }), [4, 5])
        assert.deepStrictEqual(yield* offsets({ limit: 0 }), [])
        const pings = yield* Stream.runCollect(streams.read(path, { types: [Ping], limit: 2 }))
        assert.deepStrictEqual(pings.map(({ payload }) => payload.n), [1, 2])
        const both = yield* Stream.runCollect(streams.read(path, { types: [Ping, Pong] }))
        assert.deepStrictEqual(offsetsOf(both), [2, 3, 5])
      }))

    it.effect("tail waits for what comes, decoded, and ends with the stream", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const path = fresh()
        const all = yield* following<Event>(streams.tail(path))
        const pings = yield* following(streams.tail(path, { types: [Ping] }))
        yield* streams.append(path, Ping.make({ n: 1 }))
        assert.strictEqual((yield* all.next).type, "stream/initialized")
        assert.strictEqual((yield* all.next).offset, 2)
        assert.strictEqual((yield* pings.next).payload.n, 1)
        const late = yield* following<Event>(streams.tail(path, { after: 2 }))
        yield* streams.appendAll(path, [{ type: "other" }, Ping.make({ n: 2 })])
        assert.deepStrictEqual(offsetsOf([yield* all.next, yield* all.next, yield* late.next]), [3, 4, 3])
        assert.strictEqual((yield* pings.next).payload.n, 2)
        yield* streams.delete(path)
        yield* all.ended
        yield* pings.ended
        yield* late.ended
      }))

    it.effect("tail ends with its limit", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const path = fresh()
        const tail = yield* following<Event>(streams.tail(path, { limit: 2 }))
        yield* streams.append(path, Ping.make({ n: 1 }))
        yield* tail.ended
        assert.deepStrictEqual(offsetsOf([yield* tail.next, yield* tail.next]), [1, 2])
      }))

    it.effect("tailWithin follows a stream and all below it, and no other", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const path = fresh()
        yield* streams.append(`${path}/a`, Ping.make({ n: 1 }))
        const within = yield* following(streams.tailWithin(path, { types: [Ping] }))
        assert.strictEqual((yield* within.next).streamPath, `${path}/a`)
        yield* streams.append(`${path}-b`, Ping.make({ n: 2 }))
        yield* streams.append(`${path}/a/b`, Ping.make({ n: 3 }))
        yield* streams.append(path, Ping.make({ n: 4 }))
        assert.deepStrictEqual([(yield* within.next).payload.n, (yield* within.next).payload.n], [3, 4])
      }))

    it.effect("state tells of a stream without its history", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const path = fresh()
        yield* streams.append(path, ControlEvent.MetadataUpdated.make({ metadata: { owner: "ada" } }))
        yield* streams.append(path, ControlEvent.CircuitBreakerConfigured.make({ capacity: 7, refillPerSecond: 3 }))
        has(yield* streams.state(path), {
          path,
          head: 3,
          metadata: { owner: "ada" },
          circuitBreaker: { enabled: true, capacity: 7, refillPerSecond: 3 }
        })
      }))

    it.effect("children are listed in order of path, page by page", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const path = fresh()
        yield* streams.append(`${path}/b/deep`, Ping.make({ n: 1 }))
        yield* streams.append(`${path}/a`, Ping.make({ n: 1 }))
        yield* streams.append(`${path}/c`, Ping.make({ n: 1 }))
        const paths = (options?: Parameters<typeof streams.children>[1]) =>
          Effect.map(streams.children(path, options), (found) => found.map((child) => child.path.slice(path.length)))
        assert.deepStrictEqual(yield* paths(), ["/a", "/b", "/c"])
        assert.deepStrictEqual(yield* paths({ recursive: true }), ["/a", "/b", "/b/deep", "/c"])
        assert.deepStrictEqual(yield* paths({ limit: 1, after: `${path}/a` }), ["/b"])
        assert.deepStrictEqual((yield* streams.children(path)).map(({ children }) => children), [0, 1, 0])
        yield* streams.delete(`${path}/a`)
        assert.deepStrictEqual(yield* paths(), ["/b", "/c"])
        assert.deepStrictEqual(yield* streams.children(fresh()), [])
      }))

    it.effect("an event that answers none is its own chain, and has no effects", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const path = fresh()
        const event = yield* streams.append(path, { type: "large", payload: { n: Number.MAX_VALUE } })
        assert.deepStrictEqual(yield* streams.causes(path, event.offset), [event])
        assert.deepStrictEqual(yield* streams.causes(path, event.offset, { effects: true }), [])
        const none = yield* Effect.flip(streams.causes(path, event.offset + 1))
        assert.strictEqual(none._tag, "NotFound")
        assert.include(none.message, `${path} has no event at offset ${event.offset + 1}`)
        for (const offset of [0, -1, 1.5, Number.NaN]) {
          assert.strictEqual((yield* Effect.flip(streams.causes(path, offset)))._tag, "InvalidRequest")
        }
      }))

    it.effect("delete removes events and never an offset", () =>
      Effect.gen(function*() {
        const streams = yield* Streams
        const path = fresh()
        yield* streams.append(`${path}/below`, Ping.make({ n: 1 }))
        assert.deepStrictEqual(yield* streams.delete(fresh()), [])
        const head = (yield* streams.state(path)).head
        assert.deepStrictEqual(yield* streams.delete(path), [path])
        assert.deepStrictEqual(yield* Stream.runCollect(streams.read(path)), [])
        const state = yield* streams.state(path)
        assert.isDefined(state.deletedAt)
        assert.strictEqual((yield* streams.append(path, Ping.make({ n: 2 }))).offset, state.head + 2)
        assert.isAtLeast(state.head, head)
        const all = yield* streams.delete(path, { recursive: true })
        assert.deepStrictEqual([...all].sort(), [path, `${path}/below`])
      }))
  })
