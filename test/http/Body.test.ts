import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import { EventInput } from "../../src/domain/Event.ts"
import * as EventShape from "../../src/http/EventShape.ts"
import { accepted, arriving, curl, received, refused, single } from "./Arriving.ts"

const json = "application/json"

describe("an event", () => {
  it("is a JSON object with a string type and only fields of an event, however labelled but as text", () => {
    const text = "{ \"type\": \"ping\", \"payload\": { \"n\": 1.0, \"n\": 1e400 } }"
    for (const label of [undefined, json, "application/json; charset=utf-8", "application/cloudevents+json", curl]) {
      assert.deepStrictEqual(accepted(arriving(text, label)), {
        events: [{
          type: "ping",
          payload: "{\"n\":1.0,\"n\":1e400}",
          metadata: undefined,
          idempotencyKey: undefined,
          offset: undefined
        }],
        batch: false
      })
    }
    assert.strictEqual(received(arriving(text, "text/plain"))["body"], text)
  })

  it("keeps all its fields, and what the log stamps is ignored", () => {
    const text = JSON.stringify({
      offset: 7,
      type: "ping",
      payload: null,
      metadata: { a: 1 },
      idempotencyKey: "k",
      cause: "whatever",
      streamPath: 3,
      createdAt: null
    })
    assert.deepStrictEqual(accepted(arriving(text, json)).events, [
      { type: "ping", payload: "null", metadata: "{\"a\":1}", idempotencyKey: "k", offset: 7 }
    ])
  })

  it("is YAML too, with a leading --- or without, also as curl labels it", () => {
    const yaml = "type: ping\npayload:\n  n: 9007199254740993\n  f: 1e400\n  o: 0o17\n  p: +.50\n" +
      "  z: 007\n  yes: no\n  200: <<\n"
    const payload = "{\"n\":9007199254740993,\"f\":1e400,\"o\":15,\"p\":0.50,\"z\":7,\"yes\":\"no\",\"200\":\"<<\"}"
    for (const text of [yaml, `---\n${yaml}`, `${yaml}---\n`, `# a comment\n---\n${yaml}...\n`]) {
      for (const label of [curl, "application/yaml", "text/x-yaml"]) {
        const { batch, events } = accepted(arriving(text, label))
        assert.isFalse(batch)
        assert.strictEqual(events[0].type, "ping")
        assert.strictEqual(events[0].payload, payload)
      }
    }
    assert.strictEqual(single(arriving("type: ping", curl)).type, "ping")
  })

  it("with a wrong value is refused, naming the field", () => {
    const wrong: ReadonlyArray<readonly [string, unknown]> = [
      ["type", { type: "" }],
      ["type", { type: "a".repeat(257) }],
      ["type", { type: "a\0" }],
      ["type", { type: "\ud800" }],
      ["metadata", { type: "a", metadata: [] }],
      ["metadata", { type: "a", metadata: null }],
      ["idempotencyKey", { type: "a", idempotencyKey: "" }],
      ["idempotencyKey", { type: "a", idempotencyKey: "\udc00" }],
      ["idempotencyKey", { type: "a", idempotencyKey: 1 }],
      ["offset", { type: "a", offset: 0 }],
      ["offset", { type: "a", offset: 1.5 }],
      ["offset", { type: "a", offset: "1" }]
    ]
    for (const [field, value] of wrong) {
      const refusal = refused(arriving(JSON.stringify(value), json))
      assert(refusal._tag === "InvalidEvent")
      assert.strictEqual(refusal.field, field)
    }
  })

  it("is judged as the schema judges it", () => {
    const accepts = Schema.is(EventInput)
    const name = fc.oneof(
      fc.string(),
      fc.string({ unit: "binary" }),
      fc.constantFrom("", "\0", "a".repeat(256), "a".repeat(257), "\ud800")
    )
    const value = fc.oneof(name, fc.jsonValue(), fc.integer(), fc.constantFrom(0, 1, 1.5, -1, 2 ** 53, {}, [], null))
    const candidate = fc.record(
      { type: fc.oneof(name, value), payload: value, metadata: value, idempotencyKey: value, offset: value },
      { requiredKeys: [] }
    )
    fc.assert(
      fc.property(candidate, (made) => {
        const source = JSON.stringify(made)
        const parsed: unknown = JSON.parse(source)
        const mine = EventShape.isMeant(parsed) && Result.isSuccess(EventShape.propose(parsed, source))
        assert.strictEqual(mine, accepts(parsed), source)
      }),
      { numRuns: 1_000 }
    )
  })

  it("takes the header Idempotency-Key", () => {
    const key = (idempotencyKey: string | Array<string>, text = "{\"type\":\"a\"}") =>
      arriving(text, json, { idempotencyKey })
    assert.strictEqual(accepted(key("k")).events[0].idempotencyKey, "k")
    const same = key("k", "{\"type\":\"a\",\"idempotencyKey\":\"k\"}")
    assert.strictEqual(accepted(same).events[0].idempotencyKey, "k")
    assert.strictEqual(accepted(key("k", "{}")).events[0].idempotencyKey, "k")
    const other = key("k", "{\"type\":\"a\",\"idempotencyKey\":\"l\"}")
    assert.strictEqual(refused(other)._tag, "InvalidRequest")
    assert.strictEqual(refused(key("k", "[{\"type\":\"a\"}]"))._tag, "InvalidRequest")
    assert.strictEqual(refused(key(["k", "l"]))._tag, "InvalidRequest")
    assert.strictEqual(refused(key(""))._tag, "InvalidEvent")
    assert.strictEqual(refused(key("k".repeat(257)))._tag, "InvalidEvent")
  })
})

