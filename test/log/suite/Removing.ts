/** Deletes: heads are kept, offsets are never reused, parents are told. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Directory } from "../../../src/log/Directory.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import type { StreamPath } from "../../../src/domain/StreamPath.ts"
import type { It } from "./Fixture.ts"
import {
  append,
  appendOne,
  below,
  event,
  events,
  fresh,
  lines,
  offsets,
  outline,
  outlineWithin,
  parse,
  paused,
  range,
  read,
  refused,
  within
} from "./Fixture.ts"

const remove = (path: StreamPath, recursive = false) =>
  Effect.flatMap(EventStore, (store) => store.remove(path, { recursive }))

export const removing = (it: It): void => {
  it.effect("a delete removes the events, keeps the head and tells the parent", () =>
    Effect.gen(function*() {
      const top = fresh()
      const path = below(top, "a")
      const store = yield* EventStore
      yield* append(path, ...events(3))
      const { life } = yield* store.read(path, { after: 0 })
      assert.deepStrictEqual(yield* remove(path), [path])
      assert.deepInclude(yield* store.read(path, { after: 0 }), { lines: [], last: 0, head: 0, life: undefined })
      assert.deepStrictEqual(yield* outline(top), [
        "1 stream/initialized",
        "2 stream/child-created",
        "3 stream/child-deleted"
      ])
      assert.deepStrictEqual((yield* read(top)).at(-1)?.payload, { path })
      yield* append(path, event("came"))
      assert.deepStrictEqual(yield* outline(path), ["5 stream/initialized", "6 came"])
      assert.strictEqual((yield* outline(top)).at(-1), "4 stream/child-created")
      const again = yield* store.read(path, { after: 0 })
      assert.notStrictEqual(again.life, life)
      assert.strictEqual((yield* store.read(path, { after: 3 })).life, again.life)
    }))

  it.effect("offsets are never reused, however often it is deleted", () =>
    Effect.gen(function*() {
      const path = fresh()
      for (const round of range(0, 4)) {
        yield* append(path, event("came"))
        assert.deepStrictEqual(yield* outline(path), [`${2 * round + 1} stream/initialized`, `${2 * round + 2} came`])
        assert.deepStrictEqual(yield* remove(path), [path])
      }
      const stale = yield* refused(path, event("came", "{}", { offset: 2 }))
      assert.deepInclude(stale, { _tag: "OffsetMismatch", actual: 12 })
      assert.strictEqual((yield* appendOne(path, event("came", "{}", { offset: 12 })))?.offset, 12)
    }))

  it.effect("a page of a stream that begins behind its old head moves to its bounds", () =>
    Effect.gen(function*() {
      const path = fresh()
      const store = yield* EventStore
      yield* append(path, ...events(5))
      yield* remove(path)
      yield* append(path, ...events(2))
      assert.deepInclude(yield* store.read(path, { after: 0, before: 4 }), { lines: [], last: 3, head: 9 })
      assert.deepInclude(yield* store.read(path, { after: 0, types: ["none"] }), { lines: [], last: 9 })
      // What is gone is not walked through: the first page holds the first event.
      const first = yield* store.read(path, { after: 0, limit: 1 })
      assert.deepStrictEqual([first.last, offsets(parse(first.lines))], [7, [7]])
      for (const limit of [1, 2, 100]) {
        assert.deepStrictEqual(parse(yield* lines(path, { limit })), yield* read(path))
      }
      assert.deepStrictEqual(offsets(yield* read(path)), [7, 8, 9])
    }))

  it.effect("the state begins anew", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, event("stream/metadata-updated", "{\"metadata\":{\"a\":1}}"), paused)
      yield* remove(path)
      yield* append(path, event("came"))
      const { core } = Option.getOrThrow(yield* Effect.flatMap(Directory, (directory) => directory.describe(path)))
      assert.deepInclude(core, { metadata: "{}", paused: null, breaker: "default" })
    }))

  it.effect("a deleted stream is described with its head, and that it has no events", () =>
    Effect.gen(function*() {
      const path = fresh()
      const directory = yield* Directory
      yield* append(path, ...events(3))
      const before = Option.getOrThrow(yield* directory.describe(path))
      assert.deepInclude(before, { offset: 4, exists: true })
      assert.isAtLeast(before.updatedAt, before.createdAt)
      yield* remove(path)
      const after = Option.getOrThrow(yield* directory.describe(path))
      assert.deepInclude(after, { offset: 4, exists: false })
      assert.deepInclude(after.core, { metadata: "{}", paused: null })
      assert.isAtLeast(after.updatedAt, before.updatedAt)
      yield* append(path, event("came"))
      const anew = Option.getOrThrow(yield* directory.describe(path))
      assert.deepInclude(anew, { offset: 6, exists: true })
      assert.isAtLeast(anew.createdAt, after.updatedAt)
    }))

  it.effect("nothing to delete is an empty answer, and tells nobody", () =>
    Effect.gen(function*() {
      const top = fresh()
      const path = below(top, "a")
      assert.deepStrictEqual(yield* remove(path), [])
      assert.deepStrictEqual(yield* remove(path, true), [])
      assert.deepStrictEqual(yield* outline(top), [])
      yield* append(path, event("came"))
      yield* remove(path)
      assert.deepStrictEqual(yield* remove(path), [])
      assert.strictEqual((yield* outline(top)).length, 3)
    }))

  it.effect("what lies below stays, unless the delete is recursive", () =>
    Effect.gen(function*() {
      const top = fresh()
      const path = below(top, "a")
      const sibling = below(top, "ab")
      const leaf = below(below(path, "b"), "c")
      yield* append(leaf, event("came"))
      yield* append(sibling, event("came"))
      assert.deepStrictEqual(yield* remove(path), [path])
      assert.deepStrictEqual(yield* outline(leaf), ["1 stream/initialized", "2 came"])
      assert.strictEqual((yield* appendOne(leaf, event("came")))?.offset, 3)
      assert.deepStrictEqual(yield* outline(path), [])
      yield* append(path, event("came"))
      assert.deepStrictEqual(yield* remove(path, true), [path, below(path, "b"), leaf])
      for (const each of [path, below(path, "b"), leaf]) assert.deepStrictEqual(yield* outline(each), [])
      assert.deepStrictEqual(yield* outline(sibling), ["1 stream/initialized", "2 came"])
      // Only the topmost one had a parent left to tell.
      const told = (yield* read(top, ["stream/child-deleted"])).map(({ payload }) => payload)
      assert.deepStrictEqual(told, [{ path }, { path }])
    }))

  it.effect("a recursive delete finds what lies below a stream that is gone", () =>
    Effect.gen(function*() {
      const top = fresh()
      const path = below(top, "a")
      yield* append(below(path, "b"), event("came"))
      yield* remove(path)
      assert.deepStrictEqual(yield* remove(path, true), [below(path, "b")])
      assert.deepStrictEqual((yield* outline(top)).length, 3)
    }))

  it.effect("appends and deletes at once: offsets are never reused", () =>
    Effect.gen(function*() {
      const path = fresh()
      const seen: Array<number> = []
      yield* Effect.forEach(
        range(1, 60),
        Effect.fnUntraced(function*(n) {
          if (n % 6 === 0) yield* remove(path)
          else seen.push((yield* appendOne(path, event("counted", String(n))))?.offset ?? 0)
        }),
        { concurrency: 10 }
      )
      assert.strictEqual(new Set(seen).size, 50)
      const left = yield* read(path)
      const [first] = left
      if (first === undefined) return
      assert.strictEqual(first.type, "stream/initialized")
      assert.deepStrictEqual(offsets(left), range(first.offset, first.offset + left.length - 1))
    }))

  it.effect("what was deleted is gone from its prefix, and cursors before it go on", () =>
    Effect.gen(function*() {
      const top = fresh()
      const path = below(top, "a")
      yield* append(path, event("one"), event("two"))
      const { found } = yield* within(top)
      yield* remove(path)
      yield* append(path, event("three"))
      const anew = [`${path} 4 stream/initialized`, `${path} 5 three`] as const
      const later = [`${top} 3 stream/child-deleted`, anew[0], `${top} 4 stream/child-created`, anew[1]]
      assert.deepStrictEqual(outlineWithin((yield* within(path)).found), anew)
      for (const [i, { cursor }] of found.entries()) {
        const kept = outlineWithin(found.slice(i + 1)).filter((each) => each.startsWith(`${top} `))
        assert.deepStrictEqual(outlineWithin((yield* within(top, { after: cursor })).found), [...kept, ...later])
      }
    }))
}
