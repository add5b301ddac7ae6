/**
 * Events whose payload and metadata are still the JSON text that was sent, less white space outside
 * strings. The log keeps and returns exactly this text, since a value would lose the spelling of numbers,
 * duplicate names and lone surrogates.
 */
import { Result, Schema } from "effect"
import { Event } from "./Event.ts"
import type { Cause, EventInput } from "./Event.ts"
import type { StreamPath } from "./StreamPath.ts"

/** Minified JSON. */
export type JsonText = string

/** An event as a client proposes it: `type` and `idempotencyKey` are judged already. */
export interface Proposed {
  readonly type: string
  readonly payload: JsonText
  readonly metadata?: JsonText | undefined
  readonly idempotencyKey?: string | undefined
  /** The offset that it must get. */
  readonly offset?: number | undefined
}

/** An event as the log recorded it. `createdAt` is in milliseconds since 1970. */
export interface Recorded extends Proposed {
  readonly offset: number
  readonly streamPath: StreamPath
  readonly createdAt: number
  readonly cause?: Cause | undefined
  /** Its wire form, encoded once however many want it. */
  readonly line: JsonText
}

/** The wire form of a recorded event: one line of JSON, `offset` first so that a reader finds it at a fixed place. */
export const encode = (event: Omit<Recorded, "line">): JsonText =>
  `{"offset":${event.offset},"type":${JSON.stringify(event.type)},"payload":${event.payload}` +
  (event.metadata === undefined ? "" : `,"metadata":${event.metadata}`) +
  (event.idempotencyKey === undefined ? "" : `,"idempotencyKey":${JSON.stringify(event.idempotencyKey)}`) +
  (event.cause === undefined ? "" : `,"cause":${JSON.stringify(event.cause)}`) +
  `,"streamPath":"${event.streamPath}","createdAt":"${isoTime(event.createdAt)}"}`

// A group's events share their millisecond, and formatting one costs more than the rest of the line.
let lastTime = 0
let lastText = new Date(0).toISOString()
/** A time, in milliseconds since 1970, as the wire has it. */
export const isoTime = (millis: number): string => {
  if (millis !== lastTime) {
    lastText = new Date(millis).toISOString()
    lastTime = millis
  }
  return lastText
}

/** The offset in a line that `encode` made. */
export const offsetOf = (line: JsonText): number => Number.parseInt(line.slice(prefix.length), 10)
const prefix = "{\"offset\":"

/** A proposed event from its value; the payload `{}` where there is none. */
export const propose = (input: EventInput): Proposed => ({
  type: input.type,
  payload: input.payload === undefined ? "{}" : JSON.stringify(input.payload),
  metadata: input.metadata === undefined ? undefined : JSON.stringify(input.metadata),
  idempotencyKey: input.idempotencyKey,
  offset: input.offset
})

const decodeFinite = Schema.decodeUnknownResult(Schema.fromJsonString(Event))
const decodeValue = Schema.decodeUnknownResult(Event)

/** A number beyond what a double holds reads as the greatest one: the log keeps its spelling, a value can not. */
const clamp = (_: string, value: unknown): unknown =>
  value === Number.POSITIVE_INFINITY ? Number.MAX_VALUE : value === Number.NEGATIVE_INFINITY ? -Number.MAX_VALUE : value

/** The value of a recorded event's line, which may come from a server that is not ours. */
export const decodeResult = (line: JsonText): Result.Result<Event, Schema.SchemaError> => {
  const decoded = decodeFinite(line)
  if (Result.isSuccess(decoded)) return decoded
  // Rare, so that only a line that failed is parsed again with an eye on its numbers.
  const parsed = Result.try((): unknown => JSON.parse(line, clamp))
  return Result.isSuccess(parsed) ? decodeValue(parsed.success) : decoded
}

/** The value of a line that `encode` made. */
export const decode = (line: JsonText): Event => Result.getOrThrow(decodeResult(line))
