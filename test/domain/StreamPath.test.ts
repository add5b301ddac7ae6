import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as fc from "fast-check"
import * as Path from "../../src/domain/StreamPath.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"

const segment = fc.stringMatching(/^[A-Za-z0-9._~@:-]{1,20}$/).filter((text) => text !== "." && text !== "..")
const path = fc.array(segment, { maxLength: 16 }).map((segments) => StreamPath.make(`/${segments.join("/")}`))

const decodeRules = Schema.decodeUnknownSync(
  Schema.Struct({ pattern: Schema.String, maxLength: Schema.Int })
)

describe("StreamPath", () => {
  it("takes what the contract says", () => {
    fc.assert(fc.property(path, (each) => Path.is(each)))
    for (const text of ["/", "/a", "/A/a", "/...", "/.a", "/a..", "/~@:-_.", `/${"x".repeat(255)}`]) {
      assert.strictEqual(Path.problem(text), undefined, text)
    }
    assert.isTrue(Path.is(`${"/a".repeat(16)}`))
    const long = `/${"x".repeat(255)}`.repeat(4)
    assert.strictEqual(long.length, Path.maxLength)
    assert.isTrue(Path.is(long))
  })

  it("refuses everything else with a reason", () => {
    const refused: ReadonlyArray<readonly [string, RegExp]> = [
      ["", /starts with/],
      ["a", /starts with/],
      ["//", /empty segment/],
      ["/a//b", /empty segment/],
      ["//a", /empty segment/],
      ["/a/", /end with/],
      ["/.", /not a segment/],
      ["/a/../b", /not a segment/],
      ["/a%2Fb", /is not 1 to 255/],
      ["/a b", /is not 1 to 255/],
      ["/a\n", /is not 1 to 255/],
      ["/a\0", /is not 1 to 255/],
      ["/ä", /is not 1 to 255/],
      ["/a/**", /is not 1 to 255/],
      ["/a\\b", /is not 1 to 255/],
      [`/${"x".repeat(256)}`, /is not 1 to 255/],
      ["/a".repeat(17), /at most 16/],
      [`${`/${"x".repeat(255)}`.repeat(4)}x`, /at most 1024/],
      ["/a".repeat(1_000_000), /at most 1024/]
    ]
    for (const [text, reason] of refused) assert.match(Path.problem(text) ?? "", reason, text.slice(0, 40))
    assert.throws(() => Schema.decodeSync(StreamPath)("/a/"), /does not end with/)
  })

  it("its JSON Schema takes the same texts", () => {
    const document = Schema.toJsonSchemaDocument(StreamPath)
    const { maxLength, pattern } = decodeRules(document.definitions["StreamPath"])
    const fits = (text: string) => text.length <= maxLength && new RegExp(pattern, "u").test(text)
    for (const text of ["/", "/...", "/a/b", "//", "/a/", "/.", "/a/../b", "/a\n", "/a/**", "/a".repeat(16), "/a".repeat(17)]) {
      assert.strictEqual(fits(text), Path.is(text), text)
    }
    const texts = fc.oneof(path, fc.string(), fc.stringMatching(/^(\/[a.]{0,3}){0,18}$/))
    fc.assert(fc.property(texts, (text) => fits(text) === Path.is(text)))
  })

  it("any text is a path or has a problem, and only the characters of the contract make one", () => {
    fc.assert(fc.property(fc.oneof(fc.string({ unit: "binary" }), fc.string().map((text) => `/${text}`)), (text) => {
      if (Path.is(text)) assert.match(text, /^\/$|^(\/[A-Za-z0-9._~@:-]{1,255}){1,16}$/)
      else assert.isNotEmpty(Path.problem(text))
    }))
  })

  it("ancestors are the parents, nearest first, down to the root", () => {
    const above = ["/a/b", "/a", "/"].map((text) => StreamPath.make(text))
    assert.deepStrictEqual(Path.ancestors(StreamPath.make("/a/b/c")), above)
    assert.deepStrictEqual(Path.ancestors(Path.root), [])
    assert.strictEqual(Path.parent(Path.root), undefined)
    fc.assert(fc.property(path, (each) => {
      const above = Path.ancestors(each)
      assert.strictEqual(above.length, each === "/" ? 0 : each.split("/").length - 1)
      assert.strictEqual(above[0], Path.parent(each))
      for (const one of above) assert.isTrue(Path.isWithin(each, one))
    }))
  })

  it("isWithin goes by whole segments", () => {
    const within = (text: string, prefix: string) => Path.isWithin(StreamPath.make(text), StreamPath.make(prefix))
    assert.isTrue(within("/a", "/a"))
    assert.isTrue(within("/a/b", "/a"))
    assert.isTrue(within("/", "/"))
    assert.isTrue(within("/a", "/"))
    assert.isFalse(within("/ab", "/a"))
    assert.isFalse(within("/a", "/a/b"))
    assert.isFalse(within("/", "/a"))
    assert.isFalse(within("/A", "/a"))
    fc.assert(fc.property(path, path, (one, other) => {
      assert.strictEqual(Path.isWithin(one, other), one === other || Path.ancestors(one).includes(other))
    }))
  })
})
