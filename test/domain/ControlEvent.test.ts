import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Control from "../../src/domain/ControlEvent.ts"

const judge = (type: string, payload: Schema.Json | undefined = {}) =>
  Control.judge({ type, payload: JSON.stringify(payload) })
const breaker = Control.CircuitBreakerConfigured.type

describe("ControlEvent", () => {
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
    const endless = Control.judge({ type: breaker, payload: "{\"capacity\":1e400,\"refillPerSecond\":1}" })
    assert.strictEqual(endless?.field, "payload")
  })

  it("a field that the payload does not have is refused and named", () => {
    const wrong: ReadonlyArray<readonly [string, Schema.Json, string]> = [
      ["stream/paused", { reason: "lunch", resumeAfter: "1 hour" }, "resumeAfter"],
      ["stream/resumed", { reson: "lunch is over" }, "reson"],
      ["stream/metadata-updated", { metadata: {}, replace: true }, "replace"],
      [breaker, { capacity: 5, refillPerSecond: 1, resumeAfter: "1 hour" }, "resumeAfter"],
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
})
