/** What a receiver's answer asks for. */
import { assert, it } from "@effect/vitest"
import * as DeliveryReply from "../../../src/builtin/subscription/DeliveryReply.ts"

const read = (text: string) => DeliveryReply.read(new TextEncoder().encode(text))

it("asks for nothing in any other words", () => {
  const others = ["", "ok", "{}", "null", "[\"append\"]", "\"append\"", "<p>\"append\"</p>"]
  for (const text of [...others, "{\"a\":{\"append\":[]}}", "{\"append\":[]}"]) {
    assert.deepStrictEqual(read(text), { _tag: "None" }, text)
  }
})

it("reads events, beside anything else", () => {
  const appends = [{ type: "a" }, { type: "b", payload: [1], metadata: { m: 1 }, streamPath: "/x" }]
  const reply = read(JSON.stringify({ ok: true, append: appends }))
  assert.deepStrictEqual(JSON.parse(JSON.stringify(reply)), { _tag: "Append", appends })
})

const malformed: ReadonlyArray<readonly [what: string, append: unknown, says: RegExp]> = [
  ["no list", { type: "a" }, /does not fit/],
  ["null", null, /does not fit/],
  ["no type", [{ payload: 1 }], /type/],
  ["an empty type", [{ type: "" }], /empty/],
  ["a misspelt field", [{ type: "a" }, { typ: "a" }], /event 1: `typ` is not one of .* Did you mean `type`/],
  ["another field", [{ type: "a", data: 1 }], /data/],
  ["an offset", [{ type: "a", offset: 3 }], /offset/],
  ["no path", [{ type: "a", streamPath: "x" }], /starts with/],
  ["too many", Array.from({ length: 1_001 }, () => ({ type: "a" })), /1000/],
  ["what only arrives", [{ type: "webhook/received" }], /event 0: only what arrives/],
  ["a reserved type", [{ type: "a" }, { type: "stream/typo" }], /event 1: .*reserved/],
  ["what only the server says", [{ type: "schedule/fired", payload: {} }], /Only the server/],
  [
    "what only this processor says",
    [{ type: "subscription/parked", payload: { slug: "a", offset: 1, attempts: 1, error: "" } }],
    /Only the server/
  ],
  ["a control event that does not fit", [{ type: "subscription/removed", payload: {} }], /does not fit/]
]
for (const [what, append, says] of malformed) {
  it(`refuses ${what}`, () => {
    const reply = read(JSON.stringify({ append }))
    assert.strictEqual(reply._tag, "Malformed")
    if (reply._tag === "Malformed") assert.match(reply.reason, says)
  })
}

it("does not look at each of too many, and shows little of what is wrong", () => {
  const texts = [`[${"0,".repeat(510_000)}0]`, `[{"type":"x","${"k".repeat(500_000)}":1}]`]
  for (const text of texts) {
    const reply = read(`{"append":${text}}`)
    if (reply._tag !== "Malformed") assert.fail(reply._tag)
    assert.isBelow(reply.reason.length, 300)
  }
})

it("refuses what is nested too deeply, and numbers that are none", () => {
  const deep = `${"[".repeat(600)}${"]".repeat(600)}`
  assert.strictEqual(read(`{"append":[{"type":"a","payload":${deep}}]}`)._tag, "Malformed")
  assert.strictEqual(read("{\"append\":[{\"type\":\"a\",\"payload\":1e999}]}")._tag, "Malformed")
})
