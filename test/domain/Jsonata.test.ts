import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Expression, maxLength, problem } from "../../src/domain/Jsonata.ts"

const nested = (times: number, behind: string, inside = "a") =>
  "(".repeat(times) + inside + `${behind})`.repeat(times)

describe("an expression", () => {
  it.each([
    "payload.total > 100",
    "type = 'order/placed' and payload.items[0].sku in ['a', 'b']",
    "{ 'type': 'message/received', 'payload': { 'text': payload.body.event.text } }",
    "$match(type, /^[a-z]+[/]\"x\"$/i) ~> $count()",
    "payload ~> |items|{ 'total': n * price }, ['note']|",
    "function($x)<s-n?:s>{ $x & '/' }(1/2)",
    "*/2 + **.n/3",
    "a ?? b ?? c ?: 'd'",
    "{ 'a': $lookup(x, 'y') ?? 1, 'b': ($f(a ?? 1).b ?: 2) ?? [3] }",
    `[${"$f(a) ?? 1, ".repeat(150)}1]`,
    "/* a comment ( */ `a name (`.\"another (\""
  ])("may be %s", (text) => assert.isUndefined(problem(text)))

  it.each([
    ["", "Unexpected end of expression (at character 0)"],
    ["$sum(", "Expected \")\" before end of expression (at character 5)"],
    ["a b", "Syntax error: \"b\" (at character 3)"],
    ["\"abc", "must be terminated by a matching quote"],
    ["/[/.x", "No terminating / in regular expression"],
    ["$match(a, /a{2,1}/)", "Invalid regular expression"],
    ["[".repeat(8_000), "nested too deeply"],
    ["a".repeat(maxLength + 1), "at most 8192 characters"],
    [`a${".a".repeat(1_001)}`, "at most 1000 steps"]
  ])("is refused: %s", (text, says) => assert.include(problem(text), says))

  it("is refused before the parser takes for ever", () => {
    // Each of them keeps the parser of jsonata 2.2 busy for minutes or years.
    const slow = [
      nested(40, " ?? 1"),
      nested(40, " ?: 1"),
      "$f(".repeat(40) + "1" + ") ?? 1".repeat(40),
      "a[".repeat(40) + "1" + " ?? 1]".repeat(40),
      "{'a':".repeat(40) + "1" + "} ?? 1".repeat(40),
      "function(){".repeat(40) + "1" + "}() ?? 1".repeat(40),
      // Brackets and quotes in strings, names, comments and regular expressions hide nothing.
      nested(40, " & ')' & \"]\" & `}` /* ) */ ?? 1"),
      nested(40, " ~> $match(/[)\"']/) ?? 1"),
      `*/"/ + ${nested(40, " ?? 1")} + a["/"]`,
      `a */"\\/(")/ ~> $f(${nested(40, " ?? 1")}) & "/"`,
      `|a|{}| */"/ ~> $f(${nested(40, " ?? 1")}) & "/"`,
      `function($x)<s/"/>{${nested(40, " ?? 1")}} & "a"`,
      `\`λ\`($x) /* < */ <s/"/>{${nested(40, " ?? 1")}} & "a"`
    ]
    for (const text of slow) assert.isString(problem(text), text)
  })

  it("is judged again like before, and as a schema", () => {
    assert.strictEqual(problem("a +"), problem("a +"))
    assert.isTrue(Schema.is(Expression)("a + 1"))
    assert.isFalse(Schema.is(Expression)("a +"))
    assert.deepInclude(Schema.toJsonSchemaDocument(Expression).schema, { type: "string" })
  })
})
