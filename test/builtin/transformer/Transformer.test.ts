/** What transformers make of events, and of which. */
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { Jsonata } from "../../../src/builtin/Jsonata.ts"
import { maxTransformers, Transformer } from "../../../src/builtin/transformer/Transformer.ts"
import { Paused, Resumed } from "../../../src/domain/ControlEvent.ts"
import { Offset } from "../../../src/domain/Event.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import * as Scenario from "../../../src/testing/Scenario.ts"
import { append, pass, payloads, read, types } from "../../processor/Workshop.ts"
import { arrived, configure, numbers, numbersOf, remove, tick, ticks, work } from "./Transforming.ts"

describe("its state", () => {
  const scenario = Scenario.make(Transformer)
  const b = StreamPath.make("/b")
  const a = { matcher: "true", transform: "$", since: 2 }

  it.effect("asks for each transformer, and not for those that are removed", () =>
    Effect.gen(function*() {
      yield* scenario.given(configure("a", "true", "$")).when(configure("b", "n > 1", "$", "/b")).then({
        asked: [
          { kind: "transform", key: "a", input: a },
          { kind: "transform", key: "b", input: { matcher: "n > 1", transform: "$", streamPath: b, since: 3 } }
        ]
      })
      yield* scenario.given(configure("a", "true", "$")).when(remove("a")).then({ state: { transformers: {} } })
    }))

  it.effect("keeps the place from which it sees events when it is configured again, until it is removed", () =>
    Effect.gen(function*() {
      const given = scenario.given(configure("a", "true", "$"))
      yield* given.when(configure("a", "true", "$")).then({ state: { transformers: { a } } })
      yield* given.when(configure("a", "false", "$", "/b")).then({
        state: { transformers: { a: { ...a, matcher: "false", streamPath: b } } }
      })
      yield* given.given(remove("a")).when(configure("a", "true", "$")).then({
        state: { transformers: { a: { ...a, since: 4 } } }
      })
    }))

  it.effect("takes any name", () =>
    Effect.gen(function*() {
      for (const slug of ["__proto__", "constructor", "toString", "0", " ", "a/b", "ü\u{1F642}"]) {
        const { asked } = yield* scenario.given(configure("a", "true", "$")).when(configure(slug, "true", "$"))
        assert.deepStrictEqual(asked.map(({ key }) => key).toSorted(), ["a", slug].toSorted())
        yield* scenario.given(configure(slug, "true", "$")).when(remove(slug)).then({ state: { transformers: {} } })
      }
    }))
})

