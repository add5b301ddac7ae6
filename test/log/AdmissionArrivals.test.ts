/** What a stream asks of what arrives: folded from its events, and looked at before everything else. */
import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import type { Proposed } from "../../src/domain/EventText.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import type { Verification } from "../../src/domain/Verification.ts"
import * as Admission from "../../src/log/Admission.ts"
import type { Proof } from "../../src/log/Arrivals.ts"
import type { Head } from "../../src/log/CoreState.ts"
import * as CoreState from "../../src/log/CoreState.ts"
import type { Arrived } from "../../src/log/Arrivals.ts"
import * as Group from "../../src/log/Group.ts"

const path = StreamPath.make("/a")
const terms = { now: 1, breaker: "off" } as const
const slack: Verification = { provider: "slack", secret: "slack" }
const others: ReadonlyArray<Verification> = [{ ...slack, secret: "other" }, { ...slack, provider: "github" }]

const configured = (verification: Verification): Proposed => ({
  type: "webhook/verification-configured",
  payload: JSON.stringify(verification)
})
const proof = (verified?: Verification, required = false): Proof => ({ verified, required })
const arrived = (arrival: Proof, idempotencyKey?: string): Arrived => ({
  path,
  arrival,
  events: [{ type: "webhook/received", payload: "{}", idempotencyKey }]
})

/** Heads after such events. */
const headsAfter = (...events: ReadonlyArray<Proposed>): ReadonlyMap<StreamPath, Head> => {
  const get = () => CoreState.unwritten
  return Result.getOrThrow(Admission.admit({ get }, { path, events }, terms)).heads
}
const headAfter = (...events: ReadonlyArray<Proposed>): Head => headsAfter(...events).get(path) ?? CoreState.unwritten

describe("what a stream asks of what arrives", () => {
  it("is what its last configuration says, and is stored", () => {
    const encode = Schema.encodeSync(CoreState.Stored)
    const decode = Schema.decodeUnknownSync(CoreState.Stored)
    assert.isUndefined(headAfter({ type: "a", payload: "{}" }).core.verification)
    for (const last of [slack, ...others]) {
      const { core } = headAfter(configured(slack), configured(last), { type: "stream/paused", payload: "{}" })
      assert.deepStrictEqual(core.verification, last)
      assert.deepStrictEqual(decode(encode(core)), core)
      assert.deepStrictEqual(decode(JSON.stringify(core)), core)
    }
    // A stream that was stored before there was such a thing.
    const { verification: _, ...before } = CoreState.initial
    assert.deepStrictEqual(decode(JSON.stringify(before)), CoreState.initial)
  })

  it("is nothing once that is switched off, until it is configured again", () => {
    const off: Proposed = { type: "webhook/verification-configured", payload: "{\"enabled\":false}" }
    assert.deepStrictEqual(headAfter(configured(slack), off).core, CoreState.initial)
    const on = { ...configured(slack), payload: JSON.stringify({ enabled: true, ...slack }) }
    assert.deepStrictEqual(headAfter(configured(slack), off, on).core, { ...CoreState.initial, verification: slack })
  })

  it("is nothing after a delete", () => {
    const heads = headsAfter(configured(slack))
    const { heads: after } = Admission.remove({ get: (each) => heads.get(each) ?? CoreState.unwritten }, path, terms)
    assert.isUndefined(after.get(path)?.core.verification)
  })

  it("is proven by nothing else", () => {
    const head = headAfter(configured(slack))
    for (const required of [false, true]) {
      assert.isUndefined(Admission.judgeArrival(head, proof(slack, required)))
      for (const verified of [undefined, ...others]) {
        assert.deepStrictEqual(Admission.judgeArrival(head, proof(verified, required))?.asked, slack)
      }
    }
  })

  it("must be something for who has shown no token", () => {
    for (const head of [CoreState.unwritten, headAfter({ type: "a", payload: "{}" })]) {
      for (const verified of [undefined, slack]) {
        assert.isUndefined(Admission.judgeArrival(head, proof(verified)))
        const refused = Admission.judgeArrival(head, proof(verified, true))
        assert.deepStrictEqual([refused?._tag, refused?.asked], ["Unverified", undefined])
      }
    }
  })
})

describe("a group", () => {
  const view = new Map([...headsAfter(configured(slack))].map(([each, head]) => [each, { ...head, id: 1n }]))
  const tags = (plan: Group.Plan) => plan.decisions.map(({ _tag }) => _tag)

  it("refuses what is not verified alone, on the head that it saw", () => {
    const plan = Group.plan([
      { path, events: [{ type: "ping", payload: "{}" }] },
      arrived(proof()),
      arrived(proof(slack)),
      { path, events: [configured(others[0] ?? slack)] },
      arrived(proof(slack)),
      arrived(proof(others[0], true))
    ], view, new Map(), terms)
    assert.deepStrictEqual(tags(plan), ["Recorded", "Unverified", "Recorded", "Recorded", "Unverified", "Recorded"])
    assert.strictEqual(plan.events.length, 4)
    // A refusal alone rests on the head as well: it is written, so that it is verified.
    assert.deepStrictEqual([...Group.plan([arrived(proof())], view, new Map(), terms).looked], [[path, view.get(path)]])
  })

  it("tells nobody of a key who is not verified", () => {
    const stored = { offset: 3, type: "webhook/received", payload: "{}", line: "{}" }
    const known = new Map([[path, new Map([["k", stored]])]])
    const plan = Group.plan([arrived(proof(), "k"), arrived(proof(slack), "k")], view, known, terms)
    assert.deepStrictEqual(tags(plan), ["Unverified", "Known"])
    // Nor does a request of theirs hold others up.
    const fresh = Group.plan([arrived(proof(), "k"), arrived(proof(slack), "k")], view, new Map(), terms)
    assert.deepStrictEqual(tags(fresh), ["Unverified", "Recorded"])
  })
})
