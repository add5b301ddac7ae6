/**
 * A problem document as the error that it tells of. What something else than Millstream answers (a proxy, another
 * server at that address) becomes the nearest error, naming the address and the status.
 */
import { Option, Result, Schema } from "effect"
import {
  Forbidden,
  InvalidRequest,
  StreamError,
  Unauthorized,
  Unavailable
} from "../domain/StreamError.ts"
import type { Behind, NotFound } from "../domain/StreamError.ts"
import type { AccessError, AppendError } from "../domain/Streams.ts"

const decode = Schema.decodeUnknownOption(Schema.fromJsonString(StreamError))
const decodeDetail = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Struct({ detail: Schema.String })))

/** What an answer other than 2xx says. */
export interface Answer {
  readonly url: string
  readonly status: number
  readonly body: string
  readonly retryAfter: string | undefined
}

/** Seconds to wait where the server names none, or a date. */
const defaultRetryAfterSeconds = 1

/** The error in an answer. */
export const fromAnswer = ({ url, status, body, retryAfter }: Answer): StreamError =>
  Option.getOrElse(decode(body), () => {
    const detail = Option.map(decodeDetail(body), ({ detail }) => `: ${detail}`)
    const reason = `${url} answered ${status}${Option.getOrElse(detail, () => "")}`
    if (status === 401) return new Unauthorized({ reason })
    if (status === 403) return new Forbidden({ reason })
    if (status === 408 || status === 429 || status >= 500) {
      const seconds = Number(retryAfter)
      return new Unavailable({
        reason,
        retryAfterSeconds: Number.isFinite(seconds) && seconds > 0 ? Math.ceil(seconds) : defaultRetryAfterSeconds
      })
    }
    return new InvalidRequest({ reason: `${reason}. Is this the address of a Millstream server?` })
  })

/** No answer came: the connection was refused, reset or silent. The cause is part of the reason. */
export const noAnswer = (url: string, cause: unknown): Unavailable =>
  new Unavailable({ reason: `No answer from ${url} (${why(cause)})`, retryAfterSeconds: defaultRetryAfterSeconds })

/** An answer that is none of the contract. */
export const unintelligible = (url: string, why: string): InvalidRequest =>
  new InvalidRequest({ reason: `${url} does not answer as a Millstream server does: ${why.replaceAll(/\s+/g, " ")}` })

/** A chain of causes is at most this deep in what is told of it. */
const maxCauses = 8

/** The last cause says the most: `ECONNREFUSED` and not `fetch failed`. */
const why = (cause: unknown): string => {
  let told = String(cause)
  let at = cause
  for (let i = 0; i < maxCauses && at instanceof Error; i++) {
    const code = "code" in at && typeof at.code === "string" ? at.code : ""
    told = at.message === "" ? code || at.name : at.message
    if (at.cause === undefined || at.cause === null) break
    at = at.cause
    if (!(at instanceof Error)) told = String(at)
  }
  return told
}

/** The error as any call may fail with it; one that does not belong to the call keeps its text. */
export const asAccessError = (error: StreamError): AccessError => {
  switch (error._tag) {
    case "InvalidPath":
    case "InvalidRequest":
    case "Unauthorized":
    case "Forbidden":
    case "Unavailable":
      return error
    default:
      return new InvalidRequest({ reason: error.message })
  }
}

/** The error as an append may fail with it. */
export const asAppendError = (error: StreamError): AppendError =>
  error._tag === "NotFound" || error._tag === "Fenced" || error._tag === "Behind" ? asAccessError(error) : error

/** The error as a question about one stream may fail with it. */
export const asStateError = (error: StreamError): AccessError | NotFound =>
  error._tag === "NotFound" ? error : asAccessError(error)


/** The error as a question about a processor's state may fail with it. */
export const asProcessorStateError = (error: StreamError): AccessError | NotFound | Behind =>
  error._tag === "Behind" ? error : asStateError(error)

/** A decoding's failure as text, else its value. */
export const decoded = <A, E extends { readonly message: string }>(
  url: string,
  result: Result.Result<A, E>
): Result.Result<A, InvalidRequest> => Result.mapError(result, (error) => unintelligible(url, error.message))
