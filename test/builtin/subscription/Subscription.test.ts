/** What a stream's subscriptions come to: who is pushed to, from where on, and who waits for a person. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { maxConfigured, maxSubscriptions, Subscription } from "../../../src/builtin/subscription/Subscription.ts"
import type { Assignment } from "../../../src/builtin/subscription/Subscription.ts"
import type { Given } from "../../../src/testing/Scenario.ts"
import * as Scenario from "../../../src/testing/Scenario.ts"
import * as Judgement from "../../../src/domain/Judgement.ts"
import * as EventText from "../../../src/domain/EventText.ts"
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

const delivering = (assignment: Partial<Assignment> = {}) => ({
  kind: "deliver" as const,
  key: "a",
  input: { configuration: { url }, since: 2, turn: 2, jump: { generation: 2, to: "end" as const }, ...assignment }
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

it("a URL holds no user and no password", () => {
  const judge = (url: string) =>
    Judgement.judge(EventText.propose({ type: "subscription/configured", payload: { slug: "a", url } }))?.reason
  assert.strictEqual(judge("https://receiver.test/a@b"), undefined)
  for (const user of ["user", "user:secret", ":secret"]) {
    assert.include(judge(`https://${user}@receiver.test/`), "no user and no password")
  }
})

describe("what comes to nothing is told", () => {
  const { layer } = receivers()
  const watched = Scenario.make(Subscription, subscriptions(layer))
  const messages = (emitted: ReadonlyArray<{ readonly type: string; readonly payload: unknown }>) =>
    emitted.map(({ payload, type }) => `${type} ${JSON.stringify(payload)}`)
  const provided = Effect.provide(TestHost.layerOver().pipe(Layer.provideMerge(TestHost.layerLog())))

  it.effect("one beyond the bound, and only that one", () => {
    const full = watched.given(...Array.from({ length: maxSubscriptions }, (_, n) => configured({}, `s${n}`)))
    return Effect.gen(function*() {
      const [message, ...others] = messages((yield* full.when(configured({}, "more"))).emitted)
      assert.match(message ?? "", /^stream\/error-occurred .*at most 1000 subscriptions.*"slug":"more"/)
      assert.deepStrictEqual(others, [])
      yield* full.when(configured({ batch: 2 }, "s1")).then({ emitted: [] })
    }).pipe(provided)
  })

  it.effect("one that makes the configurations too large, but not one that makes them smaller", () => {
    const large = { transform: `"${"x".repeat(8_000)}"` }
    const many = Math.floor(maxConfigured / 8_100)
    const full = watched.given(...Array.from({ length: many }, (_, n) => configured(large, `s${n}`)), configured())
    return Effect.gen(function*() {
      const added = yield* full.given(configured(large, "b")).when(configured(large, "more"))
      assert.match(messages(added.emitted)[0] ?? "", /at most 1048576 characters/)
      assert.isUndefined(added.state.subscriptions["more"])
      const changed = yield* full.given(configured(large, "b")).when(configured(large))
      assert.match(messages(changed.emitted)[0] ?? "", /at most 1048576 characters/)
      assert.deepStrictEqual(changed.state.subscriptions["a"]?.assignment.configuration, { url })
      const smaller = yield* full.when(configured({ batch: 2 }, "s1"))
      assert.deepStrictEqual(smaller.emitted, [])
      assert.deepStrictEqual(smaller.state.subscriptions["s1"]?.assignment.configuration, { url, batch: 2 })
    }).pipe(provided)
  })

  it.effect("a removal or resumption of what is not there", () =>
    Effect.gen(function*() {
      for (const type of ["subscription/removed", "subscription/resumed"]) {
        const { emitted } = yield* watched.given(configured()).when({ type, payload: { slug: "A" } })
        assert.match(messages(emitted)[0] ?? "", /There is no subscription .{3,5} on this stream. Did you mean .{2}a/)
        yield* watched.given(configured()).when({ type, payload: { slug: "a" } }).then({ emitted: [] })
      }
    }).pipe(provided))
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
