/** The events that configure streams and tell of them, and the prefixes reserved for them. */
import { Schema } from "effect"
import type { Control } from "./Control.ts"
import * as DurationText from "./DurationText.ts"
import { Offset } from "./Event.ts"
import { EventType } from "./EventType.ts"
import * as Schedule from "./Schedule.ts"
import { StreamPath } from "./StreamPath.ts"
import * as Subscription from "./Subscription.ts"
import * as Transformer from "./Transformer.ts"
import * as Verification from "./Verification.ts"

/** Bound of a reason, in characters: a stream keeps it beside its head, where it is written with every append. */
const maxReason = 1_024

const Reason = Schema.Struct({
  reason: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isMaxLength(maxReason)))),
  /** Who did it, where it was the server: `circuit-breaker`. */
  by: Schema.optionalKey(Schema.String)
})

/** First event of every stream. */
export const Initialized = EventType.make("stream/initialized", Schema.Struct({ path: StreamPath }))
/** A stream was made, or deleted, directly below this one. */
export const ChildCreated = EventType.make("stream/child-created", Schema.Struct({ path: StreamPath }))
export const ChildDeleted = EventType.make("stream/child-deleted", Schema.Struct({ path: StreamPath }))
/** Replaces the stream's metadata. */
export const MetadataUpdated = EventType.make(
  "stream/metadata-updated",
  Schema.Struct({ metadata: Schema.Record(Schema.String, Schema.Json) })
)
/** From here on only `stream/resumed` is accepted. */
export const Paused = EventType.make("stream/paused", Reason)
export const Resumed = EventType.make("stream/resumed", Reason)

/** The shortest pause of a circuit breaker that resumes by itself, in milliseconds. */
const leastResumeAfter = 100

/** The name of the processor that resumes what a circuit breaker paused. */
export const circuitBreaker = "circuit-breaker"

const Rate = Schema.Finite.pipe(Schema.check(Schema.isGreaterThan(0)))
/** How many events a stream takes: a burst of `capacity`, and `refillPerSecond` for long. */
export const CircuitBreakerConfigured = EventType.make(
  "stream/circuit-breaker-configured",
  Schema.Union([
    Schema.Struct({ enabled: Schema.Literal(false) }),
    Schema.Struct({
      enabled: Schema.optionalKey(Schema.Literal(true)),
      capacity: Rate,
      refillPerSecond: Rate,
      /** So long after it paused the stream it resumes it; left out, a person does. */
      resumeAfter: Schema.optionalKey(DurationText.atLeast(leastResumeAfter))
    })
  ])
)
/** Something went wrong on this stream; nothing is swallowed. */
export const ErrorOccurred = EventType.make(
  "stream/error-occurred",
  Schema.StructWithRest(
    Schema.Struct({ message: Schema.String, source: Schema.optionalKey(Schema.String) }),
    [Schema.Record(Schema.String, Schema.Json)]
  )
)

/** Which instance on the stream, where in the stream, and which of its fibers, where it is about one. */
const Instance = Schema.Struct({
  name: Schema.NonEmptyString,
  offset: Offset,
  kind: Schema.optionalKey(Schema.String),
  key: Schema.optionalKey(Schema.String)
})
/** A processor, or one of its fibers, failed at this event for good and waits for a person. */
export const ProcessorParked = EventType.make(
  "processor/parked",
  Schema.Struct({ ...Instance.fields, error: Schema.String })
)
/** A person let a parked processor, or a fiber of it, try again. */
export const ProcessorResumed = EventType.make("processor/resumed", Instance)
/** A person let a parked processor pass over the event at which it had failed. */
export const ProcessorSkipped = EventType.make(
  "processor/skipped",
  Schema.Struct({ name: Schema.NonEmptyString, offset: Offset, error: Schema.String })
)
/** A person had a processor's state, which had come as far as this event, folded anew. */
export const ProcessorRefolded = EventType.make(
  "processor/refolded",
  Schema.Struct({ name: Schema.NonEmptyString, offset: Offset, version: Schema.Int })
)

