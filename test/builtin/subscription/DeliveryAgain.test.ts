/** What was chosen stays chosen: a push that was not taken is made again of the same events; and what fails is told. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { TestHost } from "../../../src/testing/TestHost.ts"
import * as Workshop from "../../processor/Workshop.ts"
import { arrived, configure, expressions, failure, ping, pings } from "./Delivering.ts"
import { plain, resumed, told, value, working } from "./Delivering.ts"
import type { Receiver } from "./Delivering.ts"

const { append, pass, quiet } = Workshop

/** Until the first retry the time is as it was when the test began. */
const isFirst = (now: number): boolean => now < 100
/** The first request is not taken, whatever it holds. */
const once: Receiver = (_, index) => Effect.succeed(index === 0 ? 500 : 200)

/** As `$millis()` in a filter: some events are wanted at first, and others later. */
const filtering = (first: ReadonlyArray<number>, later: ReadonlyArray<number>) =>
  expressions({ late: ({ offset }, now) => value((isFirst(now) ? first : later).includes(offset)) })

const scopes = [["of one stream", false], ["of all below", true]] as const
for (const [what, descendants] of scopes) {
  describe(`a retry, ${what},`, () => {
    const configured = (more: object = {}) =>
      configure("a", { filter: "late", types: ["ping"], startFrom: "start", descendants, ...more })

    it.effect("is of the same event, where one before it would be wanted by now", () => {
      const { offsets, on } = working(once, filtering([3, 4], [2, 3, 4]))
      return on(Effect.gen(function*() {
        yield* append("/s", ...pings(1, 3), configured())
        yield* arrived("/s", "subscription/retrying")
        yield* pass("1 second")
        assert.deepStrictEqual(yield* offsets(3), [[3], [3], [4]])
        yield* quiet
      }))
    })

    it.effect("is made, where its event would not be wanted any more", () => {
      const { offsets, on } = working(once, filtering([3], [4]))
      return on(Effect.gen(function*() {
        yield* append("/s", ...pings(1, 3), configured())
        yield* arrived("/s", "subscription/retrying")
        yield* pass("1 second")
        assert.deepStrictEqual(yield* offsets(3), [[3], [3], [4]])
      }))
    })

    it.effect("of a batch holds what it held, also on a person's word and after a restart", () =>
      Effect.gen(function*() {
        const jsonata = filtering([3, 5], [2, 3, 4, 5, 6])
        const first = working(once, jsonata)
        yield* first.during(Effect.gen(function*() {
          yield* append("/s", ...pings(1, 5), configured({ batch: 3, onFailure: { attempts: 1 } }))
          yield* arrived("/s", "subscription/parked")
          assert.deepStrictEqual(yield* first.offsets(1), [[3, 5]])
          yield* pass("1 second")
        }))
        const second = working((_, index) => Effect.succeed(index === 0 ? 500 : 200), jsonata)
        yield* second.during(Effect.gen(function*() {
          yield* append("/s", resumed())
          yield* arrived("/s", "subscription/parked", 2)
          yield* append("/s", resumed())
          assert.deepStrictEqual(yield* second.offsets(3), [[3, 5], [3, 5], [6]])
        }))
      }).pipe(Effect.provide(TestHost.layerLog({ breaker: "off" }))))
  })
}

it.effect("a transform that fails at a retry is a failed attempt, and loses nothing", () => {
  let times = 0
  const shaky = ({ offset }: { readonly offset: number }) =>
    ++times === 3 ? failure("it took too long") : value({ offset })
  const jsonata = expressions({ shaky })
  const { offsets, on } = working(once, jsonata)
  return on(Effect.gen(function*() {
    yield* append("/s", ...pings(1, 2), configure("a", { transform: "shaky", types: ["ping"], startFrom: "start" }))
    yield* arrived("/s", "subscription/retrying")
    yield* pass("1 second")
    yield* pass("3 seconds")
    assert.deepStrictEqual(yield* offsets(3), [[2], [2], [3]])
    assert.strictEqual((yield* told("/s", "stream/error-occurred")).length, 0)
  }))
})

describe("what an expression fails at", () => {
  const broken = expressions({
    broken: ({ offset }) => offset % 2 === 0 ? failure(`no at ${offset}`) : value(true),
    always: () => failure("never")
  })

  it.effect("is passed over, and told with its cause: the first at once, and the others together", () => {
    const { offsets, on } = working(undefined, broken)
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a", { filter: "broken", types: ["ping"] }), ...pings(1, 2))
      assert.deepStrictEqual(yield* offsets(1), [[3]])
      const [first] = yield* arrived("/s", "stream/error-occurred")
      const message = "Its filter failed: no at 4"
      assert.deepStrictEqual(first?.payload, { message, source: "subscription", slug: "a", offset: 4 })
      assert.strictEqual(first?.cause?.offset, 4)
      yield* append("/s", ...pings(3, 22))
      yield* quiet
      yield* pass("59 seconds")
      assert.strictEqual((yield* told("/s", "stream/error-occurred")).length, 1)
      yield* pass("1 second")
      const [, second] = yield* arrived("/s", "stream/error-occurred", 2)
      assert.deepInclude(plain(second?.payload), { offset: 6, count: 10 })
      yield* pass("10 minutes")
      assert.strictEqual((yield* told("/s", "stream/error-occurred")).length, 2)
    }))
  })

  it.effect("is told up to the last one when the expression is mended", () => {
    const { offsets, on } = working(undefined, broken)
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a", { filter: "always", types: ["ping"] }), ping(1))
      yield* arrived("/s", "stream/error-occurred")
      yield* append("/s", ...pings(2, 5))
      yield* quiet
      yield* append("/s", configure("a", { types: ["ping"] }), ping(6))
      assert.deepStrictEqual(yield* offsets(1), [[10]])
      const [, rest] = yield* arrived("/s", "stream/error-occurred", 2)
      assert.deepInclude(plain(rest?.payload), { offset: 5, count: 4 })
    }))
  })

  it.effect("stops no push on a stream that is paused", () => {
    const { offsets, on } = working(undefined, broken)
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a", { filter: "broken", types: ["ping"], startFrom: "end" }))
      yield* append("/s", ...pings(1, 3), { type: "stream/paused", payload: {} })
      assert.deepStrictEqual(yield* offsets(2), [[3], [5]])
      yield* arrived("/s", "stream/error-occurred")
    }))
  })

  it.effect("does not wait for what is told of it", () => {
    const { offsets, on, pushed } = working((_, index) => Effect.succeed(index === 0 ? 500 : 200), broken)
    return on(Effect.gen(function*() {
      yield* append("/s", ...pings(1, 9), configure("a", { filter: "broken", types: ["ping"], startFrom: "start" }))
      yield* arrived("/s", "subscription/retrying")
      yield* pass("1 second")
      assert.deepStrictEqual(yield* offsets(5), [[3], [3], [5], [7], [9]])
      yield* pass("1 minute")
      // What failed before the retry was told then.
      assert.strictEqual(yield* Queue.size(pushed), 0)
      assert.isAtMost((yield* told("/s", "stream/error-occurred")).length, 2)
    }))
  })
})
