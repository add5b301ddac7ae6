/** Pushes that are not taken: tried for days, parked, and what a person can do then. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { EgressFailed, EgressRefused } from "../../../src/egress/Egress.ts"
import { TestHost } from "../../../src/testing/TestHost.ts"
import * as Workshop from "../../processor/Workshop.ts"
import type { Receiver } from "./Delivering.ts"
import { answer, arrived, configure, cursorOf, offsetsOf, ping, pings } from "./Delivering.ts"
import { plain, resumed, skipping, told, working } from "./Delivering.ts"

const { append, pass, quiet } = Workshop

/** Lets time pass until a fact is there. */
const until = <A, E, R>(fact: Effect.Effect<A | undefined, E, R>, step: "1 second" | "6 hours") =>
  Effect.gen(function*() {
    for (let steps = 0; steps < 200; steps++) {
      const found = yield* fact
      if (found !== undefined) return found
      yield* pass(step)
    }
    return yield* Effect.die(new Error("It did not come to that"))
  })

const fails = (status: number): Receiver => () => Effect.succeed(status)

describe("what is not taken", () => {
  it.effect("is tried for three days, told once, and then parked", () => {
    const { on, pushed } = working(fails(500))
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a"), ping(1), ping(2))
      const [retrying] = yield* arrived("/s", "subscription/retrying")
      assert.include(plain(retrying?.payload), { slug: "a", offset: 3, error: "It answered 500" })
      const parked = yield* until(Effect.map(told("/s", "subscription/parked"), (all) => all[0]), "6 hours")
      const all = yield* Queue.takeAll(pushed)
      const error = "It answered 500. Once that is mended, append subscription/resumed"
      assert.deepStrictEqual(parked.payload, { slug: "a", offset: 3, attempts: all.length, error })
      const [first, second] = all
      assert.isAtMost((second?.at ?? 0) - (first?.at ?? 0), 6 * 3_600_000)
      assert.isAtLeast((all.at(-1)?.at ?? 0) - (first?.at ?? 0), 3 * 86_400_000)
      assert.strictEqual(new Set(all.map(({ headers }) => headers["webhook-id"])).size, 1)
      assert.strictEqual((yield* told("/s", "subscription/retrying")).length, 1)
      yield* append("/s", ping(3))
      yield* pass("6 hours")
      assert.strictEqual(yield* Queue.size(pushed), 0)
    }))
  })

  it.effect("is tried again within a second, and then goes on in order", () => {
    const { offsets, on } = working((_, index) => Effect.succeed(index < 2 ? 503 : 200))
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a"), ping(1), ping(2))
      yield* arrived("/s", "subscription/retrying")
      yield* pass("1 second")
      assert.deepStrictEqual(yield* offsets(2), [[3], [3]])
      yield* pass("2 seconds")
      assert.deepStrictEqual(yield* offsets(2), [[3], [4]])
    }))
  })

  it.effect("waits as long as the receiver asks", () => {
    const { on, pushed, take } = working((_, index) =>
      Effect.succeed(index === 0 ? answer(429, {}, { "retry-after": "120" }) : 200))
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a"), ping(1))
      yield* arrived("/s", "subscription/retrying")
      yield* take(1)
      yield* pass("119 seconds")
      assert.strictEqual(yield* Queue.size(pushed), 0)
      yield* pass("1 second")
      yield* take(1)
    }))
  })

  const scopes = [["of one stream", false], ["of all below", true]] as const
  for (const [what, descendants] of scopes) it.effect(`keeps its time and its attempts over a restart, ${what}`, () =>
    Effect.gen(function*() {
      const first = working(fails(500))
      yield* first.during(Effect.gen(function*() {
        yield* append("/s", configure("a", { batch: 10, descendants }), ...pings(1, 3))
        yield* arrived("/s", "subscription/retrying")
        yield* pass("10 minutes")
      }))
      const attempts = (yield* cursorOf("/s", "a")).failing.attempts
      assert.isAtLeast(attempts, 5)
      const second = working(fails(500))
      yield* second.during(Effect.gen(function*() {
        yield* append("/s", ...pings(4, 6))
        yield* quiet
        yield* pass("1 second")
        assert.strictEqual(yield* Queue.size(second.pushed), 0)
        yield* pass("30 minutes")
        const all = yield* Queue.takeAll(second.pushed)
        // The same push as before, whatever came meanwhile.
        for (const pushed of all) assert.deepStrictEqual(offsetsOf(pushed), [3, 4, 5])
        assert.strictEqual((yield* cursorOf("/s", "a")).failing.attempts, attempts + all.length)
      }))
      assert.strictEqual((yield* told("/s", "subscription/retrying").pipe(first.during)).length, 1)
    }).pipe(Effect.provide(TestHost.layerLog({ breaker: "off" }))))

  const atOnce: ReadonlyArray<readonly [what: string, receive: Receiver, error: string, requests: number]> = [
    ["410", fails(410), "It answered 410: it wants no more", 1],
    ["what egress refuses", () => Effect.fail(new EgressRefused({ reason: "it is private" })), "it is private", 1]
  ]
  for (const [what, receive, error, requests] of atOnce) {
    it.effect(`is parked at once: ${what}`, () => {
      const { on, pushed } = working(receive)
      return on(Effect.gen(function*() {
        yield* append("/s", configure("a", { onFailure: skipping({}) }), ping(1))
        const [parked] = yield* arrived("/s", "subscription/parked")
        const said = `${error}. Once that is mended, append subscription/resumed`
        assert.deepStrictEqual(parked?.payload, { slug: "a", offset: 3, attempts: 1, error: said })
        assert.strictEqual(yield* Queue.size(pushed), requests)
        assert.strictEqual((yield* told("/s", "subscription/retrying")).length, 0)
      }))
    })
  }

  const unfit: ReadonlyArray<readonly [what: string, more: { readonly [name: string]: unknown }, says: string]> = [
    ["its secret is not set", { secret: "printer-key" }, "MILLSTREAM_SECRET_PRINTER_KEY is not set"],
    ["its URL is not allowed", { url: "https://private.test/" }, "private.test is not allowed"]
  ]
  for (const [what, more, says] of unfit) {
    it.effect(`is parked before there is anything to push where ${what}, and tried on a person's word`, () => {
      const { offsets, on, pushed } = working()
      return on(Effect.gen(function*() {
        yield* append("/s", configure("a", more))
        const [parked] = yield* arrived("/s", "subscription/parked")
        assert.deepInclude(plain(parked?.payload), { slug: "a", offset: 2, attempts: 0 })
        assert.include(JSON.stringify(parked?.payload), says)
        assert.include(JSON.stringify(parked?.payload), "append subscription/resumed")
        yield* append("/s", ping(1), resumed())
        yield* arrived("/s", "subscription/parked", 2)
        assert.strictEqual(yield* Queue.size(pushed), 0)
        yield* append("/s", configure("a"))
        assert.deepStrictEqual(yield* offsets(1), [[4]])
      }))
    })
  }

  const begun: ReadonlyArray<readonly [status: number, told: string]> = [
    [200, "subscription/retrying"],
    [410, "subscription/parked"],
    [500, "subscription/retrying"]
  ]
  for (const [status, type] of begun) {
    it.effect(`is judged by its status where its answer is too large: ${status} is told as ${type}`, () => {
      const { on } = working(() => Effect.fail(new EgressFailed({ reason: "too large", status })))
      return on(Effect.gen(function*() {
        yield* append("/s", configure("a", { types: ["ping"] }), ping(1), ping(2))
        const [event] = yield* arrived("/s", type)
        assert.deepInclude(plain(event?.payload), { slug: "a", offset: 3 })
      }))
    })
  }

  it.effect("is passed over where that is configured", () => {
    const { offsets, on } = working((pushed) =>
      offsetsOf(pushed)[0] === 3 ? Effect.fail(new EgressFailed({ reason: "reset" })) : Effect.succeed(200))
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a", { onFailure: skipping({ attempts: 2 }) }), ping(1), ping(2))
      yield* arrived("/s", "subscription/retrying")
      yield* pass("1 second")
      assert.deepStrictEqual(yield* offsets(3), [[3], [3], [4]])
      const [error] = yield* told("/s", "stream/error-occurred")
      const message = "It was passed over after 2 attempts: reset"
      assert.deepStrictEqual(error?.payload, { message, source: "subscription", slug: "a", offset: 3 })
    }))
  })
})

