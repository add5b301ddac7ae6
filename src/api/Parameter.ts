/**
 * What a query parameter may be: a codec from its text to its value. `expected` is what it takes, as a refusal names
 * it. A parameter is given once; `Query` refuses repetitions.
 */
import { Schema, SchemaTransformation } from "effect"
import { Type } from "../domain/Event.ts"

/** A number in digits alone: no sign, no fraction, no exponent, nothing that loses digits. */
export const wholeNumber = (least: number, most: number = Number.MAX_SAFE_INTEGER) =>
  Schema.String.pipe(
    Schema.check(Schema.isPattern(/^[0-9]{1,16}$/)),
    Schema.decodeTo(
      Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: least, maximum: most }))),
      SchemaTransformation.transform({ decode: Number, encode: String })
    ),
    Schema.annotate({
      expected: most < Number.MAX_SAFE_INTEGER
        ? `a whole number from ${least} to ${most}`
        : least > 0
        ? `a whole number from ${least} on`
        : "a whole number"
    })
  )

/** The name of a processor. */
export const processor = Schema.NonEmptyString.annotate({ expected: "the name of a processor" })

/** `?name` alone says true. */
export const flag = Schema.Literals(["true", "false", ""]).pipe(
  Schema.decodeTo(
    Schema.Boolean,
    SchemaTransformation.transform({ decode: (text) => text !== "false", encode: (value) => value ? "true" : "false" })
  ),
  Schema.annotate({ expected: "true, false or no value, which says true" })
)

/** Types of events, separated by commas. */
export const types = Schema.String.pipe(
  Schema.decodeTo(
    Schema.NonEmptyArray(Type),
    SchemaTransformation.transform({
      decode: (text): readonly [string, ...Array<string>] => {
        const [first = "", ...others] = text.split(",")
        return [first, ...others]
      },
      encode: (names) => names.join(",")
    })
  ),
  Schema.annotate({ expected: "types of events, separated by commas" })
)

/** Accepted by every request. */
export const pretty = Schema.optionalKey(flag).pipe(
  Schema.annotateKey({ description: "Prints JSON on several lines, as it is for curl without being asked" })
)
