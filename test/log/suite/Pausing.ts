/** Pauses, metadata and the circuit breaker, whose bucket is not refilled while a test runs. */
import { assert } from "@effect/vitest"
import { DateTime, Effect, Option } from "effect"
import { Directory } from "../../../src/log/Directory.ts"
import type { StreamPath } from "../../../src/domain/StreamPath.ts"
import type { It } from "./Fixture.ts"
import { append, below, breakerOff, event, events, fresh, outline, paused, range, read, resumed } from "./Fixture.ts"

/** So slow that nothing is refilled while a test runs. */
const breaker = (capacity: number) =>
  event("stream/circuit-breaker-configured", `{"capacity":${capacity},"refillPerSecond":1e-6}`)

const coreOf = (path: StreamPath) =>
  Effect.flatMap(Directory, (directory) =>
    Effect.map(directory.describe(path), (head) => Option.getOrThrow(head).core))

const typesOf = (path: StreamPath) => Effect.map(read(path), (all) => all.map(({ type }) => type))

export const pausing = (it: It): void => {
  it.effect("a paused stream takes only stream/resumed", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, paused)
      const refused = yield* Effect.flip(append(path, event("came")))
      const [, pause] = yield* read(path)
      assert.deepInclude(refused, { _tag: "StreamPaused", streamPath: path, reason: "lunch" })
      if (refused._tag === "StreamPaused") assert.deepStrictEqual(refused.pausedAt, pause?.createdAt)
      for (const each of [paused, breakerOff, event("stream/metadata-updated", "{\"metadata\":{}}")]) {
        assert.strictEqual((yield* Effect.flip(append(path, each)))._tag, "StreamPaused")
      }
      assert.deepStrictEqual((yield* coreOf(path)).paused, {
        reason: "lunch",
        pausedAt: DateTime.toEpochMillis(pause?.createdAt ?? DateTime.makeUnsafe(0))
      })
      yield* append(path, resumed)
      yield* append(path, event("came"))
      assert.strictEqual((yield* coreOf(path)).paused, null)
      assert.deepStrictEqual(yield* typesOf(path), ["stream/initialized", "stream/paused", "stream/resumed", "came"])
    }))

  it.effect("a batch may begin with the resumption, and must not go on behind a pause", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, paused)
      assert.strictEqual((yield* Effect.flip(append(path, event("came"), resumed)))._tag, "StreamPaused")
      yield* append(path, resumed, event("came"))
      assert.strictEqual((yield* Effect.flip(append(path, event("came"), paused, event("came"))))._tag, "StreamPaused")
      yield* append(path, event("came"), paused, resumed, paused)
      assert.deepStrictEqual(yield* outline(path), [
        "1 stream/initialized",
        "2 stream/paused",
        "3 stream/resumed",
        "4 came",
        "5 came",
        "6 stream/paused",
        "7 stream/resumed",
        "8 stream/paused"
      ])
    }))

  it.effect("a paused stream still hears of its children", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, paused)
      yield* append(below(path, "child"), event("came"))
      assert.deepStrictEqual(yield* typesOf(path), ["stream/initialized", "stream/paused", "stream/child-created"])
    }))

  it.effect("metadata is replaced, and its text is kept", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, event("came"))
      assert.strictEqual((yield* coreOf(path)).metadata, "{}")
      const text = "{\"b\":1.0,\"a\":[1e400,\"\\u0000\"],\"2\":0,\"1\":0}"
      yield* append(path, event("stream/metadata-updated", "{\"metadata\":{\"gone\":1}}"))
      yield* append(path, event("stream/metadata-updated", `{"metadata":${text}}`))
      assert.strictEqual((yield* coreOf(path)).metadata, text)
    }))

  it.effect("a burst within the default capacity passes, and one event more pauses the stream behind it", () =>
    Effect.gen(function*() {
      const within = fresh()
      yield* append(within, ...events(100))
      assert.strictEqual((yield* coreOf(within)).paused, null)
      const beyond = fresh()
      const appended = yield* append(beyond, ...events(101))
      assert.strictEqual(appended.lines.length, 101)
      const all = yield* read(beyond)
      assert.strictEqual(all.length, 103)
      assert.strictEqual(all.at(-1)?.type, "stream/paused")
      assert.deepInclude(all.at(-1)?.payload, { by: "circuit-breaker" })
      const refused = yield* Effect.flip(append(beyond, event("came")))
      assert.strictEqual(refused._tag, "StreamPaused")
      assert.strictEqual((yield* coreOf(beyond)).paused?.by, "circuit-breaker")
    }))

  it.effect("the event that trips a configured breaker is kept, and the pause follows it directly", () =>
    Effect.gen(function*() {
      const path = fresh()
      // The configuration counts as the first of three.
      yield* append(path, breaker(3))
      yield* append(path, event("second"))
      yield* append(path, event("third"))
      assert.strictEqual((yield* coreOf(path)).paused, null)
      const tripping = yield* append(path, event("fourth"))
      assert.strictEqual(tripping.lines.length, 1)
      assert.deepStrictEqual((yield* typesOf(path)).slice(2), ["second", "third", "fourth", "stream/paused"])
      assert.strictEqual((yield* Effect.flip(append(path, event("fifth"))))._tag, "StreamPaused")
    }))

  it.effect("many at once: those before the trip are kept, those behind it refused", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, breaker(10))
      const results = yield* Effect.forEach(range(1, 40), () => Effect.result(append(path, event("came"))), {
        concurrency: "unbounded"
      })
      assert.strictEqual(results.filter(({ _tag }) => _tag === "Success").length, 10)
      assert.deepStrictEqual((yield* typesOf(path)).slice(2), [...range(1, 10).map(() => "came"), "stream/paused"])
    }))

  it.effect("a resumption refills the bucket", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, breaker(3), ...events(3))
      yield* append(path, resumed)
      yield* append(path, ...events(3))
      assert.strictEqual((yield* coreOf(path)).paused, null)
      yield* append(path, event("one too many"))
      assert.strictEqual((yield* typesOf(path)).at(-1), "stream/paused")
      yield* append(path, resumed, ...events(4))
      assert.strictEqual((yield* typesOf(path)).at(-1), "stream/paused")
    }))

  it.effect("what the server writes is not counted", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, breaker(2))
      yield* Effect.forEach(range(1, 5), (n) => append(below(path, String(n)), event("came")))
      yield* append(path, event("second"))
      assert.strictEqual((yield* coreOf(path)).paused, null)
      assert.strictEqual((yield* typesOf(path)).at(-1), "second")
    }))

  it.effect("a breaker may be off", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, breakerOff, ...events(500))
      assert.strictEqual((yield* coreOf(path)).paused, null)
      assert.strictEqual((yield* coreOf(path)).breaker, "off")
      yield* append(path, breaker(5))
      assert.deepStrictEqual((yield* coreOf(path)).breaker, { capacity: 5, refillPerSecond: 1e-6 })
      yield* append(path, ...events(5))
      assert.strictEqual((yield* typesOf(path)).at(-1), "stream/paused")
    }))

  it.effect("a batch that a client ends with a pause is not paused twice", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, breaker(2), ...events(5), paused)
      assert.deepStrictEqual((yield* typesOf(path)).filter((type) => type === "stream/paused"), ["stream/paused"])
      assert.strictEqual((yield* coreOf(path)).paused?.reason, "lunch")
    }))
}
