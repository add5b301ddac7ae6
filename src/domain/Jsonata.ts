/**
 * Expressions over events, as text: judged when they are configured, so that a typo is never silence. The parser of
 * jsonata 2.2 takes twice as long for each `??` or `?:` that stands behind a bracket with another one in it, and steps
 * cost the square of their number: both are counted before it sees the text. Known limit: that text takes tens of
 * milliseconds at worst.
 */
import { Schema } from "effect"
import jsonata from "jsonata"

/** Bound of an expression, in characters. */
export const maxLength = 8_192
/** Most `.` in one expression: 10 ms of parsing where all of them are one path. */
const maxSteps = 1_000
/** Most characters that the parser works through, those behind nested defaults counted once for each time. */
const maxWork = 16_384
/** Most judgements that are remembered: each reading of a configuration asks again. With their texts 4 MiB. */
const maxJudged = 500

const judged = new Map<string, string | undefined>()

/** Why a text is no JSONata expression, or `undefined`. */
export const problem = (expression: string): string | undefined => {
  if (expression.length > maxLength) return `must have at most ${maxLength} characters`
  if (judged.has(expression)) return judged.get(expression)
  const found = judge(expression)
  const oldest = judged.size < maxJudged ? undefined : judged.keys().next().value
  if (oldest !== undefined) judged.delete(oldest)
  judged.set(expression, found)
  return found
}

/** The text of an expression. */
export const Expression = Schema.String.pipe(
  Schema.check(Schema.makeFilter((text: string) => problem(text), { toJsonSchema: () => ({ maxLength }) }))
).annotate({ description: "A JSONata expression over the event" })

const judge = (expression: string): string | undefined => {
  const { defaults, isSlashed, steps } = costOf(expression)
  if (isSlashed) return "must not have a / in the signature of a function"
  if (steps > maxSteps) return `must have at most ${maxSteps} steps (.)`
  if (expression.length * 2 ** defaults > maxWork) {
    return `must not nest ?? or ?: in the left sides of each other ${defaults} deep at this length`
  }
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
  return "position" in error && typeof error.position === "number"
    ? `${String(error.message)} (at character ${error.position})`
    : String(error.message)
}

/** The tokens of JSONata; a regular expression is told from a division by what stands before it. */
const token = new RegExp(
  [
    /[ \t\n\r\v]+|\/\*[^]*?\*\//, // white space and comments
    /"(?:[^"\\]|\\[^])*"|'(?:[^'\\]|\\[^])*'|`[^`]*`/, // strings and quoted names
    /\?\?|\?:|\*\*|[^ \t\n\r\v.[\]{}(),@#;:?+\-*/%|=<>^&!~]+|[^]/ // operators, names and numbers
  ].map(({ source }) => source).join("|"),
  "y"
)

const isFunction = /^(`?)(?:function|λ)\1$/

interface Cost {
  /** Most defaults that stand around each other on their left sides. */
  readonly defaults: number
  readonly steps: number
  /** Whether a signature has a `/` in it: nothing behind it is told apart for certain. */
  readonly isSlashed: boolean
}

interface Level {
  most: number
  here: number
  /** Whether the bracket that was opened last in it holds the parameters of a function. */
  isParameters: boolean
}

/** What makes parsing slow. Exact for what parses; what does not, fails before the parser gets to the slow part. */
const costOf = (expression: string): Cost => {
  // Of each open bracket: the most defaults around each other on the left so far, and in the operand that is read.
  const levels: Array<Level> = []
  let level: Level = { most: 0, here: 0, isParameters: false }
  // Parts of `|pattern|update|` that are still to come.
  const transforms: Array<number> = []
  let steps = 0
  let isBehindOperand = false
  let isSlashed = false
  // A signature stands between the parameters and the body; the parser takes a / there for a regular expression.
  let isInSignature = false
  let before = ""
  for (let i = 0; i < expression.length;) {
    token.lastIndex = i
    const text = token.exec(expression)?.[0] ?? ""
    i += text.length
    if (/^[ \t\n\r\v]|^\/\*/.test(text)) continue
    if (text === "<" && before === ")" && level.isParameters) isInSignature = true
    else if (text === "{") isInSignature = false
    else if (text === "/" && isInSignature) isSlashed = true
    if (text === "/" && !isBehindOperand) {
      i = regexEnd(expression, i)
      isBehindOperand = true
    } else if (text === "(" || text === "[" || text === "{") {
      level.isParameters = text === "(" && isFunction.test(before)
      levels.push(level)
      level = { most: 0, here: 0, isParameters: false }
      isBehindOperand = false
    } else if (text === ")" || text === "]" || text === "}") {
      const inner = Math.max(level.most, level.here)
      level = levels.pop() ?? { most: 0, here: 0, isParameters: false }
      level.here = Math.max(level.here, inner)
      isBehindOperand = true
    } else if (text === "??" || text === "?:") {
      // All that follows at this level is its right side, so that the left one begins anew.
      level.most = Math.max(level.most, level.here + 1)
      level.here = 0
      isBehindOperand = false
    } else if (text === "," || text === ";") {
      level.most = Math.max(level.most, level.here)
      level.here = 0
      isBehindOperand = false
    } else if (text === "|") {
      const left: number = isBehindOperand ? (transforms.pop() ?? 0) - 1 : 2
      if (left > 0) transforms.push(left)
      isBehindOperand = left <= 0
    } else if (text === "*" || text === "**" || text === "%" || text === "?") {
      // Without an operand before it, each of them is one: a wildcard, a parent, a place for an argument.
      isBehindOperand = !isBehindOperand
    } else if (text === "and" || text === "or" || text === "in") {
      isBehindOperand = !isBehindOperand
    } else {
      if (text === ".") steps++
      isBehindOperand = !/^[.@#:+\-/=<>^&!~]/.test(text)
    }
    before = text
  }
  for (const open of [...levels, level]) level.most = Math.max(level.most, open.most, open.here)
  return { defaults: level.most, isSlashed, steps }
}

/** Index after the regular expression whose first character is at `start`. */
const regexEnd = (text: string, start: number): number => {
  let depth = 0
  for (let i = start; i < text.length; i++) {
    const char = text.charAt(i)
    let slashes = 0
    while (text.charAt(i - slashes - 1) === "\\") slashes++
    if (char === "/" && depth === 0 && slashes % 2 === 0) return i + 1
    if (text.charAt(i - 1) === "\\") continue
    if (char === "(" || char === "[" || char === "{") depth++
    else if (char === ")" || char === "]" || char === "}") depth--
  }
  return text.length
}
