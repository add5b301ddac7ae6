/** What a stream's subscriptions come to: who is pushed to, from where on, and who waits for a person. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { maxSubscriptions, Subscription } from "../../../src/builtin/subscription/Subscription.ts"
import type { Delivery } from "../../../src/builtin/subscription/Subscription.ts"
import type { Given } from "../../../src/testing/Scenario.ts"
import * as Scenario from "../../../src/testing/Scenario.ts"
import { Offset } from "../../../src/domain/Event.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import { TestHost } from "../../../src/testing/TestHost.ts"
import { receivers, skipping, subscriptions } from "./Delivering.ts"

const stream = Scenario.make(Subscription)
const url = "https://receiver.test/hook"
const nextAt = "2026-11-22T08:00:00.000Z"

const configured = (more: object = {}, slug = "a"): Given => ({
  type: "subscription/configured",
  payload: { slug, url, ...more }
})
/** By the fiber that an event made run. */
const by = (offset: number) => ({
  streamPath: StreamPath.make("/scenario"),
  offset: Offset.make(offset),
  processor: "subscription",
  hops: 0
})
const parked = (offset: number, turn: number, more: object = {}): Given => ({
  type: "subscription/parked",
  payload: { slug: "a", offset, attempts: 3, error: "no", ...more },
  cause: by(turn)
})
const retrying = (offset: number, turn: number): Given => ({
  type: "subscription/retrying",
  payload: { slug: "a", offset, error: "no", nextAt },
  cause: by(turn)
})
const resumed = (more: object = {}): Given => ({ type: "subscription/resumed", payload: { slug: "a", ...more } })
const other: Given = { type: "ping" }

const delivering = (delivery: Partial<Delivery> = {}) => ({
  kind: "deliver" as const,
  key: "a",
  input: { configuration: { url }, since: 2, turn: 2, jump: { generation: 2, to: "end" as const }, ...delivery }
})

describe("configuring", () => {
  it.effect("asks for a delivery from its end, its start or an offset", () =>
    Effect.gen(function*() {
      yield* stream.when(configured()).then({ asked: [delivering()] })
      for (const [startFrom, to] of [["start", "start"], ["end", "end"], [7, { after: 7 }]] as const) {
        const jump = { generation: 2, to }
        yield* stream.when(configured({ startFrom })).then({
          asked: [delivering({ configuration: { url, startFrom }, jump })]
        })
      }
    }))

  it.effect("identically changes nothing, however its fields are ordered", () =>
    Effect.gen(function*() {
      const given = { types: ["x"], onFailure: skipping({ attempts: 3 }) }
      const before = yield* stream.when(configured(given))
      const { state } = yield* stream.given(configured(given)).when(
        configured({ onFailure: { ...skipping({}), attempts: 3 }, types: ["x"] })
      )
      assert.deepStrictEqual(state, before.state)
    }))

  it.effect("again keeps where it begins, unless it says so", () =>
    Effect.gen(function*() {
      const scenario = stream.given(configured({ startFrom: 5 }))
      yield* scenario.when(configured({ batch: 9 })).then({
        asked: [delivering({
          configuration: { url, batch: 9 },
          since: 3,
          turn: 3,
          jump: { generation: 2, to: { after: 5 } }
        })]
      })
      yield* scenario.when(configured({ batch: 9, startFrom: "start" })).then({
        asked: [delivering({
          configuration: { url, batch: 9, startFrom: "start" },
          since: 3,
          turn: 3,
          jump: { generation: 3, to: "start" }
        })]
      })
    }))

  it.effect("lets a parked one go on, also identically", () =>
    Effect.gen(function*() {
      const scenario = stream.given(configured(), parked(1, 2))
      yield* scenario.when(other).then({ asked: [] })
      yield* scenario.when(configured()).then({ asked: [delivering({ turn: 4 })] })
      yield* scenario.when(configured({ batch: 2 })).then({
        asked: [delivering({ configuration: { url, batch: 2 }, since: 4, turn: 4 })]
      })
    }))

  it.effect("takes any slug, and keeps no more than its bound", () =>
    Effect.gen(function*() {
      const odd = ["__proto__", "constructor", "7", "a/b"]
      const { asked } = yield* stream.given(...odd.map((slug) => configured({}, slug))).when(other)
      assert.sameMembers(asked.map(({ key }) => key), odd)
      const many = Array.from({ length: maxSubscriptions }, (_, n) => configured({}, `s${n}`))
      const full = stream.given(...many)
      assert.strictEqual((yield* full.when(configured({}, "more"))).asked.length, maxSubscriptions)
      // Those that are there may be changed.
      const { asked: changed } = yield* full.when(configured({ batch: 2 }, "s7"))
      assert.deepInclude(changed.find(({ key }) => key === "s7")?.input, { since: maxSubscriptions + 2 })
    }))

  it.effect("anew after a removal begins anew", () =>
    stream.given(configured({ startFrom: "start" }), { type: "subscription/removed", payload: { slug: "a" } })
      .when(configured()).then({
        asked: [delivering({ since: 4, turn: 4, jump: { generation: 4, to: "end" } })]
      }))
})