layer(Jsonata.layer)("a transformer", (it) => {
  const received = (body: Schema.Json) => ({
    type: "webhook/received",
    payload: { reason: "no event", method: "POST", contentType: null, query: {}, headers: {}, body }
  })

  it.effect("makes typed events of what a webhook received, from its configuration on", () =>
    Effect.gen(function*() {
      const message = (text: string) => received({ event: { type: "message", text } })
      yield* append("/s", message("before"))
      yield* append("/s", configure(
        "messages",
        "type = 'webhook/received' and payload.body.event.type = 'message'",
        `{
          'type': 'message/received',
          'payload': { 'text': payload.body.event.text },
          'metadata': { 'from': streamPath }
        }`
      ))
      yield* append("/s", received({ event: { type: "reaction" } }), message("hello"), tick(1))
      const [made] = yield* arrived("/s", "message/received", 1)
      assert.deepStrictEqual([made?.payload, made?.metadata, made?.idempotencyKey, made?.cause], [
        { text: "hello" },
        { from: "/s" },
        "transformer/messages/5/0",
        { streamPath: StreamPath.make("/s"), offset: Offset.make(5), processor: "transformer", hops: 0 }
      ])
      assert.strictEqual((yield* payloads("/s", "message/received")).length, 1)
    }).pipe(work()))

  it.effect("sees the whole event", () =>
    Effect.gen(function*() {
      yield* append("/s", configure("x", "type = 'tick'", "{ 'type': 'seen', 'payload': $ }"))
      const [event] = yield* append("/s", { ...tick(1), metadata: { a: [1] }, idempotencyKey: "k" })
      const [seen] = yield* arrived("/s", "seen", 1)
      assert.deepStrictEqual(seen?.payload, {
        offset: 3,
        type: "tick",
        payload: { n: 1 },
        metadata: { a: [1] },
        idempotencyKey: "k",
        streamPath: "/s",
        createdAt: "1970-01-01T00:00:00.000Z"
      })
      assert.strictEqual(event?.offset, 3)
    }).pipe(work()))

  it.effect("makes several events of one, together, or none", () =>
    Effect.gen(function*() {
      const each = "[payload.items.{ 'type': 'item', 'payload': { 'n': $ } }]"
      yield* append("/s", configure("x", "type = 'order'", each, "/items"))
      for (const items of [[1, 2, 3], [], [4]]) yield* append("/s", { type: "order", payload: { items } })
      const made = yield* arrived("/items", "item", 4)
      assert.deepStrictEqual(numbersOf(made), [1, 2, 3, 4])
      assert.deepStrictEqual(made.map(({ cause }) => [cause?.offset, cause?.hops]), [[3, 1], [3, 1], [3, 1], [5, 1]])
      assert.notInclude(yield* types("/s"), "stream/error-occurred")
    }).pipe(work()))

  it.effect("may be one of many streams' with the same name and target", () =>
    Effect.gen(function*() {
      const streams = ["/a", "/b", "/c"]
      for (const path of streams) {
        yield* append(path, configure("x", "type = 'tick'", "{ 'type': 'tock', 'payload': streamPath }", "/all"))
      }
      for (const path of streams) yield* append(path, tick(1))
      const made = yield* arrived("/all", "tock", 3)
      assert.sameMembers(made.map(({ payload }) => payload), streams)
    }).pipe(work()))

  it.effect("never sees what it made itself", () =>
    Effect.gen(function*() {
      yield* append("/s", configure("x", "true", "{ 'type': 'copy', 'payload': { 'n': offset } }"))
      yield* append("/s", ...ticks(1, 3))
      yield* arrived("/s", "copy", 3)
      // Were the copies seen, theirs would come before the next.
      yield* append("/s", tick(4))
      yield* arrived("/s", "copy", 4)
      yield* append("/s", tick(5))
      yield* arrived("/s", "copy", 5)
      const offsets = (yield* read("/s")).flatMap(({ offset, type }) => type === "tick" ? [offset] : [])
      assert.deepStrictEqual(yield* numbers("/s", "copy"), offsets)
    }).pipe(work()))

  it.effect("sees what its namesake on another stream made, and a client's event with such a key", () =>
    Effect.gen(function*() {
      yield* append("/b", configure("x", "type = 'tock'", "{ 'type': 'again', 'payload': payload }"))
      yield* append("/a", configure("x", "type = 'tick'", "{ 'type': 'tock', 'payload': payload }", "/b"))
      yield* append("/a", tick(1))
      assert.deepStrictEqual(numbersOf(yield* arrived("/b", "again", 1)), [1])
      yield* append("/b", { ...tick(2, "tock"), idempotencyKey: "transformer/x/9/0" })
      assert.deepStrictEqual(numbersOf(yield* arrived("/b", "again", 2)), [1, 2])
    }).pipe(work()))

  it.effect("waits for a target that is paused, in order, while another goes on", () =>
    Effect.gen(function*() {
      yield* append("/target", Paused.make({}))
      yield* append(
        "/s",
        configure("x", "type = 'tick'", "{ 'type': 'tock', 'payload': payload }", "/target"),
        configure("y", "type = 'tick'", "{ 'type': 'tock', 'payload': payload }", "/other"),
        ...ticks(1, 3)
      )
      yield* arrived("/other", "tock", 3)
      yield* pass("1 hour")
      assert.deepStrictEqual(yield* numbers("/target", "tock"), [])
      yield* append("/target", Resumed.make({}))
      // It does not wait for its next look.
      assert.deepStrictEqual(numbersOf(yield* arrived("/target", "tock", 3)), [1, 2, 3])
      yield* append("/s", tick(4))
      assert.deepStrictEqual(numbersOf(yield* arrived("/target", "tock", 4)), [1, 2, 3, 4])
      assert.notInclude(yield* types("/s"), "stream/error-occurred")
    }).pipe(work()))

  it.effect("goes on where it was when its own stream resumes, were it paused by what it made", () =>
    Effect.gen(function*() {
      yield* append("/s", configure("x", "type = 'tick'", "{ 'type': 'tock', 'payload': payload }"), ...ticks(1, 9))
      yield* arrived("/s", "stream/paused", 1)
      yield* append("/s", Resumed.make({}))
      yield* arrived("/s", "tock", 9)
      assert.deepStrictEqual(yield* numbers("/s", "tock"), [1, 2, 3, 4, 5, 6, 7, 8, 9])
    }).pipe(work({ breaker: { capacity: 13, refillPerSecond: 0.001 } })))

  it.effect("sees what is said about its stream", () =>
    Effect.gen(function*() {
      yield* append("/s", configure("x", "type = 'stream/resumed'", "{ 'type': 'noticed' }"))
      yield* append("/s", Paused.make({}))
      yield* append("/s", Resumed.make({}))
      yield* arrived("/s", "noticed", 1)
    }).pipe(work()))

  it.effect("is one of a hundred at most; one more is not kept, and that is said", () =>
    Effect.gen(function*() {
      const many = Array.from({ length: maxTransformers + 1 }, (_, i) =>
        configure(String(i), "type = 'tick'", `{ 'type': 'tock', 'payload': { 'n': ${i} } }`))
      yield* append("/s", ...many)
      const errors = yield* arrived("/s", "stream/error-occurred", 1)
      assert.deepStrictEqual(errors.map(({ payload }) => payload), [{
        message: "A stream has at most 100 transformers: remove one first",
        source: "transformer",
        slug: "100",
        offset: 102
      }])
      yield* append("/s", remove("7"), configure("100", "type = 'tick'", "{ 'type': 'tock', 'payload': { 'n': 100 } }"))
      yield* append("/s", tick(1))
      const made = numbersOf(yield* arrived("/s", "tock", 100))
      const slugs = Array.from({ length: 101 }, (_, i) => i).filter((i) => i !== 7)
      assert.sameMembers(made, slugs)
      assert.strictEqual((yield* payloads("/s", "stream/error-occurred")).length, 1)
    }).pipe(work({ breaker: "off" })))
})
