import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import * as StreamPattern from "../../src/domain/StreamPattern.ts"
import { path, pattern } from "./Patterns.ts"

/** What a pattern means, segment by segment. */
const meant = (pattern: string, path: string): boolean => {
  const segments = (text: string) => text === "/" ? [] : text.slice(1).split("/")
  const matches = (wanted: ReadonlyArray<string>, found: ReadonlyArray<string>): boolean => {
    const [first, ...rest] = wanted
    if (first === undefined) return found.length === 0
    if (first === "**") return true
    const [segment, ...below] = found
    return segment !== undefined && (first === "*" || first === segment) && matches(rest, below)
  }
  return matches(segments(pattern), segments(path))
}

describe("StreamPattern", () => {
  it("means what it says", () => {
    const table: ReadonlyArray<readonly [string, matched: ReadonlyArray<string>, not: ReadonlyArray<string>]> = [
      ["/**", ["/", "/a", "/a/b/c"], []],
      ["/", ["/"], ["/a"]],
      ["/a", ["/a"], ["/", "/a/b", "/ab", "/A", "/b/a"]],
      ["/*", ["/a", "/..."], ["/", "/a/b"]],
      ["/a/*", ["/a/b"], ["/a", "/a/b/c", "/ab", "/b/a"]],
      ["/a/**", ["/a", "/a/b", "/a/b/c"], ["/", "/ab", "/ab/c", "/b/a"]],
      ["/*/**", ["/a", "/a/b"], ["/"]],
      ["/*/b/*/**", ["/a/b/c", "/a/b/c/d/e"], ["/a/b", "/a/c/b/d", "/b/c"]],
      ["/v1.0/x-y@z:1~_", ["/v1.0/x-y@z:1~_"], ["/v1x0/x-y@z:1~_", "/v1.0/xy@z:1~_"]]
    ]
    for (const [pattern, matched, not] of table) {
      assert.isUndefined(StreamPattern.problem(pattern))
      const matches = StreamPattern.matcher(pattern)
      for (const one of matched) assert.isTrue(matches(StreamPath.make(one)), `${pattern} ${one}`)
      for (const one of not) assert.isFalse(matches(StreamPath.make(one)), `${pattern} ${one}`)
    }
  })

  it("matches as a matcher that goes segment by segment", () => {
    fc.assert(fc.property(pattern, path, (each, one) => {
      assert.isUndefined(StreamPattern.problem(each))
      assert.strictEqual(StreamPattern.matcher(each)(one), meant(each, one), `${each} ${one}`)
    }), { numRuns: 5_000 })
  })

  it("a path is a pattern that matches it alone", () => {
    fc.assert(fc.property(path, path, (each, other) => {
      const matches = StreamPattern.matcher(each)
      assert.isTrue(matches(each))
      assert.strictEqual(matches(other), each === other)
    }))
  })

  it("refuses what is no pattern, with a reason", () => {
    const refused: ReadonlyArray<readonly [string, RegExp]> = [
      ["", /starts with/],
      ["**", /starts with/],
      ["*", /starts with/],
      ["games/*", /starts with/],
      ["/**/a", /only stand at the end/],
      ["/a/**/**", /only stand at the end/],
      ["**/a", /only stand at the end/],
      ["/a*", /is not 1 to 255/],
      ["/a/b**", /is not 1 to 255/],
      ["/***", /is not 1 to 255/],
      ["/a/{id}", /is not 1 to 255/],
      ["/a/[b]", /is not 1 to 255/],
      ["/a|/b", /is not 1 to 255/],
      ["/a/?", /is not 1 to 255/],
      ["/a/*/", /end with/],
      ["/a//*", /empty segment/],
      ["/../*", /not a segment/],
      ["/a/**\n", /is not 1 to 255/],
      [`/${"*/".repeat(17)}a`, /at most 16/],
      ["/a".repeat(1_000), /at most 1024/]
    ]
    for (const [text, reason] of refused) assert.match(StreamPattern.problem(text) ?? "", reason, text.slice(0, 40))
  })

  it("any text is a pattern or has a problem, and no pattern goes beyond its characters", () => {
    const sign = fc.constantFrom("/", "/", "/*", "/**", "a", ".", "*", "(", "\\", "$", "|")
    const signs = fc.string({ unit: sign, maxLength: 24 })
    const text = fc.oneof(fc.string({ unit: "binary" }), signs, signs.map((text) => `/${text}`))
    fc.assert(fc.property(text, path, (each, one) => {
      if (StreamPattern.problem(each) === undefined) {
        assert.match(each, /^\/$|^(\/[A-Za-z0-9._~@:*-]{1,255}){1,16}$/)
        assert.strictEqual(StreamPattern.matcher(each)(one), meant(each, one))
      } else {
        assert.isNotEmpty(StreamPattern.problem(each))
      }
    }))
  })
})
