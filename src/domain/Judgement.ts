/**
 * Whether a client may append an event. A control event that does not fit its schema is refused, so that a typo is
 * never silence.
 */
import { Result, Schema } from "effect"
import * as Control from "./ControlEvent.ts"
import * as EventText from "./EventText.ts"
import type { Proposed } from "./EventText.ts"
import { nearest } from "./Nearest.ts"
import * as Schedule from "./Schedule.ts"
import { InvalidEvent } from "./StreamError.ts"

/**
 * Bound of a stream's metadata, in characters: it is kept beside its head, written with every append, and held for each
 * stream in use.
 */
const maxMetadata = 16_384

/** Made once: a decoder costs more to make than to use. */
const decoders = new Map(
  [...Control.all].map(([type, { eventType }]) => [type, Schema.decodeUnknownResult(Schema.toCodecJson(eventType.payload))])
)

const strictly = { onExcessProperty: "error" } as const

/** Why a client may not append this event, or `undefined`. Types that are not reserved are anyone's. */
export const judge = (event: Proposed): InvalidEvent | undefined => {
  if (!Control.isReserved(event.type)) return undefined
  const control = Control.all.get(event.type)
  if (control === undefined) {
    const meant = nearest(event.type, [...Control.all.keys()])
    return new InvalidEvent({
      field: "type",
      reason: `${JSON.stringify(event.type)} is not known, and its prefix is reserved. Did you mean ${meant}?`
    })
  }
  const example = { type: event.type, payload: control.example }
  if (control.appendedBy === "server") {
    return new InvalidEvent({ field: "type", reason: `Only the server appends ${event.type}` })
  }
  const payload: unknown = JSON.parse(event.payload)
  // Where a schema is closed a field that it does not have is refused: a misspelt one would be silence.
  const decoded = decoders.get(event.type)?.(payload, strictly)
  if (decoded !== undefined && Result.isFailure(decoded)) {
    return new InvalidEvent({
      field: "payload",
      reason: `The payload of ${event.type} does not fit: ${decoded.failure.message.replaceAll(/\s+/g, " ")}`,
      example
    })
  }
  if (event.type === Control.MetadataUpdated.type && event.payload.length > maxMetadata) {
    return new InvalidEvent({
      field: "payload.metadata",
      reason: `The metadata of a stream has at most ${maxMetadata} characters: keep more in events`,
      example
    })
  }
  if (event.type === Schedule.ScheduleConfigured.type) return judgeScheduled(event.payload, example)
  const tellsWho = event.type === Control.Paused.type || event.type === Control.Resumed.type
  return tellsWho && typeof payload === "object" && payload !== null && "by" in payload
    ? new InvalidEvent({ field: "payload.by", reason: "Only the server says who did it", example })
    : undefined
}

const decodeScheduled = Schema.decodeUnknownResult(Schema.fromJsonString(Schedule.ScheduleConfigured.payload))

/** What a schedule appends is judged when it is configured, rather than each time that it is due. */
const judgeScheduled = (payload: EventText.JsonText, example: Schema.Json): InvalidEvent | undefined => {
  const decoded = decodeScheduled(payload)
  if (Result.isFailure(decoded)) return undefined
  const { event } = decoded.success.append
  const field = "payload.append.event"
  // Judging each level of many costs the square of their size.
  if (event.type === Schedule.ScheduleConfigured.type && event.payload !== undefined && isNested(event.payload)) {
    return new InvalidEvent({ field, reason: "A schedule may configure one that configures none", example })
  }
  const wrong = judge(EventText.propose(event))
  return wrong === undefined
    ? undefined
    : new InvalidEvent({ field, reason: `The event to append: ${wrong.reason}`, example })
}

const Nested = Schema.Struct({
  append: Schema.Struct({ event: Schema.Struct({ type: Schema.Literal(Schedule.ScheduleConfigured.type) }) })
})
const isNested = Schema.is(Nested)
