/**
 * JSON on several lines, for people. The text is indented and never parsed, so numbers, strings and duplicate names
 * stay as they are spelled. Takes valid JSON; white space in it is replaced, but in what is too deep for lines.
 */
import type { JsonText } from "../domain/EventText.ts"
import * as Json from "../domain/JsonText.ts"

/** Levels that get lines of their own; what is deeper stays on one, since indentation grows with size times depth. */
export const maxDepth = 16

/** The text indented by two spaces, ending with a line break so that a terminal's prompt starts on its own line. */
export const indent = (text: JsonText): string => {
  const parts: Array<string> = []
  let depth = 0
  let i = Json.skipSpace(text, 0)
  while (i < text.length) {
    const sign = text[i]
    let end = i + 1
    if (sign === "{" || sign === "[") {
      const first = Json.skipSpace(text, end)
      if (text[first] === "}" || text[first] === "]") {
        end = first + 1
        parts.push(sign === "{" ? "{}" : "[]")
      } else if (depth === maxDepth) {
        end = containerEnd(text, i)
        parts.push(text.slice(i, end))
      } else {
        parts.push(sign, lineBreak(++depth))
      }
    } else if (sign === "}" || sign === "]") {
      parts.push(lineBreak(--depth), sign)
    } else if (sign === ",") {
      parts.push(",", lineBreak(depth))
    } else if (sign === ":") {
      parts.push(": ")
    } else {
      end = sign === "\"" ? Json.stringEnd(text, i) : Json.atomEnd(text, i)
      parts.push(text.slice(i, end))
    }
    i = Json.skipSpace(text, end)
  }
  parts.push("\n")
  return parts.join("")
}

const lineBreaks = Array.from({ length: maxDepth + 1 }, (_, depth) => `\n${"  ".repeat(depth)}`)
const lineBreak = (depth: number): string => lineBreaks[depth] ?? "\n"

/** Where the array or object that starts here is over. */
const containerEnd = (text: JsonText, start: number): number => {
  let open = 0
  for (let i = start; i < text.length; i++) {
    const sign = text[i]
    if (sign === "\"") i = Json.stringEnd(text, i) - 1
    else if (sign === "{" || sign === "[") open += 1
    else if ((sign === "}" || sign === "]") && --open === 0) return i + 1
  }
  return text.length
}
