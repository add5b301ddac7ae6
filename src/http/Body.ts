/**
 * What the body of an append becomes: an event, a batch of events, or one event that keeps what arrived. Pure and
 * synchronous. Reserved types and control events are judged where they are appended.
 */
import { Result } from "effect"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { maxBatch, maxEventBytes } from "../domain/Bounds.ts"
import { nameProblem } from "../domain/Event.ts"
import type { JsonText, Proposed } from "../domain/EventText.ts"
import * as Json from "../domain/JsonText.ts"
import { InvalidRequest } from "../domain/StreamError.ts"
import type { InvalidEvent, PayloadTooLarge } from "../domain/StreamError.ts"
import * as Batch from "./Batch.ts"
import * as ContentEncoding from "./ContentEncoding.ts"
import * as EventShape from "./EventShape.ts"
import * as Reading from "./Reading.ts"
import * as Received from "./Received.ts"

/** A request to append, as it arrived. Names of headers are in lower case. */
export interface Arrival extends Received.Request {
  readonly body: Uint8Array
  readonly contentEncoding?: string | undefined
  /** The header's value or values. */
  readonly idempotencyKey?: string | ReadonlyArray<string> | undefined
  /** The type that a body which is no event gets, instead of `webhook/received`. */
  readonly as?: string | undefined
  /** Whether the sender may only deliver: then no body is an event. */
  readonly ingestOnly?: boolean | undefined
}

/**
 * The events to append; `batch` where the reply is an array, `made` where the event is the server's own, `arrived`
 * where the body is no event: its bytes without their coding.
 */
export interface Decoded {
  readonly events: NonEmptyReadonlyArray<Proposed>
  readonly batch: boolean
  readonly made?: boolean | undefined
  readonly arrived?: Uint8Array | undefined
}

export type Refusal = InvalidRequest | InvalidEvent | PayloadTooLarge

const none: ReadonlySet<string> = new Set()

/** Decodes an arrival. `redactedHeaders`, in lower case, are not recorded; neither are `Received.credentials`. */
export const decode = (
  arrival: Arrival,
  redactedHeaders: ReadonlySet<string> = none
): Result.Result<Decoded, Refusal> => {
  const body = ContentEncoding.decode(arrival.body, arrival.contentEncoding)
  return Result.isFailure(body) ? Result.fail(body.failure) : readPlain(arrival, body.success, redactedHeaders)
}

/** The same of an arrival whose content coding is undone: `bytes` are its body without it. */
export const readPlain = (
  arrival: Arrival,
  bytes: Uint8Array,
  redactedHeaders: ReadonlySet<string>
): Result.Result<Decoded, Refusal> => {
  const read = Reading.read(bytes, arrival.contentType)
  if (Result.isFailure(read)) return Result.fail(read.failure)
  const reading = read.success
  if (reading._tag === "Other") {
    return received(arrival, reading.body, reading.raw, reading.reason, bytes, redactedHeaders)
  }
  if (reading._tag === "Value" && !Array.isArray(reading.value)) {
    const { value, source } = reading
    if (arrival.ingestOnly !== true && EventShape.isMeant(value)) {
      if (bytes.length > maxEventBytes || Batch.isTooLarge(source)) return Result.fail(Batch.tooLarge())
      const event = EventShape.propose(value, source)
      return Result.isFailure(event) ? Result.fail(event.failure) : single(event.success, arrival)
    }
    const reason = arrival.ingestOnly === true ? neverAnEvent : EventShape.strangeness(value)
    return received(arrival, Json.minify(source), reading.raw, reason, bytes, redactedHeaders)
  }
  return several(reading, arrival, bytes, redactedHeaders)
}

const neverAnEvent = "what arrives here is never an event"

/** An array, lines or documents: a batch where one of them is meant as an event. */
const several = (
  reading: Reading.Value | Reading.Rows,
  arrival: Arrival,
  bytes: Uint8Array,
  redactedHeaders: ReadonlySet<string>
): Result.Result<Decoded, Refusal> => {
  const values: ReadonlyArray<unknown> = reading._tag === "Rows" ? reading.values : asArray(reading.value)
  // Too large to be one event, so it could only be a batch.
  if (values.length > maxBatch && bytes.length > maxEventBytes) return Result.fail(Batch.tooMany())
  if (arrival.ingestOnly !== true && values.some(EventShape.isMeant)) {
    if (values.length > maxBatch) return Result.fail(Batch.tooMany())
    if (arrival.idempotencyKey !== undefined) {
      return Result.fail(
        new InvalidRequest({
          reason: "The header Idempotency-Key is for one event: give each event of a batch its idempotencyKey"
        })
      )
    }
    const sources = reading._tag === "Rows" ? reading.sources : Json.elements(reading.source)
    return Result.map(Batch.propose(values, sources), (events) => ({ events, batch: true }))
  }
  const body = reading._tag === "Rows"
    ? `[${reading.sources.map(Json.minify).join(",")}]`
    : Json.minify(reading.source)
  const reason = arrival.ingestOnly === true
    ? neverAnEvent
    : values.length === 0
    ? "an empty array is not an event"
    : `none of several is an event: ${EventShape.strangeness(values[0])}`
  return received(arrival, body, reading.raw, reason, bytes, redactedHeaders)
}

const asArray = (value: unknown): ReadonlyArray<unknown> => Array.isArray(value) ? value : [value]

/** The event that keeps a body which is none. */
const received = (
  arrival: Arrival,
  body: JsonText,
  raw: string | undefined,
  reason: string,
  bytes: Uint8Array,
  redactedHeaders: ReadonlySet<string>
): Result.Result<Decoded, Refusal> => {
  if (bytes.length > maxEventBytes) return Result.fail(Batch.tooLarge())
  if (arrival.as === undefined) {
    const event = Received.webhook(arrival, body, raw, reason, redactedHeaders)
    return Result.map(single(event, arrival), (decoded) => ({ ...decoded, made: true, arrived: bytes }))
  }
  const problem = nameProblem(arrival.as)
  return problem === undefined
    ? Result.map(single({ type: arrival.as, payload: body }, arrival), (decoded) => ({ ...decoded, arrived: bytes }))
    : EventShape.wrong("as", problem)
}

/** One event, with the key of the header where there is one. */
const single = (event: Proposed, arrival: Arrival): Result.Result<Decoded, Refusal> => {
  const key = arrival.idempotencyKey
  if (key === undefined) return Result.succeed({ events: [event], batch: false })
  if (typeof key !== "string") {
    return Result.fail(new InvalidRequest({ reason: "The header Idempotency-Key was sent more than once" }))
  }
  const problem = nameProblem(key)
  if (problem !== undefined) return EventShape.wrong("Idempotency-Key", problem)
  return event.idempotencyKey === undefined || event.idempotencyKey === key
    ? Result.succeed({ events: [{ ...event, idempotencyKey: key }], batch: false })
    : Result.fail(
      new InvalidRequest({
        reason: "The header Idempotency-Key and the event's idempotencyKey differ: send one of them"
      })
    )
}
