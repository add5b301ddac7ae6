/**
 * Events, as a client proposes them and as the log recorded them. Here payloads are values; where they
 * must stay the very text that was sent, see `EventText`.
 */
import { Schema } from "effect"
import { StreamPath } from "./StreamPath.ts"

/** Place of an event in its stream. The first event has offset 1; 0 means "before the first". */
export const Offset = Schema.Int.pipe(
  Schema.check(Schema.isGreaterThanOrEqualTo(0)),
  Schema.brand("Offset"),
  Schema.annotate({ identifier: "Offset", description: "Place of an event in its stream; the first is 1" })
)
export type Offset = typeof Offset.Type

/** Bound of a type and of an idempotency key, in UTF-16 units: both are index keys in Postgres. */
const maxNameLength = 256

/** What is wrong with a type or an idempotency key, or `undefined`. */
export const nameProblem = (text: string): string | undefined =>
  text.length === 0
    ? "must not be empty"
    : text.length > maxNameLength
    ? `must have at most ${maxNameLength} characters`
    : !text.isWellFormed() || text.includes("\0")
    ? "must hold neither U+0000 nor lone surrogates"
    : undefined

const Name = Schema.String.pipe(
  Schema.check(
    Schema.makeFilter(nameProblem, { toJsonSchema: () => ({ minLength: 1, maxLength: maxNameLength }) })
  )
)

/** What kind of event it is: any text, `noun/past-tense` by convention. */
export const Type = Name.annotate({ description: "1 to 256 characters, noun/past-tense by convention" })

/** A caller's name for an append: the same key appended to a stream twice records one event. */
export const IdempotencyKey = Name.annotate({ description: "1 to 256 characters, unique in its stream" })

/** Free for clients, never interpreted. */
export const Metadata = Schema.Record(Schema.String, Schema.Json).annotate({
  description: "A JSON object, free for clients, never interpreted"
})
export type Metadata = typeof Metadata.Type

/** An event as a client proposes it. */
export const EventInput = Schema.Struct({
  type: Type,
  /** `{}` where it is left out. */
  payload: Schema.optionalKey(Schema.Json),
  metadata: Schema.optionalKey(Metadata),
  /** Appending the same key to a stream twice records the event once. */
  idempotencyKey: Schema.optionalKey(IdempotencyKey),
  /** The offset that this event must get, else the append is refused. */
  offset: Schema.optionalKey(Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1))))
}).annotate({ identifier: "EventInput" })
export type EventInput = typeof EventInput.Type

/** The event that an event answers, stamped by the server. */
export const Cause = Schema.Struct({
  streamPath: StreamPath,
  offset: Offset,
  processor: Schema.optionalKey(Schema.String),
  /** How many times the chain that led here crossed from one stream to another. */
  hops: Schema.Int
}).annotate({ identifier: "Cause" })
export type Cause = typeof Cause.Type

/** An event as the log recorded it. */
export const Event = Schema.Struct({
  offset: Offset,
  type: Type,
  payload: Schema.Json,
  metadata: Schema.optionalKey(Metadata),
  idempotencyKey: Schema.optionalKey(IdempotencyKey),
  cause: Schema.optionalKey(Cause),
  streamPath: StreamPath,
  /** Never decreases within a stream. */
  createdAt: Schema.DateTimeUtcFromString
}).annotate({ identifier: "Event" })
export type Event = typeof Event.Type
