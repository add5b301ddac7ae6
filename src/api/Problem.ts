/** Errors of the contract as they are on the wire: RFC 9457 problem documents that carry their tag and fields. */
import { Schema } from "effect"
import { HttpApiSchema } from "effect/http-api"
import * as StreamError from "../domain/StreamError.ts"

export const contentType = "application/problem+json"

const document = <Fields extends Schema.Struct.Fields>(
  tag: keyof typeof StreamError.status,
  error: { readonly fields: Fields },
  description: string
) =>
  Schema.Struct({
    type: Schema.String,
    title: Schema.String,
    status: Schema.Literal(StreamError.status[tag]),
    /** What is wrong and what to do next, as a sentence. */
    detail: Schema.String,
    ...error.fields
  }).annotate({ identifier: `${tag}Problem`, description }).pipe(
    HttpApiSchema.status(StreamError.status[tag]),
    HttpApiSchema.asJson({ contentType })
  )

export const InvalidPath = document("InvalidPath", StreamError.InvalidPath, "The text names no stream")
export const InvalidRequest = document(
  "InvalidRequest",
  StreamError.InvalidRequest,
  "The request does not make sense as it was sent"
)
export const Unauthorized = document(
  "Unauthorized",
  StreamError.Unauthorized,
  "The token, or a provider's signature, is missing or wrong"
)
export const Forbidden = document(
  "Forbidden",
  StreamError.Forbidden,
  "The caller may not do this, or not from there: the host or origin is not one of the server's"
)
export const NotFound = document("NotFound", StreamError.NotFound, "There is no such thing, and there never was")
export const IdempotencyConflict = document(
  "IdempotencyConflict",
  StreamError.IdempotencyConflict,
  "The key is known with another content, or only a part of the batch is known; nothing was recorded"
)
export const Fenced = document(
  "Fenced",
  StreamError.Fenced,
  "Another owner acts for the processor now, or its instance was changed; nothing was recorded"
)
export const OffsetMismatch = document(
  "OffsetMismatch",
  StreamError.OffsetMismatch,
  "`actual` is the next offset, not `expected`; nothing was recorded"
)
export const PayloadTooLarge = document(
  "PayloadTooLarge",
  StreamError.PayloadTooLarge,
  "The request, or one event in it, has more than `limit` bytes or elements"
)
export const InvalidEvent = document(
  "InvalidEvent",
  StreamError.InvalidEvent,
  "It looks like an event and is not one; `example` is ready to be sent"
)
export const StreamPaused = document(
  "StreamPaused",
  StreamError.StreamPaused,
  "The stream takes only `stream/resumed`"
)
export const Unavailable = document(
  "Unavailable",
  StreamError.Unavailable,
  "The log is away or its queue is full; trying again with the same idempotency key is safe"
)
export const Behind = document(
  "Behind",
  StreamError.Behind,
  "The processor has not come as far as `atLeast` within 30 seconds; asking again goes on waiting"
)

/** What any request can be answered with. */
export const access = [InvalidRequest, Unauthorized, Forbidden] as const