describe("a batch", () => {
  const a = { type: "a", payload: { n: 1 } }
  const b = { type: "b", idempotencyKey: "k" }
  const types = ["a", "b"]

  it("is an array, NDJSON or YAML documents", () => {
    const lines = `${JSON.stringify(a)}\r\n\n${JSON.stringify(b)}\n`
    const documents = "---\ntype: a\npayload: {n: 1}\n---\ntype: b\nidempotencyKey: k\n# the end\n---\n"
    const bodies: ReadonlyArray<readonly [string, string | undefined]> = [
      [JSON.stringify([a, b]), undefined],
      [JSON.stringify([a, b], null, 2), json],
      [JSON.stringify([a, b]), curl],
      [lines, curl],
      [lines, "application/x-ndjson"],
      [documents, curl],
      [documents, "application/yaml"],
      ["- type: a\n  payload: {n: 1}\n- {type: b, idempotencyKey: k}", "text/yaml"]
    ]
    for (const [text, label] of bodies) {
      const { batch, events } = accepted(arriving(text, label))
      assert.isTrue(batch)
      assert.deepStrictEqual(events.map((event) => event.type), types)
      assert.deepStrictEqual(events.map((event) => event.payload), ["{\"n\":1}", "{}"])
      assert.strictEqual(events[1]?.idempotencyKey, "k")
    }
    assert.isTrue(accepted(arriving(JSON.stringify(a), "application/x-ndjson")).batch)
  })

  it("is refused whole, with the first wrong index", () => {
    const wrong = (values: ReadonlyArray<unknown>, index: number, field?: string) => {
      const bodies = [[JSON.stringify(values), json], [values.map((value) => JSON.stringify(value)).join("\n"), curl]]
      for (const [text = "", label] of bodies) {
        const refusal = refused(arriving(text, label))
        assert(refusal._tag === "InvalidEvent")
        assert.strictEqual(refusal.index, index)
        assert.strictEqual(refusal.field, field)
      }
    }
    wrong([a, { data: 1 }, 3], 1)
    wrong([1, a], 0)
    wrong([a, a, { type: "" }], 2, "type")
    wrong([a, { type: "a", metadata: 1 }, 3], 1, "metadata")
    wrong([{ ...a, offset: 3 }, { ...a, offset: 5 }], 1, "offset")
    wrong([a, { ...a, offset: 1 }], 1, "offset")
    const broken = refused(arriving(`${JSON.stringify(a)}\n{"type":\n`, "application/jsonl"))
    assert(broken._tag === "InvalidEvent")
    assert.strictEqual(broken.index, 1)
  })

  it("has its offset from any of its events", () => {
    const offsets = (values: ReadonlyArray<unknown>) =>
      accepted(arriving(JSON.stringify(values), json)).events.map((event) => event.offset)
    assert.deepStrictEqual(offsets([{ ...a, offset: 3 }, a]), [3, undefined])
    assert.deepStrictEqual(offsets([{ ...a, offset: 3 }, { ...a, offset: 4 }]), [3, 4])
    assert.deepStrictEqual(offsets([a, { ...a, offset: 4 }]), [3, 4])
  })

  it("has no key twice, and at most 1,000 events", () => {
    assert.strictEqual(refused(arriving(JSON.stringify([b, a, b]), json))._tag, "InvalidRequest")
    const many = Array.from({ length: 1_001 }, () => a)
    assert.strictEqual(accepted(arriving(JSON.stringify(many.slice(1)), json)).events.length, 1_000)
    const refusal = refused(arriving(JSON.stringify(many), json))
    assert(refusal._tag === "PayloadTooLarge")
    assert.strictEqual(refusal.limit, 1_000)
  })
})
