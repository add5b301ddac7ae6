import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Json from "../../src/domain/JsonText.ts"
import { jsonSource } from "./JsonSource.ts"

/** Texts that a value would not survive, each by another road. */
const delicate = [
  "{\"__proto__\":{\"a\":1}}",
  "{\"a\":\"\\u0000\",\"\\u0000\":1}",
  "[\"\\ud800\",\"\\udc00\\ud800\"]",
  "1e400000",
  "9007199254740993",
  "-0.0",
  "{\"a\":1,\"a\":2}",
  "\"\\\\\\\"\\\\\"",
  `"${"\\\\".repeat(40)}\\""`,
  "{\"2\":1,\"1\":2}"
]

describe("JsonText", () => {
  it("minify drops white space outside strings and nothing else", () => {
    fc.assert(fc.property(jsonSource, ({ spaced, tight }) => assert.strictEqual(Json.minify(spaced), tight)))
    for (const text of delicate) assert.strictEqual(Json.minify(` ${text}\n`), text)
  })

  it("members cuts out what JSON.parse would read, and the last duplicate wins", () => {
    fc.assert(fc.property(
      fc.array(fc.tuple(fc.constantFrom("payload", "metadata", "\\u0070ayload", "payloa", "x"), jsonSource)),
      (pairs) => {
        const text = ` { ${pairs.map(([name, { spaced }]) => `"${name}" :${spaced}`).join(",")} } `
        const last = (names: ReadonlyArray<string>) => pairs.findLast(([name]) => names.includes(name))?.[1].tight
        assert.deepStrictEqual(Json.members(text, ["payload", "metadata"]), [
          last(["payload", "\\u0070ayload"]),
          last(["metadata"])
        ])
      }
    ))
    for (const text of delicate) assert.deepStrictEqual(Json.members(`{"p":${text},"q":1}`, ["p"]), [text])
    assert.deepStrictEqual(Json.members("{}", ["p"]), [undefined])
  })

  it("elements cuts an array into what it was written as", () => {
    fc.assert(fc.property(fc.array(jsonSource), (sources) => {
      const text = ` [${sources.map(({ spaced }) => spaced).join(",")}]\n`
      assert.deepStrictEqual(Json.elements(text), sources.map(({ spaced }) => spaced.trim()))
    }))
  })

  it("lines are those that are not blank", () => {
    assert.deepStrictEqual(Json.lines("\n {\"a\":1}\r\n\r\n \t\n2"), ["{\"a\":1}\r", "2"])
    assert.deepStrictEqual(Json.lines(""), [])
  })

  it("equal ignores white space, the order of names and the spelling of strings", () => {
    fc.assert(fc.property(jsonSource, ({ spaced, tight, reversed }) => {
      assert.isTrue(Json.equal(spaced, tight))
      assert.isTrue(Json.equal(tight, reversed))
    }))
    assert.isTrue(Json.equal("\"\\u0041\"", "\"A\""))
    assert.isTrue(Json.equal("{\"a\":1,\"a\":2}", "{\"a\":2}"))
    assert.isTrue(Json.equal("{\"a\":{\"b\":1},\"a\":[1.0]}", "{\"a\":[1.0]}"))
    assert.isTrue(Json.equal("{\"__proto__\":1,\"a\":2}", "{\"a\":2,\"__proto__\":1}"))
  })

  it("equal tells apart what differs", () => {
    const different: ReadonlyArray<readonly [string, string]> = [
      ["1", "1.0"],
      ["9007199254740992", "9007199254740993"],
      ["1e400", "1e401"],
      ["0", "-0"],
      ["1", "\"1\""],
      ["[]", "{}"],
      ["null", "{}"],
      ["{}", "1"],
      ["{\"a\":1}", "{}"],
      ["{}", "{\"__proto__\":{}}"],
      ["{\"__proto__\":1}", "{\"__proto__\":2}"],
      ["{\"a\":1}", "{\"b\":1}"],
      ["{\"toString\":null}", "{\"a\":null}"],
      ["[1,2]", "[2,1]"],
      ["{\"text\":\"1\"}", "1"],
      ["{\"a\":1,\"a\":2}", "{\"a\":2,\"a\":1}"],
      ["\"\\ud800\"", "\"\\ud801\""]
    ]
    for (const [a, b] of different) {
      assert.isFalse(Json.equal(a, b), `${a} and ${b}`)
      assert.isFalse(Json.equal(b, a), `${b} and ${a}`)
    }
    fc.assert(fc.property(jsonSource, jsonSource, (a, b) =>
      assert.strictEqual(Json.equal(a.tight, b.tight), Json.equal(b.tight, a.tight))))
  })

  it("depth is counted up to its bound, whatever the length and outside strings only", () => {
    const nested = (levels: number) => "[".repeat(levels) + "]".repeat(levels)
    assert.isFalse(Json.isTooDeep(nested(Json.maxDepth)))
    assert.isTrue(Json.isTooDeep(nested(Json.maxDepth + 1)))
    assert.isTrue(Json.isTooDeep("{\"a\":".repeat(20_000)))
    assert.isFalse(Json.isTooDeep(`"${"[".repeat(20_000)}"`))
    assert.isFalse(Json.isTooDeep(`[${"[],".repeat(20_000)}[]]`))
    const deepest = nested(Json.maxDepth)
    assert.isTrue(Json.equal(deepest, ` ${deepest}`))
    assert.isTrue(Json.equal(`[${deepest.slice(1, -1)} ]`, deepest))
  })

  it("any text at all is scanned without an exception", () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[[\]{}",:\\ a1]*$/)), (text) => {
      Json.isTooDeep(text)
      Json.minify(text)
      Json.lines(text)
      Json.elements(text)
    }))
  })
})