describe("a parked one", () => {
  /** Parked at 4, with 5 behind it; then the receiver is back. */
  const parked = (then: Parameters<typeof append>[1], seen: ReadonlyArray<ReadonlyArray<number>>) => {
    let isBack = false
    const { offsets, on } = working((pushed) => Effect.succeed(isBack || offsetsOf(pushed)[0] === 3 ? 200 : 410))
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a", { types: ["ping"] }), ...pings(1, 3))
      yield* arrived("/s", "subscription/parked")
      assert.deepStrictEqual(yield* offsets(2), [[3], [4]])
      isBack = true
      yield* append("/s", then)
      assert.deepStrictEqual(yield* offsets(seen.length), seen)
    }))
  }

  it.effect("goes on", () => parked(resumed(), [[4], [5]]))
  it.effect("passes over", () => parked(resumed({ skip: true }), [[5]]))
  it.effect("begins again, inclusive", () => parked(resumed({ from: 3 }), [[3], [4], [5]]))
  it.effect("goes on when it is configured again", () => parked(configure("a", { types: ["ping"] }), [[4], [5]]))
  it.effect("begins anew when it is configured to", () =>
    parked(configure("a", { types: ["ping"], startFrom: 4 }), [[5]]))

  it.effect("is given as many attempts as before", () => {
    const { offsets, on } = working(fails(500))
    return on(Effect.gen(function*() {
      yield* append("/s", configure("a", { types: ["ping"], onFailure: { attempts: 2, backoff: 10 } }), ping(1))
      for (const times of [1, 2]) {
        yield* arrived("/s", "subscription/retrying", times)
        yield* pass("1 second")
        const parked = yield* arrived("/s", "subscription/parked", times)
        assert.deepInclude(plain(parked.at(-1)?.payload), { attempts: 2 })
        assert.deepStrictEqual(yield* offsets(2), [[3], [3]])
        yield* append("/s", resumed())
      }
    }))
  })

  it.effect("in a batch passes over what that held", () => {
    const { offsets, on } = working((_, index) => Effect.succeed(index === 0 ? 410 : 200))
    return on(Effect.gen(function*() {
      yield* append("/s", ...pings(1, 5), configure("a", { types: ["ping"], batch: 3, startFrom: "start" }))
      yield* arrived("/s", "subscription/parked")
      yield* append("/s", resumed({ skip: true }))
      assert.deepStrictEqual(yield* offsets(2), [[2, 3, 4], [5, 6]])
    }))
  })
})
