/** Arbitrary JSON as source text, with white space and spellings that `JSON.stringify` never makes. */
import * as fc from "fast-check"

/** One value: with white space, without any, and without any but its names the other way round. Names do not repeat. */
export interface JsonSource {
  readonly spaced: string
  readonly tight: string
  readonly reversed: string
}

const space = fc.stringMatching(/^[ \n\r\t]{0,3}$/)

const number = fc.oneof(
  fc.constantFrom("0", "-0", "1.0", "1e400000", "9007199254740993", "-1E+5", "0.10", "123456789012345678901234567890"),
  fc.integer().map(String),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value))
)

/** A string in quotes; some signs are escaped that need not be. */
const string = fc.array(
  fc.oneof(
    fc.string({ unit: "binary", maxLength: 3 }).map((text) => JSON.stringify(text).slice(1, -1)),
    fc.constantFrom("\\u0041", "\\/", "\\u0000", "\\ud800", "\\ud83d\\ude00", "\\\\", "\\\""),
    fc.constantFrom("[", "{", ",", ":", "\\n", " "),
    fc.constant("long and longer ".repeat(4))
  ),
  { maxLength: 6 }
).map((parts) => `"${parts.join("")}"`)

// Without a backslash in it: V8 takes a name that is written with an escape ("\\/") for such a one ("\\\\") of the same
// length if an object of that shape was parsed before, and so reads {"a":1,"\\/":1} wrongly.
const name = fc.oneof(
  string.filter((written) => !String(JSON.parse(written)).includes("\\")),
  fc.constantFrom("\"__proto__\"", "\"constructor\"", "\"1\"", "\"\"", "\"yes\"", "\"a: b\"")
)

const atom: fc.Arbitrary<JsonSource> = fc.tuple(
  space,
  fc.oneof(string, number, fc.constantFrom("true", "false", "null")),
  space
).map(([before, text, after]) => ({ spaced: before + text + after, tight: text, reversed: text }))

export const jsonSource: fc.Arbitrary<JsonSource> = fc.letrec<{ value: JsonSource }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    atom,
    fc.array(tie("value"), { maxLength: 4 }).map((items) => ({
      spaced: ` [${items.length === 0 ? " " : items.map((item) => item.spaced).join(",")}]\n`,
      tight: `[${items.map((item) => item.tight).join(",")}]`,
      reversed: `[${items.map((item) => item.reversed).join(",")}]`
    })),
    fc.uniqueArray(fc.tuple(name, tie("value")), {
      maxLength: 4,
      selector: ([written]): unknown => JSON.parse(written)
    }).map((members) => ({
      spaced: `{${members.length === 0 ? "\t" : members.map(([key, item]) => ` ${key} :${item.spaced}`).join(",")}} `,
      tight: `{${members.map(([key, item]) => `${key}:${item.tight}`).join(",")}}`,
      reversed: `{${members.toReversed().map(([key, item]) => `${key}:${item.reversed}`).join(",")}}`
    }))
  )
})).value
