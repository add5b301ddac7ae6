/** What can be told of a stream without reading its history. */
import { Schema } from "effect"
import { Metadata, Offset } from "./Event.ts"
import { StreamPath } from "./StreamPath.ts"
import { Verification } from "./Verification.ts"

/** Why a stream takes no events. */
export const Paused = Schema.Struct({
  reason: Schema.String,
  pausedAt: Schema.DateTimeUtcFromString,
  /** `circuit-breaker` where the server did it. */
  by: Schema.optionalKey(Schema.String)
})

/** The limit in force, or that there is none. */
const CircuitBreaker = Schema.Union([
  Schema.Struct({ enabled: Schema.Literal(true), capacity: Schema.Finite, refillPerSecond: Schema.Finite }),
  Schema.Struct({ enabled: Schema.Literal(false) })
])

export const StreamState = Schema.Struct({
  path: StreamPath,
  /** Offset of the last event. */
  head: Offset,
  createdAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString,
  /** The stream has no events now; writing to it again goes on after its head. */
  deletedAt: Schema.optionalKey(Schema.DateTimeUtcFromString),
  metadata: Metadata,
  paused: Schema.NullOr(Paused),
  circuitBreaker: CircuitBreaker,
  /** Whose signature what arrives and is no event must carry. */
  verification: Schema.optionalKey(Verification)
}).annotate({ identifier: "StreamState" })
export type StreamState = typeof StreamState.Type

/** A stream in a list. */
export const Child = Schema.Struct({
  path: StreamPath,
  head: Offset,
  createdAt: Schema.DateTimeUtcFromString,
  updatedAt: Schema.DateTimeUtcFromString,
  /** How many streams are directly below it. */
  children: Schema.Int
}).annotate({ identifier: "Child" })
export type Child = typeof Child.Type