it.effect("one beyond the bound is told, and only that one", () => {
  const { layer } = receivers()
  const watched = Scenario.make(Subscription, subscriptions(layer))
  const full = watched.given(...Array.from({ length: maxSubscriptions }, (_, n) => configured({}, `s${n}`)))
  return Effect.gen(function*() {
    const { emitted } = yield* full.when(configured({}, "more"))
    assert.deepStrictEqual(emitted.map(({ payload, type }) => [type, JSON.parse(JSON.stringify(payload)).slug]), [
      ["stream/error-occurred", "more"]
    ])
    yield* full.when(configured({ batch: 2 }, "s1")).then({ emitted: [] })
  }).pipe(Effect.provide(TestHost.layerOver().pipe(Layer.provideMerge(TestHost.layerLog()))))
})

describe("what its fiber tells", () => {
  it.effect("is seen, and does not start it anew", () =>
    Effect.gen(function*() {
      const { state } = yield* stream.given(configured()).when(retrying(1, 2)).then({ asked: [delivering()] })
      assert.deepStrictEqual(state.subscriptions["a"]?.retrying, { offset: 1, error: "no", nextAt })
    }))

  it.effect("does not park one that was configured or resumed meanwhile", () =>
    Effect.gen(function*() {
      const next = configured({ batch: 2 })
      yield* stream.given(configured(), next).when(parked(1, 2)).then({
        asked: [delivering({ configuration: { url, batch: 2 }, since: 3, turn: 3 })]
      })
      yield* stream.given(configured(), next).when(parked(1, 3)).then({ asked: [] })
    }))
})

describe("resuming", () => {
  const parkedOne = stream.given(configured(), parked(7, 2))

  it.effect("goes on, passes over the push, or begins again", () =>
    Effect.gen(function*() {
      yield* parkedOne.when(resumed()).then({ asked: [delivering({ turn: 4 })] })
      yield* parkedOne.when(resumed({ skip: true })).then({
        asked: [delivering({ turn: 4, jump: { generation: 4, to: { over: 7 } } })]
      })
      yield* parkedOne.when(resumed({ from: 3 })).then({
        asked: [delivering({ turn: 4, jump: { generation: 4, to: { from: 3 } } })]
      })
      yield* stream.given(configured(), parked(7, 2, { streamPath: "/scenario/x" })).when(resumed({ skip: true })).then({
        asked: [delivering({ turn: 4, jump: { generation: 4, to: { over: 7, streamPath: "/scenario/x" } } })]
      })
    }))

  it.effect("one that goes on by itself only begins again, or is tried at once", () =>
    Effect.gen(function*() {
      const scenario = stream.given(configured())
      yield* scenario.when(resumed()).then({ asked: [delivering()] })
      yield* scenario.when(resumed({ skip: true })).then({ asked: [delivering()] })
      yield* scenario.when(resumed({ from: 1 })).then({
        asked: [delivering({ turn: 3, jump: { generation: 3, to: { from: 1 } } })]
      })
      yield* scenario.given(retrying(5, 2)).when(resumed({ skip: true })).then({
        asked: [delivering({ turn: 4, jump: { generation: 4, to: { over: 5 } } })]
      })
    }))

  it.effect("of what is not there is nothing", () =>
    Effect.all([
      stream.when(resumed()).then({ asked: [], state: { subscriptions: {} } }),
      stream.when({ type: "subscription/removed", payload: { slug: "a" } }).then({ state: { subscriptions: {} } })
    ]))
})
