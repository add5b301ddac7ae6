/** Expressions over events, as text: judged when they are configured, so that a typo is never silence. */
import { Schema } from "effect"
import jsonata from "jsonata"

/** Bound of an expression, in characters. */
const maxLength = 8_192

/** Why a text is no JSONata expression, or `undefined`. */
export const problem = (expression: string): string | undefined => {
  if (expression.length > maxLength) return `must have at most ${maxLength} characters`
  try {
    jsonata(expression)
    return undefined
  } catch (error) {
    return `is no JSONata expression: ${messageOf(error)}`
  }
}

const messageOf = (error: unknown): string => {
  if (error instanceof RangeError) return "it is nested too deeply"
  if (typeof error !== "object" || error === null || !("message" in error)) return String(error)
  return "position" in error ? `${String(error.message)} (at character ${String(error.position)})` : String(error.message)
}

/** The text of an expression. */
export const Expression = Schema.String.pipe(
  Schema.check(Schema.makeFilter(problem, { toJsonSchema: () => ({ maxLength }) }))
).annotate({ description: "A JSONata expression over the event" })
