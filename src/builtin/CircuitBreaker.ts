/**
 * Automatic resumption: which pauses of a stream are the circuit breaker's own, and when each of them ends. What trips
 * it is the log's business; without a configured `resumeAfter` a pause waits for a person.
 */
import { Schema, Struct } from "effect"
import * as Control from "../domain/ControlEvent.ts"
import * as DurationText from "../domain/DurationText.ts"
import { Processor } from "../processor/Processor.ts"

const State = Schema.Struct({
  /** In milliseconds; none where a person resumes. */
  resumeAfterMillis: Schema.optionalKey(Schema.Finite),
  /** The pause in force, where the breaker made it: its event, and when that was. */
  paused: Schema.optionalKey(Schema.Struct({ offset: Schema.Int, at: Schema.DateTimeUtcFromString }))
})
type State = typeof State.Type

const unpaused = (state: State): State => Struct.omit(state, ["paused"])

export const CircuitBreaker = Processor.make(Control.circuitBreaker, {
  state: State,
  initial: {},
  consumes: [Control.CircuitBreakerConfigured, Control.Paused, Control.Resumed],
  emits: [Control.Resumed]
}).reduce({
  "stream/circuit-breaker-configured": (state, { payload }) =>
    "resumeAfter" in payload && payload.resumeAfter !== undefined
      ? { ...state, resumeAfterMillis: DurationText.toMillis(payload.resumeAfter) }
      : Struct.omit(state, ["resumeAfterMillis"]),
  // Only the server says `by`; a pause by anyone else takes the place of the breaker's.
  "stream/paused": (state, { createdAt, offset, payload }) =>
    payload.by === Control.circuitBreaker ? { ...state, paused: { offset, at: createdAt } } : unpaused(state),
  "stream/resumed": unpaused
}).fibers({
  resume: ({ paused, resumeAfterMillis }) =>
    paused === undefined || resumeAfterMillis === undefined
      ? {}
      // It counts from the pause, whenever it was configured.
      : { stream: { ...paused, resumeAfterMillis } }
})
