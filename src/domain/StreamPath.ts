/**
 * Names of streams: `/` or `/seg/seg/…`. A path is judged, never repaired, so that two spellings can
 * not name one stream.
 */
import { Schema } from "effect"

/** A segment is 1 to 255 of these; `.` and `..` are refused beside it. */
const segment = /^[A-Za-z0-9._~@:-]{1,255}$/

/** Bounds of a path, in characters and segments: what fits any URL, index and file name. */
export const maxLength = 1_024
const maxSegments = 16

/** The same rules, but the length, for those who have only a JSON Schema. */
const name = "(?!\\.{1,2}(?:/|$))[A-Za-z0-9._~@:-]{1,255}"
const pattern = `^/(?:${name}(?:/${name}){0,${maxSegments - 1}})?$`

/** Why a text is no path, as a sentence, or `undefined` where it is one. */
export const problem = (text: string): string | undefined => {
  if (text === "/") return undefined
  if (!text.startsWith("/")) return "a path starts with /"
  if (text.length > maxLength) return `a path has at most ${maxLength} characters`
  const segments = text.split("/")
  if (segments.length - 1 > maxSegments) return `a path has at most ${maxSegments} segments`
  for (let i = 1; i < segments.length; i++) {
    const part = segments[i] ?? ""
    if (part === "") return i === segments.length - 1 ? "a path does not end with /" : "a path has no empty segment"
    if (part === "." || part === "..") return `${part} is not a segment`
    if (!segment.test(part)) return `${JSON.stringify(part)} is not 1 to 255 of A–Z a–z 0–9 . _ ~ @ : -`
  }
  return undefined
}

/** The name of a stream, such as `/agents/ada`. Case-sensitive; `/` is the root. */
export const StreamPath = Schema.String.pipe(
  Schema.check(Schema.makeFilter((text: string) => problem(text), {
    toJsonSchema: () => ({ pattern, maxLength })
  })),
  Schema.brand("StreamPath"),
  Schema.annotate({
    identifier: "StreamPath",
    title: "Stream path",
    description: "`/` or `/seg/seg/…`: at most 16 segments of A–Z a–z 0–9 . _ ~ @ : - and 1,024 characters"
  })
)
export type StreamPath = typeof StreamPath.Type

/** Whether a text names a stream. */
export const is = (text: string): text is StreamPath => problem(text) === undefined

/** The stream above all others. */
export const root: StreamPath = StreamPath.make("/")

/** The stream directly above, `undefined` for the root. */
export const parent = (path: StreamPath): StreamPath | undefined => {
  if (path === root) return undefined
  const above = path.slice(0, path.lastIndexOf("/"))
  return above === "" ? root : is(above) ? above : undefined
}

/** All streams above, nearest first, ending with the root. */
export const ancestors = (path: StreamPath): ReadonlyArray<StreamPath> => {
  const above: Array<StreamPath> = []
  for (let up = parent(path); up !== undefined; up = parent(up)) above.push(up)
  return above
}

/** Whether a stream is the prefix itself or lies below it, by whole segments. */
export const isWithin = (path: StreamPath, prefix: StreamPath): boolean =>
  prefix === root || path === prefix || path.startsWith(`${prefix}/`)
