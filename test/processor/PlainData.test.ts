import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Option, Redacted, Schema } from "effect"
import * as fc from "fast-check"
import { isDeepStrictEqual } from "node:util"
import * as PlainData from "../../src/processor/PlainData.ts"

/** The same value with the names of its objects the other way round, and with nothing shared. */
const reversed = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(reversed)
    : typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value).reverse().map(([name, field]) => [name, reversed(field)]))
    : value

class Order extends Schema.Class<Order>("Order")({ id: Schema.String, cents: Schema.Int }) {}

describe("PlainData", () => {
  it("is JSON of the same value", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      assert.strictEqual(PlainData.text(JSON.parse(PlainData.text(value))), PlainData.text(value))
      assert.deepStrictEqual(JSON.parse(PlainData.text(value)), JSON.parse(JSON.stringify(value)))
    }))
  })

  it("equal values are equal texts, whatever the order of names", () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => PlainData.text(reversed(value)) === PlainData.text(value)))
    assert.strictEqual(PlainData.text({ b: 1, a: [{ d: 2, c: 3 }] }), `{"a":[{"c":3,"d":2}],"b":1}`)
  })

  it("other values are other texts", () => {
    const narrow = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: "small" },
        fc.constantFrom(null, true, 0, 1, "", "0", "a", "null"),
        fc.array(tie("value"), { maxLength: 2 }),
        fc.dictionary(fc.constantFrom("a", "b", "__proto__", "0"), tie("value"), { maxKeys: 2 })
      )
    })).value
    const plain = (value: unknown): unknown => JSON.parse(JSON.stringify(value))
    fc.assert(fc.property(narrow, narrow, (one, other) => {
      assert.strictEqual(PlainData.text(one) === PlainData.text(other), isDeepStrictEqual(plain(one), plain(other)))
    }), { numRuns: 1_000 })
  })

  it("values that say what they are in JSON are that", () => {
    const at = DateTime.makeUnsafe("2026-04-01T10:00:00.000Z")
    assert.strictEqual(PlainData.text({ at }), `{"at":"2026-04-01T10:00:00.000Z"}`)
    assert.strictEqual(PlainData.text(new Date(0)), `"1970-01-01T00:00:00.000Z"`)
    assert.strictEqual(PlainData.text(new URL("http://a/b")), `"http://a/b"`)
    assert.strictEqual(PlainData.text(Duration.seconds(1)), PlainData.text(Duration.millis(1_000)))
    assert.notStrictEqual(PlainData.text(Option.some(1)), PlainData.text(Option.some(2)))
    assert.strictEqual(PlainData.text(new Order({ id: "a", cents: 1 })), `{"cents":1,"id":"a"}`)
    assert.strictEqual(PlainData.text(-0), PlainData.text(0))
  })

  it("one instant in two zones is two values", () => {
    const zoned = (zone: string) => DateTime.makeZonedUnsafe("2026-04-01T10:00:00.000Z", { timeZone: zone })
    assert.notStrictEqual(PlainData.text(zoned("Europe/Berlin")), PlainData.text(zoned("Europe/Paris")))
    assert.strictEqual(PlainData.text(zoned("Europe/Berlin")), PlainData.text(zoned("Europe/Berlin")))
  })

  it("refuses what has no text of its own, and says where it is", () => {
    const loop: Record<string, unknown> = {}
    loop["again"] = loop
    const refused: ReadonlyArray<readonly [unknown, RegExp]> = [
      [undefined, /^undefined is not plain data, at ring → tea$/],
      [{ a: [1, { note: undefined }] }, /^undefined is not plain data, at ring → tea → a → 1 → note$/],
      // oxlint-disable-next-line no-sparse-arrays -- a hole is no value
      [[1, , 2], /^undefined/],
      [{ a: Number.NaN }, /^NaN .* → a$/],
      [Number.POSITIVE_INFINITY, /^Infinity/],
      [1n, /^bigint/],
      [Symbol("a"), /^symbol/],
      [() => 1, /^function/],
      [{ run() {} }, /^function .* → run$/],
      [new Map([[1, 2]]), /^a Map/],
      [new Set([1]), /^a Set/],
      [new Uint8Array(2), /^a Uint8Array/],
      [/a/, /^a RegExp/],
      [new Error("no"), /^a Error/],
      [Promise.resolve(1), /^a Promise/],
      [new Date(Number.NaN), /^an invalid Date/],
      [Redacted.make("secret"), /^a Redacted/],
      [Option.some(undefined), /^undefined/],
      [{ toJSON: () => undefined }, /^function .* → toJSON$/],
      [loop, /nested deeper than 512 .* → again → …$/]
    ]
    for (const [value, message] of refused) assert.throws(() => PlainData.text(value, ["ring", "tea"]), message)
    assert.throws(() => PlainData.text(undefined), /^undefined is not plain data$/)
  })

  it("takes as much nesting as the log does", () => {
    let deep: unknown = 1
    for (let i = 0; i < 512; i++) deep = [deep]
    assert.strictEqual(PlainData.text(deep), JSON.stringify(deep))
  })
})