/** What arrived on a stream and is no event. */
export const WebhookReceived = EventType.make(
  "webhook/received",
  Schema.StructWithRest(
    Schema.Struct({
      /** Why it is no event. */
      reason: Schema.String,
      method: Schema.String,
      contentType: Schema.NullOr(Schema.String),
      query: Schema.Record(Schema.String, Schema.Json),
      headers: Schema.Record(Schema.String, Schema.Json),
      body: Schema.Json,
      /** Exactly what arrived, where `body` was parsed from it. */
      raw: Schema.optionalKey(Schema.String)
    }),
    [Schema.Record(Schema.String, Schema.Json)]
  )
)

/** All control events, by type. */
export const all: ReadonlyMap<string, Control> = new Map<string, Control>(
  ([
    {
      eventType: Initialized,
      appendedBy: "server",
      description: "The first event of every stream",
      example: { path: "/agents/ada" }
    },
    {
      eventType: ChildCreated,
      appendedBy: "server",
      description: "A stream was made directly below this one",
      example: { path: "/agents/ada" }
    },
    {
      eventType: ChildDeleted,
      appendedBy: "server",
      description: "A stream directly below this one was deleted",
      example: { path: "/agents/ada" }
    },
    {
      eventType: MetadataUpdated,
      appendedBy: "client",
      description: "Replaces the stream's metadata",
      example: { metadata: { owner: "ada" } }
    },
    {
      eventType: Paused,
      appendedBy: "client",
      description: "From here on only stream/resumed is accepted",
      example: { reason: "maintenance" }
    },
    {
      eventType: Resumed,
      appendedBy: "client",
      description: "A paused stream accepts events again, with a full token bucket",
      processors: [circuitBreaker],
      example: { reason: "maintenance is over" }
    },
    {
      eventType: CircuitBreakerConfigured,
      appendedBy: "client",
      description: "More than capacity at once, or refillPerSecond for long, pauses the stream, for resumeAfter if set",
      example: { capacity: 1000, refillPerSecond: 500 }
    },
    {
      eventType: ErrorOccurred,
      appendedBy: "client",
      description: "Something went wrong on this stream",
      processors: [Subscription.processor, Transformer.processor],
      example: { message: "the printer is on fire", source: "printer" }
    },
    {
      eventType: ProcessorParked,
      appendedBy: "server",
      description: "A processor failed at an event for good: resume it, or skip the event",
      example: { name: "ping-pong", offset: 7, error: "Error: the table is on fire" }
    },
    {
      eventType: ProcessorResumed,
      appendedBy: "server",
      description: "A parked processor tries again",
      example: { name: "ping-pong", offset: 7 }
    },
    {
      eventType: ProcessorSkipped,
      appendedBy: "server",
      description: "A parked processor passes over the event at which it failed",
      example: { name: "ping-pong", offset: 7, error: "Error: the table is on fire" }
    },
    {
      eventType: ProcessorRefolded,
      appendedBy: "server",
      description: "A processor's state is folded anew from the first event; its hooks do not run again",
      example: { name: "ping-pong", offset: 7, version: 1 }
    },
    {
      eventType: WebhookReceived,
      appendedBy: "client",
      description: "A body arrived that is no event",
      example: {
        reason: "`data` is not a field of an event",
        method: "POST",
        contentType: "application/json",
        query: {},
        headers: {},
        body: { data: 1 },
        raw: "{\"data\":1}"
      }
    },
    ...Verification.controls,
    ...Schedule.controls,
    ...Subscription.controls,
    ...Transformer.controls
  ] satisfies ReadonlyArray<Control>).map((control) => [control.eventType.type, control])
)

/** What processors of the server's own consume. It is rare: an index of the log knows it, and notices tell of it. */
export const consumed: ReadonlySet<string> = new Set([
  Paused.type,
  Resumed.type,
  CircuitBreakerConfigured.type,
  ...[...Schedule.controls, ...Subscription.controls, ...Transformer.controls].map(({ eventType }) => eventType.type)
])

/** Whether a processor may append events of a type in the server's name. */
export const speaksFor = (processor: string, type: string): boolean =>
  all.get(type)?.processors?.includes(processor) === true

/** Nothing but control events may have a type under one of these. */
const reserved = /^(?:stream|webhook|schedule|subscription|transformer|processor)\//

/** Whether a type is the system's own. */
export const isReserved = (type: string): boolean => reserved.test(type)
