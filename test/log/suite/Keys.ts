/** Idempotency keys: what is known, what conflicts, and what is looked at first. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { EventStore } from "../../../src/log/EventStore.ts"
import type { It } from "./Fixture.ts"
import { append, below, event, fieldsOf, fresh, outline, paused, range, refused, resumed } from "./Fixture.ts"

const keyed = (idempotencyKey: string, payload = "{}", metadata?: string) =>
  event("came", payload, { idempotencyKey, ...(metadata === undefined ? {} : { metadata }) })

export const keys = (it: It): void => {
  it.effect("a key records once, and answers with what was recorded", () =>
    Effect.gen(function*() {
      const path = fresh()
      const first = yield* append(path, keyed("k", "{\"a\":1}", "{\"by\":\"me\"}"))
      yield* append(path, event("came"))
      const again = yield* append(path, keyed("k", "{\"a\":1}", "{\"by\":\"me\"}"))
      assert.deepStrictEqual(again, { lines: first.lines, known: true })
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 came", "3 came"])
    }))

  it.effect("contents are compared as JSON, numbers as they are spelled", () =>
    Effect.gen(function*() {
      const path = fresh()
      const sent = keyed("k", "{\"a\":1,\"b\":{\"c\":[1.0,\"\\u0041\"],\"d\":null}}", "{\"x\":1,\"y\":2}")
      const first = yield* append(path, sent)
      const reordered = keyed("k", "{\"b\":{\"d\":null,\"c\":[1.0,\"A\"]},\"a\":1}", "{\"y\":2,\"x\":1}")
      assert.deepStrictEqual(yield* append(path, reordered), { lines: first.lines, known: true })
      const others = [
        { ...sent, type: "went" },
        { ...sent, payload: "{\"a\":1.0,\"b\":{\"c\":[1.0,\"A\"],\"d\":null}}" },
        { ...sent, payload: "{\"a\":1,\"b\":{\"c\":[1.0,\"A\"]}}" },
        { ...sent, metadata: "{\"x\":1}" },
        { ...sent, metadata: undefined }
      ]
      for (const other of others) {
        const conflict = yield* refused(path, other)
        assert.deepInclude(conflict, { _tag: "IdempotencyConflict", idempotencyKey: "k", offset: 2 })
      }
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 came"])
    }))

  it.effect("metadata where there was none is another content", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, keyed("k"))
      assert.strictEqual((yield* Effect.flip(append(path, keyed("k", "{}", "{}"))))._tag, "IdempotencyConflict")
    }))

  it.effect("a batch that is known whole is answered in the order that was asked", () =>
    Effect.gen(function*() {
      const path = fresh()
      const { lines } = yield* append(path, keyed("a", "1"), keyed("b", "2"), keyed("c", "3"))
      const asked = [keyed("c", "3"), keyed("a", "1")]
      assert.deepStrictEqual(yield* append(path, ...asked), { lines: [lines[2] ?? "", lines[0] ?? ""], known: true })
    }))

  it.effect("a batch that is known in part is a conflict, and nothing is recorded", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, keyed("a", "1"), keyed("b", "2"))
      const parts = [
        [keyed("b", "2"), keyed("new", "3")],
        [keyed("new", "3"), keyed("b", "2")],
        [keyed("b", "2"), event("came")],
        [event("came"), keyed("b", "2")]
      ]
      for (const part of parts) {
        const conflict = yield* refused(path, ...part)
        assert.deepInclude(conflict, { _tag: "IdempotencyConflict", idempotencyKey: "b", offset: 3 })
      }
      const differs = yield* refused(path, keyed("a", "1"), keyed("b", "\"other\""))
      assert.deepInclude(differs, { _tag: "IdempotencyConflict", idempotencyKey: "b", offset: 3 })
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 came", "3 came"])
      // A key that was refused is still free.
      assert.strictEqual((yield* append(path, keyed("new", "3"))).known, false)
    }))

  it.effect("the same key from 20 at once is recorded once, and all get the same event", () =>
    Effect.gen(function*() {
      const path = fresh()
      const answers = yield* Effect.forEach(range(1, 20), () => append(path, keyed("k", "{\"a\":1}")), {
        concurrency: "unbounded"
      })
      assert.strictEqual(answers.filter(({ known }) => !known).length, 1)
      assert.strictEqual(new Set(answers.map(({ lines }) => lines.join("\n"))).size, 1)
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 came"])
    }))

  it.effect("of 20 contents under one key at once, one is recorded", () =>
    Effect.gen(function*() {
      const path = fresh()
      const results = yield* Effect.forEach(range(1, 20), (n) => Effect.result(append(path, keyed("k", String(n)))), {
        concurrency: "unbounded"
      })
      assert.strictEqual(results.filter(({ _tag }) => _tag === "Success").length, 1)
      for (const result of results) {
        if (result._tag === "Failure") {
          assert.deepInclude(fieldsOf(result.failure), { _tag: "IdempotencyConflict", idempotencyKey: "k", offset: 2 })
        }
      }
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 came"])
    }))

  it.effect("a known key does not shift its neighbours", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, keyed("k"))
      const answers = yield* Effect.forEach(
        range(1, 40),
        (n) => append(path, n % 2 === 0 ? keyed("k") : keyed(`k${n}`)),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(answers.filter(({ known }) => known).length, 20)
      assert.deepStrictEqual(yield* outline(path), [
        "1 stream/initialized",
        ...range(2, 22).map((offset) => `${offset} came`)
      ])
    }))

  it.effect("the key is looked at before the offset", () =>
    Effect.gen(function*() {
      const path = fresh()
      const sent = { ...keyed("k"), offset: 2 }
      const { lines } = yield* append(path, sent)
      yield* append(path, event("came"))
      assert.deepStrictEqual(yield* append(path, sent), { lines, known: true })
      const conflict = yield* refused(path, { ...sent, payload: "1", offset: 99 })
      assert.strictEqual(conflict._tag, "IdempotencyConflict")
      assert.strictEqual((yield* Effect.flip(append(path, { ...keyed("other"), offset: 2 })))._tag, "OffsetMismatch")
    }))

  it.effect("the key is looked at before the pause, the offset too", () =>
    Effect.gen(function*() {
      const path = fresh()
      const { lines } = yield* append(path, keyed("k"))
      yield* append(path, paused)
      assert.deepStrictEqual(yield* append(path, keyed("k")), { lines, known: true })
      assert.strictEqual((yield* Effect.flip(append(path, keyed("k", "1"))))._tag, "IdempotencyConflict")
      assert.strictEqual((yield* Effect.flip(append(path, keyed("other"))))._tag, "StreamPaused")
      assert.strictEqual((yield* Effect.flip(append(path, { ...keyed("other"), offset: 2 })))._tag, "OffsetMismatch")
      yield* append(path, resumed)
      assert.strictEqual((yield* append(path, keyed("other"))).known, false)
    }))

  it.effect("a key belongs to its stream, for as long as its events exist", () =>
    Effect.gen(function*() {
      const top = fresh()
      const path = below(top, "a")
      yield* append(path, keyed("k", "1"))
      assert.strictEqual((yield* append(below(top, "b"), keyed("k", "2"))).known, false)
      yield* Effect.flatMap(EventStore, (store) => store.remove(path, { recursive: false }))
      assert.strictEqual((yield* append(path, keyed("k", "3"))).known, false)
      assert.deepStrictEqual(yield* outline(path), ["3 stream/initialized", "4 came"])
    }))
}
