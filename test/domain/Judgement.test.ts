import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Control from "../../src/domain/ControlEvent.ts"
import * as Judgement from "../../src/domain/Judgement.ts"

const judge = (type: string, payload: Schema.Json | undefined = {}) =>
  Judgement.judge({ type, payload: JSON.stringify(payload) })
const breaker = Control.CircuitBreakerConfigured.type

const scheduled = (schedule: Schema.Json, event: Schema.Json = { type: "tea" }): { readonly [name: string]: Schema.Json } => ({
  slug: "tea",
  schedule,
  append: { event }
})

describe("Judgement", () => {
  it("every example fits its own schema, and a client may append exactly those meant for it", () => {
    for (const [type, control] of Control.all) {
      assert.strictEqual(control.eventType.type, type)
      const decoded = Schema.decodeSync(Schema.toCodecJson(control.eventType.payload))(control.example)
      assert.isTrue(Schema.is(control.eventType.payload)(decoded))
      const verdict = judge(type, control.example)
      if (control.appendedBy === "client") assert.strictEqual(verdict, undefined, type)
      else assert.deepStrictEqual([verdict?.field, verdict?.reason], ["type", `Only the server appends ${type}`])
    }
  })

  it("what a stream keeps beside its head is bounded", () => {
    const of = (length: number) => "x".repeat(length)
    assert.isUndefined(judge(Control.Paused.type, { reason: of(1_024) }))
    assert.strictEqual(judge(Control.Paused.type, { reason: of(1_025) })?.field, "payload")
    assert.isUndefined(judge(Control.MetadataUpdated.type, { metadata: { note: of(16_000) } }))
    assert.strictEqual(judge(Control.MetadataUpdated.type, { metadata: { note: of(17_000) } })?.field, "payload.metadata")
  })

  it("types that are not reserved are anyone's", () => {
    const free = ["ping", "stream", "streams/x", "agent/configured", "Stream/paused", " stream/paused", "a/stream/x"]
    for (const type of free) {
      assert.isFalse(Control.isReserved(type), type)
      assert.strictEqual(judge(type, null), undefined, type)
    }
  })

  it("an unknown type under a reserved prefix is refused, naming the nearest", () => {
    assert.match(judge("stream/pawsed")?.reason ?? "", /Did you mean stream\/paused\?/)
    assert.match(judge("stream/meta-updated")?.reason ?? "", /Did you mean stream\/metadata-updated\?/)
    for (const prefix of ["stream", "webhook", "schedule", "subscription", "transformer", "processor"]) {
      assert.strictEqual(judge(`${prefix}/nothing`)?.field, "type")
      assert.strictEqual(judge(`${prefix}/`)?.field, "type")
    }
  })

  it("a payload that does not fit is refused, with an example that does", () => {
    const wrong: ReadonlyArray<readonly [string, Schema.Json]> = [
      ["stream/paused", null],
      ["stream/paused", "lunch"],
      ["stream/paused", { reason: 5 }],
      ["stream/resumed", []],
      ["stream/metadata-updated", {}],
      ["stream/metadata-updated", { metadata: [] }],
      ["stream/metadata-updated", { metadata: null }],
      ["stream/error-occurred", {}],
      [breaker, {}],
      [breaker, { enabled: true }],
      [breaker, { capacity: 5 }],
      [breaker, { capacity: 0, refillPerSecond: 1 }],
      [breaker, { capacity: -1, refillPerSecond: 1 }],
      [breaker, { capacity: "5", refillPerSecond: 1 }],
      [breaker, { capacity: 5, refillPerSecond: 0 }],
      [breaker, { capacity: "Infinity", refillPerSecond: 1 }]
    ]
    for (const [type, payload] of wrong) {
      const verdict = judge(type, payload)
      assert.strictEqual(verdict?.field, "payload", JSON.stringify({ type, payload }))
      const { example } = verdict ?? {}
      assert.deepInclude(example, { type })
      assert.strictEqual(judge(type, Control.all.get(type)?.example), undefined)
    }
    const endless = Judgement.judge({ type: breaker, payload: "{\"capacity\":1e400,\"refillPerSecond\":1}" })
    assert.strictEqual(endless?.field, "payload")
  })

  it("a field that the payload does not have is refused and named", () => {
    const wrong: ReadonlyArray<readonly [string, Schema.Json, string]> = [
      ["stream/paused", { reason: "lunch", resumeAfter: "1 hour" }, "resumeAfter"],
      ["stream/resumed", { reson: "lunch is over" }, "reson"],
      ["stream/metadata-updated", { metadata: {}, replace: true }, "replace"],
      [breaker, { capacity: 5, refillPerSecond: 1, resumesAfter: "1 hour" }, "resumesAfter"],
      ["schedule/configured", { ...scheduled({ after: 1 }), slot: "tea" }, "slot"],
      ["schedule/configured", scheduled({ after: 1 }, { key: "k", type: "tea" }), "key"],
      [breaker, { enabled: false, capacity: 5 }, "capacity"]
    ]
    for (const [type, payload, name] of wrong) {
      const verdict = judge(type, payload)
      assert.strictEqual(verdict?.field, "payload", JSON.stringify({ type, payload }))
      assert.include(verdict?.reason, `["${name}"]`)
    }
  })

  it("what fits is accepted, with fields of the sender's own where the schema is open", () => {
    assert.strictEqual(judge("stream/paused"), undefined)
    assert.strictEqual(judge("stream/paused", { reason: "lunch" }), undefined)
    assert.strictEqual(judge("stream/metadata-updated", { metadata: { any: { thing: 1 } } }), undefined)
    assert.strictEqual(judge("stream/error-occurred", { message: "", detail: [1] }), undefined)
    assert.strictEqual(judge(breaker, { enabled: false }), undefined)
    assert.strictEqual(judge(breaker, { enabled: true, capacity: 0.5, refillPerSecond: 1e9 }), undefined)
  })

  it("only the server says who did it", () => {
    for (const type of ["stream/paused", "stream/resumed"]) {
      assert.strictEqual(judge(type, { by: "circuit-breaker" })?.field, "payload.by")
      assert.strictEqual(judge(type, { reason: "mine", by: "" })?.field, "payload.by")
    }
  })

  it("a schedule names a time that comes, and an event that its client may append", () => {
    const right: ReadonlyArray<Schema.Json> = [
      { at: "2026-11-22T08:00:00Z" },
      { after: "90 seconds" },
      { every: 100 },
      { every: "1.5 hours", jitter: "1 minute" },
      { cron: "*/5 * * * *" },
      { cron: "30 2 * * SUN", timezone: "Europe/Berlin" }
    ]
    for (const schedule of right) assert.strictEqual(judge("schedule/configured", scheduled(schedule)), undefined)
    const wrong: ReadonlyArray<readonly [Schema.Json, string]> = [
      [{ at: "tomorrow" }, "at"],
      [{ after: "soon" }, "a number of milliseconds"],
      [{ after: -1 }, "between 0"],
      [{ after: "1000000 days" }, "3660 days"],
      [{ every: 99 }, "between 100"],
      [{ cron: "* * *" }, "cron"],
      [{ cron: "0 0 30 2 *" }, "no day fits"],
      [{ cron: "0 0 * * *", timezone: "Europe/Atlantis" }, "time zone"],
      [{}, "schedule"]
    ]
    for (const [schedule, reason] of wrong) {
      assert.include(judge("schedule/configured", scheduled(schedule))?.reason, reason, JSON.stringify(schedule))
    }
    const forged = judge("schedule/configured", scheduled({ after: 1 }, { type: "schedule/fired" }))
    assert.strictEqual(forged?.field, "payload.append.event")
    assert.include(forged?.reason, "Only the server")
    const one = { type: "schedule/configured", payload: scheduled({ after: 1 }) }
    assert.strictEqual(judge("schedule/configured", scheduled({ after: 1 }, one)), undefined)
    const two = { type: "schedule/configured", payload: scheduled({ after: 1 }, one) }
    assert.include(judge("schedule/configured", scheduled({ after: 1 }, two))?.reason, "configures none")
    const nested = judge("schedule/configured", scheduled({ after: 1 }, { type: "stream/paused", payload: { why: "" } }))
    assert.include(nested?.reason, "why")
  })

  it("expressions and URLs are judged when they are configured", () => {
    const subscription = (more: { readonly [name: string]: Schema.Json }) =>
      judge("subscription/configured", { slug: "s", url: "https://example.com", ...more })?.reason
    assert.strictEqual(subscription({ filter: "payload.total > 10" }), undefined)
    assert.include(subscription({ filter: "payload.total >" }), "no JSONata expression")
    assert.include(subscription({ url: "ftp://example.com" }), "http or https")
    assert.include(subscription({ batch: 0 }), "batch")
    assert.include(subscription({ secret: "a b" }), "secret")
    const transformer = { slug: "t", matcher: "true", transform: "{" }
    assert.include(judge("transformer/configured", transformer)?.reason, "no JSONata expression")
    assert.include(judge("subscription/resumed", { slug: "s", skip: true, from: 1 })?.reason, "exclude")
  })

  it("only a processor of the server's own speaks for it, of its own matters", () => {
    assert.isTrue(Control.speaksFor("schedule", "schedule/fired"))
    assert.isFalse(Control.speaksFor("ping-pong", "schedule/fired"))
    assert.isFalse(Control.speaksFor("schedule", "subscription/parked"))
    assert.isFalse(Control.speaksFor("schedule", "stream/error-occurred"))
    assert.isTrue(Control.speaksFor("circuit-breaker", "stream/resumed"))
  })
})
