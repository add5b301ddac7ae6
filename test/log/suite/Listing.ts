/** Lists of streams. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import * as Path from "../../../src/domain/StreamPath.ts"
import type { ChildrenOptions } from "../../../src/log/Directory.ts"
import { Directory } from "../../../src/log/Directory.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import type { It } from "./Fixture.ts"
import { append, below, event, events, fresh, range, read } from "./Fixture.ts"

const children = (path: StreamPath, options: Partial<ChildrenOptions> = {}) =>
  Effect.flatMap(Directory, (directory) => directory.children(path, { recursive: false, limit: 1_000, ...options }))

const paths = (path: StreamPath, options?: Partial<ChildrenOptions>) =>
  Effect.map(children(path, options), (all) => all.map((child) => child.path))

/** Streams below `top`, by their names there. */
const make = Effect.fnUntraced(function*(top: StreamPath, names: ReadonlyArray<string>) {
  for (const name of names) yield* append(StreamPath.make(`${top}/${name}`), event("came"))
  return names.map((name) => StreamPath.make(`${top}/${name}`))
})

export const listing = (it: It): void => {
  it.effect("children are those directly below, in order of path", () =>
    Effect.gen(function*() {
      const top = fresh()
      yield* make(top, ["b", "a/x", "a-b", "B", "a~", "a/y/z"])
      // As code points order them: not as a language would.
      const direct = ["B", "a", "a-b", "a~", "b"].map((name) => below(top, name))
      assert.deepStrictEqual(yield* paths(top), direct)
      assert.deepStrictEqual(yield* paths(below(top, "a")), [below(top, "a/x"), below(top, "a/y")])
      assert.deepStrictEqual(yield* paths(below(top, "b")), [])
    }))

  it.effect("recursive lists all below, by whole segments", () =>
    Effect.gen(function*() {
      const top = fresh()
      yield* make(top, ["a/x", "a-b/x", "ab", "a", "a/y/z", "a0"])
      assert.deepStrictEqual(
        yield* paths(top, { recursive: true }),
        ["a", "a-b", "a-b/x", "a/x", "a/y", "a/y/z", "a0", "ab"].map((name) => below(top, name))
      )
      assert.deepStrictEqual(
        yield* paths(below(top, "a"), { recursive: true }),
        ["a/x", "a/y", "a/y/z"].map((name) => below(top, name))
      )
      assert.include(yield* paths(Path.root, { after: StreamPath.make(top.slice(0, -1)) }), top)
    }))

  it.effect("pages of a list join", () =>
    Effect.gen(function*() {
      const top = fresh()
      const all = yield* make(top, range(10, 22).flatMap((n) => [`n${n}`, `n${n}/below`]))
      for (const recursive of [false, true]) {
        const expected = recursive ? all : all.filter((path) => !path.endsWith("/below"))
        for (const limit of [1, 4, 100]) {
          const found: Array<StreamPath> = []
          let page = yield* paths(top, { recursive, limit })
          while (page.length > 0) {
            assert.isAtMost(page.length, limit)
            found.push(...page)
            page = yield* paths(top, { recursive, limit, after: page.at(-1) })
          }
          assert.deepStrictEqual(found, expected)
        }
      }
      // The last one of the list before need not exist.
      assert.deepStrictEqual((yield* paths(top, { after: below(top, "n15a") }))[0], below(top, "n16"))
    }))

  it.effect("each child tells its head, its times and how many are directly below it", () =>
    Effect.gen(function*() {
      const top = fresh()
      const path = below(top, "a")
      yield* make(top, ["a/x", "a/y/z", "a/y/w", "b"])
      yield* append(path, ...events(3))
      const [a, b] = yield* children(top)
      assert.deepInclude(a, { path, head: 6, children: 2 })
      assert.deepInclude(b, { path: below(top, "b"), head: 2, children: 0 })
      const times = (yield* read(path)).map(({ createdAt }) => createdAt.epochMilliseconds)
      assert.deepStrictEqual([a?.createdAt, a?.updatedAt], [times[0], times.at(-1)])
      assert.deepStrictEqual(
        (yield* children(top, { recursive: true })).map((child) => child.children),
        [2, 0, 2, 0, 0, 0]
      )
    }))

  it.effect("deleted streams are neither listed nor counted", () =>
    Effect.gen(function*() {
      const top = fresh()
      yield* make(top, ["a/x", "a/y", "b/x"])
      const store = yield* EventStore
      yield* store.remove(below(top, "a/x"), { recursive: false })
      yield* store.remove(below(top, "b"), { recursive: false })
      const counted = (yield* children(top)).map((child) => [child.path, child.children])
      assert.deepStrictEqual(counted, [[below(top, "a"), 1]])
      assert.deepStrictEqual(
        yield* paths(top, { recursive: true }),
        ["a", "a/y", "b/x"].map((name) => below(top, name))
      )
      assert.deepStrictEqual(yield* paths(below(top, "b")), [below(top, "b/x")])
      yield* make(top, ["b"])
      assert.deepStrictEqual((yield* children(top)).map((child) => child.children), [1, 1])
    }))
}
