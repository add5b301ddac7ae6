/** Pages across streams, in commit order, and the cursors that go on behind them. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import * as Path from "../../../src/domain/StreamPath.ts"
import type { PrefixReadOptions } from "../../../src/log/EventStore.ts"
import { EventStore, pageBytes } from "../../../src/log/EventStore.ts"
import type { It } from "./Fixture.ts"
import {
  append,
  below,
  breakerOff,
  event,
  events,
  fresh,
  outlineWithin,
  parse,
  range,
  start,
  within
} from "./Fixture.ts"

/** Appends to several streams below `top` in turn. */
const turns = Effect.fnUntraced(function*(top: StreamPath) {
  for (const n of range(1, 12)) {
    yield* append(below(top, ["a", "b", "a/c"][n % 3] ?? ""), event(`turn ${n % 2}`, String(n)))
  }
})

const payloads = (found: ReadonlyArray<{ readonly line: string }>, type: RegExp) =>
  parse(found.map(({ line }) => line)).filter((each) => type.test(each.type)).map(({ payload }) => payload)

export const withinPrefix = (it: It): void => {
  it.effect("a prefix is read by whole segments", () =>
    Effect.gen(function*() {
      const top = fresh()
      for (const name of ["a", "ab", "a/b", "a-b", "b/a", "A", "a0"]) yield* append(below(top, name), event("came"))
      const { found } = yield* within(below(top, "a"))
      assert.deepStrictEqual(outlineWithin(found), [
        `${top}/a 1 stream/initialized`,
        `${top}/a 2 came`,
        `${top}/a/b 1 stream/initialized`,
        `${top}/a 3 stream/child-created`,
        `${top}/a/b 2 came`
      ])
      assert.deepStrictEqual((yield* within(below(top, "nothing"))).found, [])
    }))

  it.effect("events come in commit order", () =>
    Effect.gen(function*() {
      const top = fresh()
      yield* turns(top)
      const { found } = yield* within(top)
      assert.deepStrictEqual(payloads(found, /^turn/), [...range(1, 12)])
    }))

  it.effect("a cursor goes on without gap or duplicate from every place, at any size of page", () =>
    Effect.gen(function*() {
      const top = fresh()
      yield* turns(top)
      const { found } = yield* within(top)
      for (const limit of [1, 2, 5, undefined]) {
        const options = limit === undefined ? {} : { limit }
        assert.deepStrictEqual((yield* within(top, options)).found, found)
        for (const [i, { cursor }] of found.entries()) {
          assert.deepStrictEqual((yield* within(top, { ...options, after: cursor })).found, found.slice(i + 1))
        }
      }
      // A narrower prefix takes the cursor of a wider one.
      const middle = found[10]
      assert.isDefined(middle)
      const narrow = yield* within(below(top, "a"), { after: middle?.cursor ?? start })
      assert.deepStrictEqual(
        narrow.found,
        found.slice(11).filter(({ line }) => Path.isWithin(parse([line])[0]?.streamPath ?? Path.root, below(top, "a")))
      )
    }))

  it.effect("types are chosen, and the cursor moves past the others", () =>
    Effect.gen(function*() {
      const top = fresh()
      yield* turns(top)
      const all = yield* within(top)
      const wanted = all.found.filter(({ line }) => parse([line])[0]?.type === "turn 1")
      assert.strictEqual(wanted.length, 6)
      for (const limit of [1, 4, 100]) {
        const chosen = yield* within(top, { types: ["turn 1"], limit })
        assert.deepStrictEqual(chosen.found, wanted)
        assert.deepStrictEqual((yield* within(top, { after: chosen.last })).found, [])
      }
      assert.deepStrictEqual((yield* within(top, { types: ["none"] })).found, [])
    }))

  it.effect("a page holds no more than was asked", () =>
    Effect.gen(function*() {
      const top = fresh()
      yield* turns(top)
      const store = yield* EventStore
      const page = (options: PrefixReadOptions) => store.readWithin(top, options)
      const three = yield* page({ after: start, limit: 3 })
      assert.isAtMost(three.lines.length, 3)
      assert.isTrue(three.more)
      assert.deepStrictEqual(three.last, three.lines.at(-1)?.cursor)
    }))

  it.effect("a page is bounded in bytes, payload and metadata, and holds at least one event", () =>
    Effect.gen(function*() {
      const top = fresh()
      const store = yield* EventStore
      const text = JSON.stringify("x".repeat(pageBytes * 0.4))
      const big = [event("big", text), event("big", "{}", { metadata: `{"m":${text}}` }), event("big", text)]
      for (const name of ["a", "b"]) yield* append(below(top, name), ...big)
      const { found } = yield* within(top)
      assert.strictEqual(found.length, 1 + 2 + 2 + 6)
      for (let after = start, seen = 0; seen < found.length;) {
        const page = yield* store.readWithin(top, { after })
        const bytes = page.lines.map(({ line }) => line.length)
        assert.isBelow(bytes.slice(0, -1).reduce((sum, each) => sum + each, 0), pageBytes)
        assert.notDeepEqual(page.last, after)
        seen += bytes.length
        after = page.last
      }
    }))

  it.effect("the root is the whole log", () =>
    Effect.gen(function*() {
      const { last } = yield* within(Path.root)
      const top = fresh()
      yield* turns(top)
      const { found } = yield* within(Path.root, { after: last })
      const created = found.filter(({ line }) => parse([line])[0]?.streamPath === Path.root)
      assert.deepStrictEqual(parse(created.map(({ line }) => line)).map(({ payload }) => payload), [{ path: top }])
      assert.deepStrictEqual(found.filter((each) => !created.includes(each)), (yield* within(top)).found)
      for (const limit of [1, 7]) {
        assert.deepStrictEqual((yield* within(Path.root, { after: last, limit })).found, found)
        const chosen = yield* within(Path.root, { after: last, limit, types: ["turn 0"] })
        assert.deepStrictEqual(payloads(chosen.found, /./), [2, 4, 6, 8, 10, 12])
      }
      for (const [i, { cursor }] of found.entries()) {
        assert.deepStrictEqual((yield* within(Path.root, { after: cursor })).found, found.slice(i + 1))
      }
    }))

  it.effect("many pages of one prefix join", () =>
    Effect.gen(function*() {
      const top = fresh()
      const names = ["a", "b", "c"]
      for (const name of names) yield* append(below(top, name), breakerOff)
      for (const n of range(1, 15)) yield* append(below(top, names[n % 3] ?? ""), ...events(300, `batch ${n}`))
      const { found } = yield* within(top)
      // One of the prefix itself, three told to it, and two at the beginning of each of the three.
      assert.strictEqual(found.length, 1 + 3 + 3 * 2 + 15 * 300)
      assert.deepStrictEqual(
        parse(found.map(({ line }) => line)).filter(({ type }) => type.startsWith("batch")).map((each) => each.type),
        range(1, 15).flatMap((n) => range(1, 300).map(() => `batch ${n}`))
      )
    }))

  it.effect("the order never contradicts the offsets, nor what was acknowledged before", () =>
    Effect.gen(function*() {
      const top = fresh()
      yield* Effect.forEach(
        range(0, 9),
        Effect.fnUntraced(function*(writer) {
          for (const n of range(1, 15)) {
            yield* append(below(top, String((writer + n) % 7)), event("counted", `{"writer":${writer},"n":${n}}`))
          }
        }),
        { concurrency: "unbounded" }
      )
      const { found } = yield* within(top)
      const all = parse(found.map(({ line }) => line))
      for (const path of new Set(all.map(({ streamPath }) => streamPath))) {
        const mine = all.filter(({ streamPath }) => streamPath === path).map(({ offset }) => Number(offset))
        assert.deepStrictEqual(mine, range(1, mine.length))
      }
      for (const writer of range(0, 9)) {
        const mine = all.filter(({ payload }) => JSON.stringify(payload).includes(`"writer":${writer},`))
        assert.deepStrictEqual(mine.map(({ payload }) => payload), range(1, 15).map((n) => ({ writer, n })))
      }
    }))

  it.effect("a reader beside writers neither skips nor repeats", () =>
    Effect.gen(function*() {
      const top = fresh()
      const store = yield* EventStore
      const seen: Array<string> = []
      let written = false
      const reader = Effect.gen(function*() {
        let after = start
        while (!written) {
          const page = yield* store.readWithin(top, { after, limit: 7 })
          seen.push(...page.lines.map(({ line }) => line))
          after = page.last
          yield* Effect.yieldNow
        }
        seen.push(...(yield* within(top, { after })).found.map(({ line }) => line))
      })
      const writers = Effect.forEach(
        range(1, 120),
        (n) => append(below(top, String(n % 5)), event("counted", String(n))),
        { concurrency: 8 }
      ).pipe(Effect.ensuring(Effect.sync(() => written = true)))
      yield* Effect.all([reader, writers], { concurrency: "unbounded" })
      assert.deepStrictEqual(seen, (yield* within(top)).found.map(({ line }) => line))
      assert.strictEqual(seen.length, 1 + 5 + 5 + 120)
    }))
}
