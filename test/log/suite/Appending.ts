/** Appends: offsets, ancestors, batches, expectations, and many at once. */
import { assert } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import type { It } from "./Fixture.ts"
import {
  append,
  appendOne,
  below,
  breakerOff,
  event,
  events,
  fieldsOf,
  fresh,
  lines,
  offsets,
  outline,
  outlineWithin,
  parse,
  range,
  read,
  refused,
  within
} from "./Fixture.ts"

export const appending = (it: It): void => {
  it.effect("the first append makes the stream and its ancestors", () =>
    Effect.gen(function*() {
      const top = fresh()
      const middle = below(top, "b")
      const leaf = below(middle, "c")
      const store = yield* EventStore
      const rootBefore = yield* store.read(StreamPath.make("/"), { after: 0, limit: 1 })
      const appended = yield* append(leaf, event("came"))
      assert.strictEqual(appended.known, false)
      assert.deepStrictEqual(offsets(parse(appended.lines)), [2])
      assert.deepStrictEqual(yield* outline(leaf), ["1 stream/initialized", "2 came"])
      assert.deepStrictEqual(yield* outline(middle), ["1 stream/initialized", "2 stream/child-created"])
      assert.deepStrictEqual(yield* outline(top), ["1 stream/initialized", "2 stream/child-created"])
      assert.deepStrictEqual((yield* read(top)).map(({ payload }) => payload), [{ path: top }, { path: middle }])
      assert.deepStrictEqual((yield* read(leaf))[0]?.payload, { path: leaf })
      const atRoot = parse(yield* lines(StreamPath.make("/"), { after: rootBefore.head }))
      const created = atRoot.filter(({ type }) => type === "stream/child-created")
      assert.deepStrictEqual(created.map(({ payload }) => payload), [{ path: top }])
      // A parent is there before its child, and a child before its parent hears of it.
      assert.deepStrictEqual(outlineWithin((yield* within(top)).found), [
        `${top} 1 stream/initialized`,
        `${middle} 1 stream/initialized`,
        `${top} 2 stream/child-created`,
        `${leaf} 1 stream/initialized`,
        `${middle} 2 stream/child-created`,
        `${leaf} 2 came`
      ])
    }))

  it.effect("a second child is told to its parent alone", () =>
    Effect.gen(function*() {
      const top = fresh()
      const middle = below(top, "b")
      yield* append(below(middle, "c"), event("came"))
      yield* append(below(middle, "d"), event("came"))
      yield* append(below(middle, "d"), event("came"))
      yield* append(middle, event("came"))
      assert.deepStrictEqual(yield* outline(top), ["1 stream/initialized", "2 stream/child-created"])
      assert.deepStrictEqual(yield* outline(middle), [
        "1 stream/initialized",
        "2 stream/child-created",
        "3 stream/child-created",
        "4 came"
      ])
    }))

  it.effect("200 appends at once get dense offsets", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, breakerOff)
      const taken = yield* Effect.forEach(range(1, 200), (n) => appendOne(path, event("counted", String(n))), {
        concurrency: "unbounded"
      })
      const all = yield* read(path, ["counted"])
      assert.deepStrictEqual(offsets(all), range(3, 202))
      const byOffset = taken.flatMap((each) => each ?? []).sort((a, b) => a.offset - b.offset)
      assert.deepStrictEqual(byOffset, all)
      assert.strictEqual(new Set(all.map(({ payload }) => payload)).size, 200)
    }))

  it.effect("200 appends at once on ten new streams get dense offsets on each", () =>
    Effect.gen(function*() {
      const top = fresh()
      const paths = range(0, 9).map((n) => below(top, String(n)))
      yield* Effect.forEach(range(0, 199), (n) => append(below(top, String(n % 10)), event("counted", String(n))), {
        concurrency: "unbounded"
      })
      for (const path of paths) {
        const all = yield* read(path)
        assert.deepStrictEqual(offsets(all), range(1, 21))
        assert.strictEqual(all[0]?.type, "stream/initialized")
        assert.strictEqual(new Set(all.map(({ payload }) => payload)).size, 21)
      }
      const told = (yield* read(top)).slice(1)
      assert.deepStrictEqual(offsets(told), range(2, 11))
      assert.sameDeepMembers(told.map(({ payload }) => payload), paths.map((path) => ({ path })))
    }))

  it.effect("a batch is contiguous, whatever is appended beside it", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, breakerOff)
      const batches = yield* Effect.forEach(
        range(1, 40),
        (n) => append(path, ...(n % 2 === 0 ? events(20, `batch ${n}`) : [event("alone")])),
        { concurrency: "unbounded" }
      )
      for (const batch of batches) {
        const [first = 0, ...rest] = offsets(parse(batch.lines))
        assert.deepStrictEqual(rest, range(first + 1, first + rest.length))
      }
      assert.deepStrictEqual(offsets(yield* read(path)), range(1, 2 + 20 * 20 + 20))
    }))

  it.effect("an offset that was expected is what the event gets", () =>
    Effect.gen(function*() {
      const path = fresh()
      // The first event of a client is behind stream/initialized.
      const early = yield* refused(path, event("came", "{}", { offset: 1 }))
      assert.deepInclude(early, { _tag: "OffsetMismatch", expected: 1, actual: 2 })
      yield* append(path, event("came", "{}", { offset: 2 }))
      const stale = yield* refused(path, event("came", "{}", { offset: 2 }))
      assert.deepInclude(stale, { _tag: "OffsetMismatch", expected: 2, actual: 3 })
      const ahead = yield* refused(path, event("came", "{}", { offset: 4 }))
      assert.deepInclude(ahead, { _tag: "OffsetMismatch", expected: 4, actual: 3 })
      assert.strictEqual((yield* appendOne(path, event("came", "{}", { offset: 3 })))?.offset, 3)
    }))

  it.effect("a refused append makes no stream", () =>
    Effect.gen(function*() {
      const top = fresh()
      yield* Effect.flip(append(below(top, "a"), event("came", "{}", { offset: 7 })))
      assert.deepStrictEqual(yield* outline(top), [])
      assert.deepStrictEqual(yield* outline(below(top, "a")), [])
    }))

  it.effect("offsets in a batch are those within it, and one that is wrong refuses the whole", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, event("came", "1", { offset: 2 }), event("came", "2"), event("came", "3", { offset: 4 }))
      const wrong = yield* refused(path, event("came"), event("came", "{}", { offset: 5 }))
      assert.deepInclude(wrong, { _tag: "OffsetMismatch", expected: 5, actual: 6 })
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 came", "3 came", "4 came"])
    }))

  it.effect("of many that expect the same offset, one wins", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, event("came"))
      const results = yield* Effect.forEach(
        range(1, 20),
        (n) => Effect.result(append(path, event("raced", String(n), { offset: 3 }))),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(results.filter(({ _tag }) => _tag === "Success").length, 1)
      for (const result of results) {
        if (result._tag === "Failure") {
          assert.deepInclude(fieldsOf(result.failure), { _tag: "OffsetMismatch", expected: 3, actual: 4 })
        }
      }
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 came", "3 raced"])
    }))

  it.effect("createdAt never decreases", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, breakerOff)
      yield* Effect.forEach(range(1, 100), (n) => append(path, event("counted", String(n))), { concurrency: 7 })
      const times = (yield* read(path)).map(({ createdAt }) => DateTime.toEpochMillis(createdAt))
      assert.deepStrictEqual(times, times.toSorted((a, b) => a - b))
    }))
}
