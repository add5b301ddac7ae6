/**
 * What the log itself knows of a stream. It is stored with the head, in the same transaction, so that
 * appends are judged without reading history.
 */
import { Schema } from "effect"
import { Limit, TokenBucket } from "../domain/TokenBucket.ts"
import { Verification } from "../domain/Verification.ts"

export const Pause = Schema.Struct({
  reason: Schema.String,
  /** Milliseconds since 1970. */
  pausedAt: Schema.Finite,
  by: Schema.optionalKey(Schema.String)
})
export type Pause = typeof Pause.Type

export const CoreState = Schema.Struct({
  /** The JSON text that was sent. */
  metadata: Schema.String,
  paused: Schema.NullOr(Pause),
  /** What the stream configured; `default` is the server's own. */
  breaker: Schema.Union([Schema.Literals(["default", "off"]), Limit]),
  /** None until the first event is counted. */
  bucket: Schema.NullOr(TokenBucket),
  /** What is asked of what arrives and is no event; left out where it is nothing. */
  verification: Schema.optionalKey(Verification)
})
export type CoreState = typeof CoreState.Type

/** The state of a stream without events. */
export const initial: CoreState = { metadata: "{}", paused: null, breaker: "default", bucket: null }

/** The limit in force; `breaker` is that of streams that configure none. */
export const limitOf = (core: CoreState, breaker: Limit | "off"): Limit | "off" =>
  core.breaker === "default" ? breaker : core.breaker

/** How it is stored. */
export const Stored = Schema.fromJsonString(CoreState)

/** A stream as the appender sees it: its row in the log. */
export interface Head {
  /** None before the stream has a row. */
  readonly id: bigint | undefined
  /** Offset of its last event, 0 before the first; it survives a delete. */
  readonly offset: number
  /** Whether it has events: a deleted stream keeps its row and its head. */
  readonly exists: boolean
  /** Milliseconds since 1970: of its `stream/initialized`, and of its last event. */
  readonly createdAt: number
  readonly updatedAt: number
  readonly core: CoreState
}

/** The head of a stream nobody has written to. */
export const unwritten: Head = {
  id: undefined,
  offset: 0,
  exists: false,
  createdAt: 0,
  updatedAt: 0,
  core: initial
}
