import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Json from "../../src/domain/JsonText.ts"
import * as JsonIndent from "../../src/http/JsonIndent.ts"

describe("JsonIndent", () => {
  it("indents the text and keeps its spelling", () => {
    assert.strictEqual(
      JsonIndent.indent(String.raw`{"a":1.0,"b":[1e400,{"c":"\u0041,{[:\""}],"a":[],"d":{}}`),
      String.raw`{
  "a": 1.0,
  "b": [
    1e400,
    {
      "c": "\u0041,{[:\""
    }
  ],
  "a": [],
  "d": {}
}
`
    )
  })

  it("indents scalars", () => {
    for (const text of ["null", "-1.50", "\"a b\"", "{}", "[]"]) {
      assert.strictEqual(JsonIndent.indent(text), `${text}\n`)
    }
  })

  it("leaves what is very deep on its line", () => {
    const deep = "[".repeat(512) + "1,{\"a\":\"]\"}" + "]".repeat(512)
    const indented = JsonIndent.indent(deep)
    assert.strictEqual(Json.minify(indented), deep)
    const lines = indented.trimEnd().split("\n")
    assert.strictEqual(lines.length, 2 * JsonIndent.maxDepth + 1)
    assert.include(lines[JsonIndent.maxDepth], "[[[[")
  })

  it("agrees with JSON.stringify, and minifies to what it was", () => {
    fc.assert(fc.property(fc.json({ maxDepth: 6 }), (source) => {
      const text = Json.minify(source)
      const indented = JsonIndent.indent(text)
      assert.strictEqual(Json.minify(indented), text)
      assert.strictEqual(JsonIndent.indent(indented), indented)
      assert.strictEqual(JsonIndent.indent(` [${text}\t,\r\n{ } ] `), JsonIndent.indent(`[${text},{}]`))
      const value: unknown = JSON.parse(text)
      assert.strictEqual(JsonIndent.indent(JSON.stringify(value)), `${JSON.stringify(value, null, 2)}\n`)
    }))
  })
})
