import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import * as fc from "fast-check"
import { parse, parseDocument } from "yaml"
import * as Json from "../../src/domain/JsonText.ts"
import * as YamlDocuments from "../../src/http/YamlDocuments.ts"
import * as YamlText from "../../src/http/YamlText.ts"
import { jsonSource } from "../domain/JsonSource.ts"

/** A plain map would lose `__proto__`, so objects are compared as entries. */
const entries = (_name: string, value: unknown): unknown =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? { members: Object.entries(value) } : value

const read = (yaml: string, version: "1.1" | "1.2"): unknown => {
  const document = parseDocument(yaml, { version, merge: false, logLevel: "silent" })
  assert.deepStrictEqual(document.errors, [], yaml)
  return asEntries(document.toJS({ mapAsMap: true }))
}

const asEntries = (value: unknown): unknown =>
  value instanceof Map
    ? { members: [...value].map(([key, member]): unknown => [key, asEntries(member)]) }
    : Array.isArray(value)
    ? value.map(asEntries)
    : value

/** The value of a JSON text, with the names in the order of the text. */
const valueOf = (text: string): unknown => {
  const trimmed = text.trim()
  if (trimmed.startsWith("[")) return Json.elements(trimmed).map(valueOf)
  const value: unknown = JSON.parse(trimmed)
  return typeof value === "object" && value !== null
    ? { members: Object.keys(value).map((name): unknown => [name, valueOf(Json.members(trimmed, [name])[0] ?? "")]) }
    : value
}

const sorted = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(sorted)
    : typeof value === "object" && value !== null && "members" in value && Array.isArray(value.members)
    ? { members: value.members.map(sorted).toSorted((a, b) => String(a) < String(b) ? -1 : 1) }
    : value

describe("YamlText", () => {
  it("YAML 1.2 reads back what JSON says", () => {
    fc.assert(
      fc.property(jsonSource, ({ spaced, tight }) => {
        assert.deepStrictEqual(sorted(read(YamlText.fromJson(spaced), "1.2")), sorted(valueOf(tight)))
      }),
      { numRuns: 500 }
    )
  })

  it("a value of JSON.parse is that of the yaml package", () => {
    fc.assert(fc.property(fc.json({ noUnicodeString: false }), (json) => {
      const yaml: unknown = parse(YamlText.fromJson(json))
      assert.deepStrictEqual(JSON.stringify(yaml, entries), JSON.stringify(JSON.parse(json), entries))
    }))
  })

  it("what a read prints is what a POST takes, to the digit and the half of a pair", () => {
    fc.assert(fc.property(fc.array(jsonSource, { minLength: 1, maxLength: 3 }), (sources) => {
      const yaml = sources.map(({ spaced }) => `---\n${YamlText.fromJson(spaced)}`).join("")
      const documents = Result.getOrThrow(YamlDocuments.parse(yaml))
      assert.strictEqual(documents.length, sources.length)
      sources.forEach(({ tight }, i) => assert.isTrue(Json.equal(documents[i] ?? "", tight), yaml))
    }))
  })

  it("every string is that string to YAML 1.1 too", () => {
    const suspicious = ("yes no on off y n ~ null Null true TRUE .nan .inf -.INF 0x1f 0o17 010 1:30 1_000 1e3 1. .5 " +
      "+1 -0 2026-11-22 2026-11-22T01:02:03Z 12:30:45 = << - ? : -a ?a :a a: #a &a *a !a |a >a @a `a %a 'a \"a " +
      "[a {a ]a }a ,a --- ... a,b a:b http://x/y#z a#b nan inf 0b1").split(" ")
    const strings = [...suspicious, "", " a", "a ", "a: b", "a #b", "a\tb", "a\nb", "a\n", "a\n\nb\n", "\na", " a\nb",
      "a \nb", "a\n\n", "\n", "a\r\nb", "a\u0085b", "a\u2028b", "\ufeffa", "a\ud800", "\u0000", "\u007f", "--- a",
      "a\n---\nb", "a\n# b", "- a\n- b", "\u3000a", "é", "日本語", "😀", "a\n\tb", "a\n  b\n c"]
    for (const text of strings) {
      for (const version of ["1.1", "1.2"] as const) {
        const json = JSON.stringify([text, { [text]: text }, { a: { b: text } }])
        assert.deepStrictEqual(read(YamlText.fromJson(json), version), valueOf(json), YamlText.fromJson(json))
        assert.deepStrictEqual(read(YamlText.fromJson(JSON.stringify(text)), version), text)
      }
    }
    fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => {
      assert.strictEqual(read(YamlText.fromJson(JSON.stringify(text)), "1.1"), text)
    }))
  })

  it("reads well", () => {
    const json = "{\"offset\":2,\"type\":\"ping\"," +
      "\"payload\":{\"note\":\"one\\ntwo\\n\",\"n\":1.0,\"big\":9007199254740993," +
      "\"list\":[1,{\"a\":\"yes\",\"b\":[]},[2,3]],\"none\":{},\"at\":\"2026-11-22\"},\"streamPath\":\"/agents/ada\"}"
    assert.strictEqual(
      YamlText.fromJson(json),
      `offset: 2
type: ping
payload:
  note: |
    one
    two
  "n": 1.0
  big: 9007199254740993
  list:
    - 1
    - a: "yes"
      b: []
    - - 2
      - 3
  none: {}
  at: "2026-11-22"
streamPath: /agents/ada
`
    )
  })

  it("the last of duplicate names stays", () => {
    assert.strictEqual(YamlText.fromJson("{\"a\":1,\"b\":2,\"a\":{\"c\":3,\"\\u0063\":4}}"), "a:\n  c: 4\nb: 2\n")
  })

  it("grows with the text, not with its depth times its size", () => {
    const deep = "[".repeat(Json.maxDepth - 1) + "[1]" + ",1".repeat(100_000) + "]".repeat(Json.maxDepth - 1)
    const yaml = YamlText.fromJson(deep)
    assert.isBelow(yaml.length, 2 * deep.length)
    const short = YamlDocuments.parse(YamlText.fromJson(deep.replace(/,1.*?\]/, "]")))
    assert.strictEqual(Result.getOrThrow(short)[0]?.length, 2 * Json.maxDepth + 1)
    const long = "k".repeat(2_000)
    const named = `{"${long}":{"${long}":[1]}}`
    assert.deepStrictEqual(read(YamlText.fromJson(named), "1.2"), valueOf(named))
  })
})
