/**
 * What can be wrong with a request. Few, each tells its caller what to do, and each is an RFC 9457
 * problem document on the wire with its tag in `_tag`.
 */
import { Schema } from "effect"
import { Offset } from "./Event.ts"
import { InstanceStatus } from "./ProcessorState.ts"
import { StreamPath } from "./StreamPath.ts"

/** The HTTP status of each. */
export const status = {
  InvalidPath: 400,
  InvalidRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  IdempotencyConflict: 409,
  Fenced: 409,
  OffsetMismatch: 412,
  PayloadTooLarge: 413,
  InvalidEvent: 422,
  StreamPaused: 423,
  Unavailable: 503,
  Behind: 504
} as const

/** The text is no path. */
export class InvalidPath extends Schema.TaggedError<InvalidPath>()(
  "InvalidPath",
  { path: Schema.String, reason: Schema.String },
  { httpApiStatus: status.InvalidPath }
) {
  override get message() {
    return `Not a stream path: ${this.reason}`
  }
}

/** The request does not make sense as it was sent; `reason` says what to change. */
export class InvalidRequest extends Schema.TaggedError<InvalidRequest>()(
  "InvalidRequest",
  { reason: Schema.String },
  { httpApiStatus: status.InvalidRequest }
) {
  override get message() {
    return this.reason
  }
}

/** The token, or the signature of a provider that the stream asks for, is missing or wrong. */
export class Unauthorized extends Schema.TaggedError<Unauthorized>()(
  "Unauthorized",
  { reason: Schema.String },
  { httpApiStatus: status.Unauthorized }
) {
  override get message() {
    return this.reason
  }
}

/** The caller may not do this, or not from there. */
export class Forbidden extends Schema.TaggedError<Forbidden>()(
  "Forbidden",
  { reason: Schema.String },
  { httpApiStatus: status.Forbidden }
) {
  override get message() {
    return this.reason
  }
}

/** There has never been such a stream, or there is no such page. */
export class NotFound extends Schema.TaggedError<NotFound>()(
  "NotFound",
  { reason: Schema.String },
  { httpApiStatus: status.NotFound }
) {
  override get message() {
    return this.reason
  }
}

/** The key is known with another content, or only a part of the batch is known. Nothing was recorded. */
export class IdempotencyConflict extends Schema.TaggedError<IdempotencyConflict>()(
  "IdempotencyConflict",
  { idempotencyKey: Schema.String, offset: Offset },
  { httpApiStatus: status.IdempotencyConflict }
) {
  override get message() {
    return `The key ${JSON.stringify(this.idempotencyKey)} is at offset ${this.offset} with another content: ` +
      "send what was sent then, or choose a new key"
  }
}

/** Another owner acts for the processor now, or its instance was changed: claim again, and go on from what that says. */
export class Fenced extends Schema.TaggedError<Fenced>()(
  "Fenced",
  { processor: Schema.String, lost: Schema.Literals(["lease", "instance"]) },
  { httpApiStatus: status.Fenced }
) {
  override get message() {
    return this.lost === "lease"
      ? `Another owner acts for ${this.processor} now`
      : `The instance of ${this.processor} was changed, or its stream deleted`
  }
}

/** Someone else appended first. Read from `actual` and decide again. */
export class OffsetMismatch extends Schema.TaggedError<OffsetMismatch>()(
  "OffsetMismatch",
  { expected: Offset, actual: Offset },
  { httpApiStatus: status.OffsetMismatch }
) {
  override get message() {
    return `The next offset is ${this.actual}, not ${this.expected}`
  }
}

/** The body, or one event in it, has more than `limit` bytes or elements. */
export class PayloadTooLarge extends Schema.TaggedError<PayloadTooLarge>()(
  "PayloadTooLarge",
  { limit: Schema.Int, reason: Schema.String },
  { httpApiStatus: status.PayloadTooLarge }
) {
  override get message() {
    return this.reason
  }
}

/** It looks like an event and is not one; `example`, where there is one, is ready to be sent. */
export class InvalidEvent extends Schema.TaggedError<InvalidEvent>()(
  "InvalidEvent",
  {
    reason: Schema.String,
    /** The field that is wrong. */
    field: Schema.optionalKey(Schema.String),
    /** Index of the first wrong event of a batch. */
    index: Schema.optionalKey(Schema.Int),
    example: Schema.optionalKey(Schema.Json)
  },
  { httpApiStatus: status.InvalidEvent }
) {
  override get message() {
    return this.index === undefined ? this.reason : `Event ${this.index}: ${this.reason}`
  }

  /** The same of one event of a batch. */
  at(index: number): InvalidEvent {
    const { example, field, reason } = this
    return new InvalidEvent({
      reason,
      index,
      ...(field === undefined ? undefined : { field }),
      ...(example === undefined ? undefined : { example })
    })
  }
}

/** The stream takes only `stream/resumed`. */
export class StreamPaused extends Schema.TaggedError<StreamPaused>()(
  "StreamPaused",
  { streamPath: StreamPath, reason: Schema.String, pausedAt: Schema.DateTimeUtcFromString },
  { httpApiStatus: status.StreamPaused }
) {
  override get message() {
    return `${this.streamPath} is paused (${this.reason}). Append {"type":"stream/resumed"} to go on`
  }
}

/** The log cannot take the request now. Trying again with the same idempotency key is safe. */
export class Unavailable extends Schema.TaggedError<Unavailable>()(
  "Unavailable",
  { reason: Schema.String, retryAfterSeconds: Schema.Int },
  { httpApiStatus: status.Unavailable }
) {
  override get message() {
    return `${this.reason}. Try again in ${this.retryAfterSeconds} s; with the same idempotencyKey that is safe`
  }
}

/** A processor has not come as far as it was asked to, in the time that an answer waits. */
export class Behind extends Schema.TaggedError<Behind>()(
  "Behind",
  { processor: Schema.String, streamPath: StreamPath, offset: Offset, atLeast: Offset, status: InstanceStatus },
  { httpApiStatus: status.Behind }
) {
  override get message() {
    return `${this.processor} has come to offset ${this.offset} of ${this.streamPath}, not to ${this.atLeast} yet: ` +
      `it is ${this.status}. Ask again`
  }
}

/** What an append can fail with inside the log. */
export type AppendError = IdempotencyConflict | OffsetMismatch | InvalidEvent | StreamPaused | Unavailable

/** Every error of the contract. */
export const StreamError = Schema.Union([
  InvalidPath,
  InvalidRequest,
  Unauthorized,
  Forbidden,
  NotFound,
  IdempotencyConflict,
  Fenced,
  OffsetMismatch,
  PayloadTooLarge,
  InvalidEvent,
  StreamPaused,
  Unavailable,
  Behind
])
export type StreamError = typeof StreamError.Type
