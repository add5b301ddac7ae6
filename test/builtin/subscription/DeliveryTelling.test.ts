/** Nothing ends in silence: what is waited for, what is refused, and what someone else's keys stand in the way of. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Queue } from "effect"
import * as TransformerHooks from "../../../src/builtin/transformer/TransformerHooks.ts"
import type { EventInput } from "../../../src/domain/Event.ts"
import * as Sha256 from "../../../src/domain/Sha256.ts"
import * as Workshop from "../../processor/Workshop.ts"
import { answer, arrived, configure, cursorOf, expressions, failure, ping, pings } from "./Delivering.ts"
import { plain, receivers, resumed, subscriptions, told, working } from "./Delivering.ts"
import type { Receiver } from "./Delivering.ts"

const { append, pass, quiet } = Workshop

const pongs: Receiver = () => Effect.succeed(answer(200, { append: [{ type: "pong" }] }))
const paused: EventInput = { type: "stream/paused", payload: {} }
const under = (slug: string) => configure(slug, { descendants: true, types: ["ping"] })

describe("an answer to a stream that is paused", () => {
  it.effect("holds up the streams beside it for a minute, and is given up then", () => {
    const { offsets, on } = working(pongs)
    return on(Effect.gen(function*() {
      yield* append("/d", under("a"))
      yield* append("/d/a", ...pings(1, 2), paused)
      yield* append("/d/b", ping(2))
      assert.deepStrictEqual(yield* offsets(1), [[2]])
      for (let seconds = 0; seconds < 10; seconds++) yield* pass("1 second")
      const [waiting] = yield* arrived("/d", "subscription/retrying")
      assert.deepInclude(plain(waiting?.payload), { slug: "a", offset: 2, streamPath: "/d/a" })
      assert.include(plain(waiting?.payload).error, "/d/a is paused; append stream/resumed there")
      for (let seconds = 0; seconds < 70; seconds++) yield* pass("1 second")
      const given = (yield* told("/d", "stream/error-occurred")).map(({ payload }) => plain(payload))
      // Another minute is not waited for the second one.
      assert.deepStrictEqual(given.map(({ offset, streamPath }) => [streamPath, offset]), [["/d/a", 2], ["/d/a", 3]])
      assert.include(given[0]?.message, "given up: /d/a is paused; append stream/resumed there")
      assert.deepStrictEqual(yield* offsets(2), [[3], [2]])
      yield* arrived("/d/b", "pong")
      yield* append("/d/a", { type: "stream/resumed", payload: {} }, ping(3))
      const [pong] = yield* arrived("/d/a", "pong")
      assert.strictEqual(pong?.cause?.offset, 6)
      assert.strictEqual((yield* told("/d", "subscription/retrying")).length, 1)
    }))
  })

  it.effect("waits on one stream for as long as it takes, which is told once, and may be passed over", () => {
    const { offsets, on, pushed } = working(pongs)
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a", { types: ["ping"] }), ...pings(1, 2), paused)
      for (let minutes = 0; minutes < 10; minutes++) yield* pass("1 minute")
      assert.deepStrictEqual(yield* offsets(1), [[3]])
      const waiting = yield* told("/s", "subscription/retrying")
      assert.deepStrictEqual(waiting.map(({ payload }) => plain(payload).offset), [3])
      assert.include(plain(waiting[0]?.payload).error, "/s is paused; append stream/resumed there")
      assert.strictEqual(yield* Queue.size(pushed), 0)
      yield* append("/s", { type: "stream/resumed", payload: {} })
      for (let seconds = 0; seconds < 11; seconds++) yield* pass("1 second")
      const all = yield* arrived("/s", "pong", 2)
      assert.deepStrictEqual(all.map(({ cause }) => Number(cause?.offset)), [3, 4])
      yield* quiet
      assert.notProperty(yield* cursorOf("/s", "a"), "failing")
    }))
  })

  it.effect("is passed over on a person's word", () => {
    const { offsets, on } = working((_, index) =>
      Effect.succeed(index === 0 ? answer(200, { append: [{ type: "pong", streamPath: "/t" }] }) : 200))
    return on(Effect.gen(function*() {
      yield* append("/t", paused)
      yield* append("/s", configure("a", { types: ["ping"] }), ...pings(1, 2))
      assert.deepStrictEqual(yield* offsets(1), [[3]])
      for (let seconds = 0; seconds < 10; seconds++) yield* pass("1 second")
      yield* arrived("/s", "subscription/retrying")
      yield* append("/s", resumed({ skip: true }))
      assert.deepStrictEqual(yield* offsets(1), [[4]])
    }))
  })
})

it.effect("a subscription and a transformer that both fail do not answer each other", () => {
  const jsonata = expressions({ "$error(\"sub\")": () => failure("sub"), "$error(\"tr\")": () => failure("tr") })
  const { layer } = receivers()
  const both = Layer.merge(
    subscriptions(layer, {}, jsonata),
    TransformerHooks.layer.pipe(Layer.provide(jsonata))
  )
  return Workshop.work(both, { breaker: "off", leaseMillis: 30 * 86_400_000 })(Effect.gen(function*() {
    yield* append(
      "/s",
      configure("a", { filter: "$error(\"sub\")" }),
      configure("b", { filter: "$error(\"sub\")", types: ["stream/error-occurred"] }),
      { type: "transformer/configured", payload: { slug: "t", matcher: "$error(\"tr\")", transform: "$" } },
      { type: "one" }
    )
    for (let minutes = 0; minutes < 5; minutes++) yield* pass("1 minute")
    const errors = (yield* told("/s", "stream/error-occurred")).map(({ cause, payload }) => ({
      slug: plain(payload).slug,
      offset: Number(cause?.offset)
    }))
    // Both of what is not an error, and neither of what the other one told.
    assert.sameMembers([...new Set(errors.map(({ slug }) => slug))], ["a", "t"])
    for (const { offset } of errors) assert.isAtMost(offset, 5)
    assert.isAtMost(errors.length, 4)
  }))
})

describe("a key that someone else has taken", () => {
  const keyOf = (what: string, ...parts: ReadonlyArray<string | number>) =>
    `subscription-${what}/${Sha256.base64Url(JSON.stringify(["a", ...parts]))}`

  it.effect("silences no answer", () => {
    const { on } = working(() =>
      Effect.succeed(answer(200, { append: [{ type: "pong" }, { type: "pang", streamPath: "/t" }] })))
    return on(Effect.gen(function*() {
      const squatted = `subscription/a/${Sha256.base64Url(JSON.stringify(["/s", "a", "/s", 4]))}/1`
      yield* append("/t", { type: "x", idempotencyKey: squatted })
      yield* append("/s", configure("a", { types: ["ping"] }))
      yield* append("/s", { type: "x", idempotencyKey: "subscription/a/4/0" })
      yield* append("/s", ping(1))
      const [pong] = yield* arrived("/s", "pong")
      const [pang] = yield* arrived("/t", "pang")
      assert.match(pong?.idempotencyKey ?? "", /^subscription\/a\/4\/0\/.{36}$/)
      assert.strictEqual(pang?.cause?.offset, 4)
      assert.strictEqual((yield* cursorOf("/s", "a")).at, 4)
    }))
  })

  it.effect("silences neither a retry nor the parking", () => {
    const { on } = working(() => Effect.succeed(500))
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a", { types: ["ping"], onFailure: { attempts: 2 } }))
      for (const what of ["retrying", "parked"]) {
        yield* append("/s", { type: "x", idempotencyKey: keyOf(what, 2, "/s", 5) })
      }
      yield* append("/s", ping(1))
      yield* arrived("/s", "subscription/retrying")
      yield* pass("1 second")
      const [parked] = yield* arrived("/s", "subscription/parked")
      assert.deepInclude(plain(parked?.payload), { offset: 5, attempts: 2 })
    }))
  })

  it.effect("silences no error", () => {
    const { on } = working(() => Effect.succeed(answer(200, { append: [{ typ: "pong" }] })))
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a", { types: ["ping"] }))
      yield* append("/s", { type: "x", idempotencyKey: keyOf("error-answer", 2, "/s", 4) })
      yield* append("/s", ping(1))
      const [error] = yield* arrived("/s", "stream/error-occurred")
      assert.include(plain(error?.payload).message, "event 0: `typ` is not one of")
    }))
  })
})

describe("a resumption", () => {
  const wrong: ReadonlyArray<readonly [what: string, descendants: boolean, streamPath: string, says: string]> = [
    ["of a stream that is not there", true, "/s/typo", "There is no stream /s/typo"],
    ["of a stream elsewhere", true, "/other", "/other is not below /s"],
    ["of a stream below, which it does not push", false, "/s/a", "leave out `streamPath`"]
  ]
  for (const [what, descendants, streamPath, says] of wrong) {
    it.effect(`${what} replays nothing and is told`, () => {
      const { offsets, on } = working()
      return on(Effect.gen(function*() {
        yield* append("/other", ping(0))
        yield* append("/s/a", ...pings(1, 3))
        yield* append("/s", configure("a", { types: ["ping"], descendants }), ping(4))
        const [[before = 0] = []] = yield* offsets(1)
        yield* quiet
        yield* append("/s", resumed({ from: 2, streamPath }))
        const [error] = yield* arrived("/s", "stream/error-occurred")
        assert.include(plain(error?.payload).message, says)
        yield* append("/s", ping(5))
        const [[after = 0] = []] = yield* offsets(1)
        assert.strictEqual(after, before + 3)
      }))
    })
  }
})
