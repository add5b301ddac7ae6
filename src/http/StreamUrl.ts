/**
 * The stream that a URL names. A path may be written as plain segments or as one escaped segment; nothing
 * else about it is repaired.
 */
import { Result } from "effect"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import { InvalidPath } from "../domain/StreamError.ts"

/** What follows a stream's path when all streams below it are meant too. */
const within = "/**"

export interface StreamUrl {
  readonly path: StreamPath
  /** `/**` followed: the stream and all below it. */
  readonly within: boolean
}

/** The part of a URL behind a route's prefix and before its query: `/agents/ada` for `/api/streams/agents/ada?x`. */
const rest = (url: string, prefix: string): string => {
  const query = url.indexOf("?")
  return url.slice(prefix.length, query < 0 ? url.length : query)
}

const decode = (text: string): string | undefined => {
  if (!text.includes("%")) return text
  try {
    return decodeURIComponent(text)
  } catch {
    // Not percent-encoding at all: the caller hears that the path is none.
    return undefined
  }
}

/** The stream that a URL names behind `prefix`, such as `/api/streams`. */
export const parse = (url: string, prefix: string): Result.Result<StreamUrl, InvalidPath> => {
  const text = rest(url, prefix)
  if (text !== "" && !text.startsWith("/")) {
    return Result.fail(new InvalidPath({ path: text, reason: "a path begins with /" }))
  }
  const isWithin = text.endsWith(within)
  const written = isWithin ? text.slice(0, -within.length) : text
  // An escaped path starts with its own slash or leaves it out, behind the one that ends the prefix.
  const decoded = decode(written.slice(1))
  const path = decoded === undefined || decoded.startsWith("/") && written.includes("%") ? decoded : `/${decoded}`
  const reason = path === undefined ? "it is not percent-encoded text" : Path.problem(path)
  return path !== undefined && Path.is(path)
    ? Result.succeed({ path, within: isWithin })
    : Result.fail(new InvalidPath({ path: path ?? written, reason: reason ?? "it is no path" }))
}
