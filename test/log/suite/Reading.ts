/** Pages of one stream. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Directory } from "../../../src/log/Directory.ts"
import type { Page, ReadOptions } from "../../../src/log/EventStore.ts"
import { EventStore, pageBytes, pageEvents } from "../../../src/log/EventStore.ts"
import type { It } from "./Fixture.ts"
import { append, below, breakerOff, event, events, fresh, offsets, parse, range } from "./Fixture.ts"

const of = ({ head, last, lines }: Page) => ({ head, last, offsets: offsets(parse(lines)) })

export const reading = (it: It): void => {
  it.effect("a page lies between after and before", () =>
    Effect.gen(function*() {
      const path = fresh()
      const store = yield* EventStore
      const page = (options: ReadOptions) => Effect.map(store.read(path, options), of)
      yield* append(path, ...events(9))
      const head = 10
      assert.deepStrictEqual(yield* page({ after: 0 }), { head, last: 10, offsets: range(1, 10) })
      assert.deepStrictEqual(yield* page({ after: 7 }), { head, last: 10, offsets: [8, 9, 10] })
      assert.deepStrictEqual(yield* page({ after: 10 }), { head, last: 10, offsets: [] })
      assert.deepStrictEqual(yield* page({ after: 11 }), { head, last: 11, offsets: [] })
      assert.deepStrictEqual(yield* page({ after: 0, before: 3 }), { head, last: 2, offsets: [1, 2] })
      assert.deepStrictEqual(yield* page({ after: 4, before: 6 }), { head, last: 5, offsets: [5] })
      assert.deepStrictEqual(yield* page({ after: 4, before: 5 }), { head, last: 4, offsets: [] })
      assert.deepStrictEqual(yield* page({ after: 4, before: 2 }), { head, last: 4, offsets: [] })
      assert.deepStrictEqual(yield* page({ after: 8, before: 99 }), { head, last: 10, offsets: [9, 10] })
      assert.deepStrictEqual(yield* page({ after: 2, limit: 3 }), { head, last: 5, offsets: [3, 4, 5] })
      assert.deepStrictEqual(yield* page({ after: 2, limit: 1, before: 4 }), { head, last: 3, offsets: [3] })
      assert.deepStrictEqual(yield* page({ after: 9, limit: 5 }), { head, last: 10, offsets: [10] })
    }))

  it.effect("types are chosen, and the position moves past the others", () =>
    Effect.gen(function*() {
      const path = fresh()
      const store = yield* EventStore
      const page = (options: ReadOptions) => Effect.map(store.read(path, options), of)
      yield* append(path, event("a"), event("b"), event("b"), event("a"), event("c"), event("b"))
      const head = 7
      assert.deepStrictEqual(yield* page({ after: 0, types: ["a"] }), { head, last: 7, offsets: [2, 5] })
      assert.deepStrictEqual(yield* page({ after: 0, types: ["a", "c"] }), { head, last: 7, offsets: [2, 5, 6] })
      assert.deepStrictEqual(yield* page({ after: 2, types: ["b"], limit: 2 }), { head, last: 4, offsets: [3, 4] })
      assert.deepStrictEqual(yield* page({ after: 0, types: ["none"] }), { head, last: 7, offsets: [] })
      assert.deepStrictEqual(yield* page({ after: 0, types: [] }), { head, last: 7, offsets: [] })
      assert.deepStrictEqual(yield* page({ after: 0, before: 5, types: ["a"] }), { head, last: 4, offsets: [2] })
    }))

  it.effect("many pages join without gap or duplicate", () =>
    Effect.gen(function*() {
      const path = fresh()
      const store = yield* EventStore
      const count = 2 * pageEvents + 500
      yield* append(path, breakerOff)
      for (let n = 0; n < count; n += 500) yield* append(path, ...events(500))
      const head = count + 2
      const found: Array<number> = []
      let pages = 0
      for (let after = 0; after < head; pages++) {
        const page = yield* store.read(path, { after })
        assert.isAtMost(page.lines.length, pageEvents)
        assert.isAbove(page.last, after)
        assert.strictEqual(page.head, head)
        found.push(...offsets(parse(page.lines)))
        after = page.last
      }
      assert.isAbove(pages, 2)
      assert.deepStrictEqual(found, range(1, head))
    }))

  it.effect("a page is bounded in bytes, and holds at least one event", () =>
    Effect.gen(function*() {
      const path = fresh()
      const store = yield* EventStore
      const big = event("big", JSON.stringify("x".repeat(pageBytes / 2 - 100_000)))
      const huge = event("huge", JSON.stringify("x".repeat(pageBytes)))
      yield* append(path, breakerOff, ...Array.from({ length: 5 }, () => big), huge, huge)
      const found: Array<number> = []
      for (let after = 0; after < 9;) {
        const page = yield* store.read(path, { after })
        const bytes = page.lines.map((line) => line.length)
        // The last one may reach over the bound: whether it does is not known before it is looked at.
        assert.isBelow(bytes.slice(0, -1).reduce((sum, each) => sum + each, 0), pageBytes)
        assert.isAbove(page.last, after)
        found.push(...offsets(parse(page.lines)))
        after = page.last
      }
      assert.deepStrictEqual(found, range(1, 9))
    }))

  it.effect("reading makes nothing", () =>
    Effect.gen(function*() {
      const path = below(fresh(), "never")
      const store = yield* EventStore
      const directory = yield* Directory
      const empty = { lines: [], last: 0, head: 0, life: undefined }
      assert.deepInclude(yield* store.read(path, { after: 0 }), empty)
      assert.deepInclude(yield* store.read(path, { after: 5 }), { ...empty, last: 5 })
      assert.deepStrictEqual((yield* store.readWithin(path, { after: { tx: 0n, position: 0n } })).lines, [])
      assert.deepStrictEqual(yield* directory.children(path, { recursive: true, limit: 10 }), [])
      assert.strictEqual((yield* directory.describe(path))._tag, "None")
      assert.strictEqual(store.recent(path, 0), undefined)
      assert.deepInclude(yield* store.read(path, { after: 0 }), empty)
    }))

  it.effect("what is in memory is what a read gives", () =>
    Effect.gen(function*() {
      const path = fresh()
      const store = yield* EventStore
      yield* append(path, ...events(10))
      for (const after of range(0, 12)) {
        const recent = store.recent(path, after)
        if (recent === undefined) continue
        assert.deepStrictEqual(recent.lines, (yield* store.read(path, { after })).lines)
      }
    }))
}
