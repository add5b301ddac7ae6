/** What fibers leave behind: facts, recorded at once, and cursors. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { Paused } from "../../src/domain/ControlEvent.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
import { asked, noting } from "./Working.ts"
import { append, Came, during, numbers, quiet, read, types, work, written } from "./Workshop.ts"

describe("what a fiber appends", () => {
  it.effect("is recorded at once, on any stream; its cause is the event at which the state asked", () => {
    const { layer } = noting((input, { append }) =>
      Effect.gen(function*() {
        const event = yield* append(Came.make({ n: input }))
        yield* append(Came.make({ n: event.offset }), { streamPath: "/other" })
        return yield* Effect.never
      }))
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 7), asked("a", 7))
      yield* quiet
      assert.deepStrictEqual(yield* types("/s"), ["asked", "asked", "came"])
      assert.deepStrictEqual(yield* numbers("/other", Came), [4])
      const causes = [...yield* read("/s"), ...yield* read("/other")].flatMap(({ cause }) =>
        cause === undefined ? [] : [[cause.streamPath, cause.offset, cause.hops, cause.processor]])
      assert.deepStrictEqual(causes, [["/s", 2, 0, "working"], ["/s", 2, 1, "working"]])
    }).pipe(work(layer))
  })

  it.effect("`once` is recorded once, whatever the attempt; with another input it is another fact", () => {
    let attempts = 0
    const { layer } = noting((_, { append }) =>
      Effect.suspend(() => {
        attempts += 1
        const first = append(Came.make({ n: attempts }), { once: "first" })
        const second = append(Came.make({ n: 100 + attempts }), { once: "second" })
        return Effect.andThen(first, Effect.andThen(second, attempts < 3 ? Effect.fail("again") : Effect.never))
      }))
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        yield* append("/s", asked("a", 1))
        yield* quiet
        assert.strictEqual(attempts, 3)
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 101])
        yield* append("/s", asked("b", 1))
        yield* quiet
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 101, 4, 104])
      }).pipe(during(layer))
      yield* Effect.gen(function*() {
        yield* quiet
        yield* append("/s", asked("a", 2))
        yield* quiet
        // Both ran again after the restart, and then one with another input.
        assert.strictEqual(attempts, 7)
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 101, 4, 104, 7, 107])
      }).pipe(during(layer))
    }).pipe(Effect.provide(TestHost.layerLog()))
  })
})

describe("what a fiber appends together", () => {
  const both = (input: number, key: string) => [
    { event: Came.make({ n: input }, { idempotencyKey: `${key}/1` }) },
    { event: Came.make({ n: 10 * input }, { idempotencyKey: `${key}/2` }), streamPath: "/other" }
  ]

  it.effect("is recorded with its cursor, on all streams or on none", () => {
    const seen: Array<unknown> = []
    const { layer } = noting((input, { appendAll, cursor, key }) =>
      Effect.gen(function*() {
        const exit = yield* Effect.exit(appendAll(both(input, key), { cursor: input }))
        seen.push([key, exit._tag === "Success" ? exit.value.map(({ streamPath }) => streamPath) : "nothing", yield* cursor])
        return yield* Effect.never
      }))
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 7))
      yield* quiet
      yield* append("/other", Paused.make({}))
      yield* append("/s", asked("b", 8))
      yield* quiet
      assert.deepStrictEqual(seen, [["a", ["/s", "/other"], 7], ["b", "nothing", undefined]])
      assert.deepStrictEqual(yield* numbers("/s", Came), [7])
      assert.deepStrictEqual(yield* numbers("/other", Came), [70])
    }).pipe(work(layer))
  })

  it.effect("is recorded once under its keys, whatever the attempt", () => {
    let attempts = 0
    const { layer } = noting((input, { appendAll, key }) =>
      Effect.gen(function*() {
        attempts += 1
        yield* appendAll(both(input, key))
        return yield* attempts < 3 ? Effect.fail("again") : Effect.never
      }))
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 7))
      yield* quiet
      assert.strictEqual(attempts, 3)
      assert.deepStrictEqual(yield* numbers("/s", Came), [7])
      assert.deepStrictEqual(yield* numbers("/other", Came), [70])
    }).pipe(work(layer))
  })

  it.effect("is refused where one of its chains is too long, and nothing is said in its place", () => {
    const seen: Array<string> = []
    const { layer } = noting((input, { append, appendAll }) =>
      Effect.gen(function*() {
        const far = yield* append(Came.make({ n: input }), { streamPath: "/far" })
        const all = [{ event: Came.make({ n: 1 }) }, { event: Came.make({ n: 2 }), streamPath: "/far" }]
        const exit = yield* Effect.result(appendAll(all, { answering: far }))
        seen.push(exit._tag === "Failure" ? exit.failure.message : "recorded")
        return yield* Effect.never
      }))
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 7))
      yield* quiet
      assert.lengthOf(seen, 1)
      assert.include(seen[0], "more than 1 times")
      assert.deepStrictEqual(yield* types("/s"), ["asked"])
      assert.deepStrictEqual(yield* numbers("/far", Came), [7])
    }).pipe(work(layer, { maxHops: 1 }))
  })

  it.effect("answers an event that the fiber has read, of whatever stream, and goes on its chain", () => {
    const { layer } = noting((input, { append, appendAll }) =>
      Effect.gen(function*() {
        const far = yield* append(Came.make({ n: input }), { streamPath: "/far" })
        yield* appendAll([{ event: Came.make({ n: input }) }], { answering: far })
        return yield* Effect.never
      }))
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 7))
      yield* quiet
      const causes = (yield* read("/s")).flatMap(({ cause }) => cause === undefined ? [] : [cause])
      assert.deepStrictEqual(causes.map(({ hops, offset, streamPath }) => [streamPath, offset, hops]), [["/far", 2, 2]])
    }).pipe(work(layer))
  })
})

describe("a fiber's cursor", () => {
  it.effect("is a durable value of its kind and key, which outlives a changed input and a restart", () => {
    const seen: Array<unknown> = []
    const { layer } = noting((input, { cursor, key, moveCursor }) =>
      Effect.gen(function*() {
        seen.push([key, input, yield* cursor])
        yield* moveCursor({ at: input })
        return yield* Effect.never
      }))
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        yield* append("/s", asked("a", 1), asked("b", 9))
        yield* quiet
        yield* append("/s", asked("a", 2))
        yield* quiet
        assert.deepStrictEqual(seen.splice(0), [["a", 1, undefined], ["b", 9, undefined], ["a", 2, { at: 1 }]])
      }).pipe(during(layer))
      yield* quiet.pipe(during(layer))
      assert.deepStrictEqual(seen, [["a", 2, { at: 2 }], ["b", 9, { at: 9 }]])
      const row = yield* written("working", "/s")
      assert.deepStrictEqual(row?.cursors.map(({ key, value }) => [key, value]).toSorted(), [
        ["a", `{"at":2}`],
        ["b", `{"at":9}`]
      ])
    }).pipe(Effect.provide(TestHost.layerLog()))
  })

  it.effect("moves with an append, both or neither, and behind a fact that was recorded before", () => {
    const seen: Array<unknown> = []
    const { layer } = noting((input, { append, cursor, key }) =>
      Effect.gen(function*() {
        const before = yield* cursor
        const n = typeof before === "number" ? before + 1 : 1
        const to = key === "away" ? { streamPath: "/paused" } : {}
        const exit = yield* Effect.exit(append(Came.make({ n: input * 10 + n }), { ...to, once: "fact", cursor: n }))
        seen.push([key, exit._tag, yield* cursor])
        return yield* Effect.never
      }))
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        yield* append("/paused", Paused.make({}))
        yield* append("/s", asked("here", 1), asked("away", 1))
        yield* quiet
        assert.deepStrictEqual(seen.splice(0), [["here", "Success", 1], ["away", "Failure", undefined]])
      }).pipe(during(layer))
      yield* quiet.pipe(during(layer))
      assert.deepStrictEqual(seen, [["here", "Success", 2], ["away", "Failure", undefined]])
      assert.deepStrictEqual(yield* numbers("/s", Came).pipe(during(noting().layer)), [11])
    }).pipe(Effect.provide(TestHost.layerLog()))
  })
})
