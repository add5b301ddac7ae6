/** Patterns of stream paths: `*` is any one segment, `**` at the end the stream itself and all below it. */
import * as StreamPath from "./StreamPath.ts"

/** Why a text is no pattern, as a sentence, or `undefined` where it is one. */
export const problem = (pattern: string): string | undefined => {
  const parts = pattern.split("/")
  if (parts.slice(0, -1).includes("**")) return "** may only stand at the end of a pattern"
  const path = parts.map((part) => (part === "*" || part === "**" ? "x" : part)).join("/")
  return StreamPath.problem(path)
}

/** The pattern as a regular expression, which JavaScript and Postgres read alike. */
export const source = (pattern: string): string => {
  const parts = pattern.split("/").slice(1)
  const body = parts.map((part) => (
    part === "**" ? "(/.*)?" : part === "*" ? "/[^/]+" : `/${part.replaceAll(/[.~@:-]/g, "[$&]")}`
  )).join("")
  return parts[0] === "**" ? "^/" : `^${body}$`
}

/** Whether a stream is one of those that the pattern means. */
export const matcher = (pattern: string): (path: StreamPath.StreamPath) => boolean => {
  const expression = new RegExp(source(pattern))
  return (path) => expression.test(path)
}
