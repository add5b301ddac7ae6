/** A server is killed at each step of a delivery, and another one goes on: nothing is lost, and answers count once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Queue } from "effect"
import { TestClock } from "effect/testing"
import { Streams } from "../../../src/domain/Streams.ts"
import { TestHost } from "../../../src/testing/TestHost.ts"
import { Mortal } from "../../processor/Mortal.ts"
import * as Workshop from "../../processor/Workshop.ts"
import { answer, arrived, configure, offsetsOf, pings, receivers, subscriptions, told } from "./Delivering.ts"

const { append, during } = Workshop
const count = 6

/** Even events are answered with an event, the third one fails once. */
const receiving = () => {
  let hasFailed = false
  return receivers((pushed) =>
    Effect.sync(() => {
      const [offset = 0] = offsetsOf(pushed)
      if (offset === 5 && !hasFailed) {
        hasFailed = true
        return 500
      }
      if (offset % 2 !== 0) return 200
      return answer(200, { append: [{ type: "pong", payload: { offset, random: Math.random() } }] })
    }))
}

describe("a server dies", () => {
  /** Steps, and how often a server comes there at least. */
  const steps = {
    "before append": 3,
    "after append": 3,
    "before cursor": 3,
    "after cursor": 3,
    "before read": 3,
    "after read": 3,
    "before checkpoint": 2,
    "before open": 1
  }
  for (const [step, turns] of Object.entries(steps)) {
    for (let turn = 1; turn <= turns; turn++) {
      it.effect(`${step}, ${turn}`, () =>
        Effect.gen(function*() {
          const { layer, pushed } = receiving()
          const mortal = new Mortal(step, turn)
          // Known to the log, and then nobody is there.
          yield* during(subscriptions(layer))(append("/other", { type: "ping" }))
          yield* during(Layer.empty)(
            append("/s", ...pings(1, count), configure("a", { types: ["ping"], startFrom: "start" }))
          )
          yield* mortal.live(subscriptions(layer))
          for (let seconds = 0; seconds < 10; seconds++) yield* TestClock.adjust("1 second")
          const isDead = mortal.isDead
          yield* during(subscriptions(layer))(Effect.gen(function*() {
            // The lease of the dead one runs out, and what failed is tried again.
            for (let seconds = 0; seconds < 20; seconds++) yield* TestClock.adjust("1 second")
            const pongs = yield* arrived("/s", "pong", count / 2)
            for (let seconds = 0; seconds < 5; seconds++) yield* TestClock.adjust("1 second")
            assert.deepStrictEqual(pongs.map(({ cause }) => Number(cause?.offset)), [2, 4, 6])
            assert.strictEqual((yield* told("/s", "pong")).length, count / 2)
            assert.isAtMost((yield* told("/s", "subscription/retrying")).length, 1)
            assert.strictEqual((yield* told("/s", "processor/parked")).length, 0)
          }))
          const order = (yield* Queue.takeAll(pushed)).map((each) => offsetsOf(each)[0] ?? 0)
          assert.deepStrictEqual([...new Set(order)], [2, 3, 4, 5, 6, 7])
          assert.strictEqual(isDead, true)
        }).pipe(Effect.provide(TestHost.layerLog({ breaker: "off" }))), 10_000)
    }
  }
})

it.effect("a stream that is deleted takes its subscriptions along, and may have new ones", () =>
  Effect.gen(function*() {
    const { layer, pushed } = receivers()
    yield* during(subscriptions(layer), { leaseMillis: 60_000 })(Effect.gen(function*() {
      const streams = yield* Streams
      yield* append("/s", configure("a"), ...pings(1, 3))
      assert.deepStrictEqual((yield* Queue.takeN(pushed, 3)).map(offsetsOf), [[3], [4], [5]])
      yield* streams.delete("/s")
      yield* Workshop.pass("10 seconds")
      yield* append("/s", ...pings(4, 5))
      yield* Workshop.pass("10 seconds")
      assert.strictEqual(yield* Queue.size(pushed), 0)
      yield* append("/s", configure("a", { startFrom: "start", types: ["ping"] }))
      assert.deepStrictEqual((yield* Queue.takeN(pushed, 2)).map(offsetsOf), [[7], [8]])
      assert.strictEqual((yield* told("/s", "processor/parked")).length, 0)
    }))
  }).pipe(Effect.provide(TestHost.layerLog({ breaker: "off" }))))
