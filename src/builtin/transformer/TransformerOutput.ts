/** What a transformer makes of an event, and under which keys it is recorded. Pure. */
import { Result, Schema } from "effect"
import { WebhookReceived } from "../../domain/ControlEvent.ts"
import type { Event } from "../../domain/Event.ts"
import { Metadata, Type } from "../../domain/Event.ts"
import type { JsonText } from "../../domain/EventText.ts"
import { maxDepth } from "../../domain/JsonText.ts"
import * as Sha256 from "../../domain/Sha256.ts"
import type { StreamPath } from "../../domain/StreamPath.ts"
import { processor } from "../../domain/Transformer.ts"

/** Bound of the events that one event becomes: they are recorded together. */
const maxEvents = 100

const Derived = Schema.Struct({
  type: Type,
  payload: Schema.optionalKey(Schema.Json),
  metadata: Schema.optionalKey(Metadata)
})
/** An event that an expression made. */
export type Derived = typeof Derived.Type

const decode = Schema.decodeUnknownResult(Derived)
const strictly = { onExcessProperty: "error" } as const
const form = "it must be an event, { type, payload?, metadata? }, or an array of them"

/** The events that the result of a transform stands for, or why it stands for none. */
export const read = (value: Schema.Json | undefined): Result.Result<ReadonlyArray<Derived>, string> => {
  // Of an expression that names what is not there; who means none says so.
  if (value === undefined) return Result.fail(`The transform made nothing: ${form}, which may be empty`)
  const values = Array.isArray(value) ? value : [value]
  if (values.length > maxEvents) {
    return Result.fail(`The transform made ${values.length} events, and at most ${maxEvents} are taken`)
  }
  if (isDeeper(value, maxDepth)) return Result.fail(`The transform made what nests deeper than ${maxDepth} levels`)
  const events: Array<Derived> = []
  for (const each of values) {
    const decoded = decode(each, strictly)
    if (Result.isFailure(decoded)) {
      return Result.fail(`The transform made no event: ${decoded.failure.message.replaceAll(/\s+/g, " ")}; ${form}`)
    }
    // Where a stream asks for signatures, nothing else is to look like what was verified.
    if (decoded.success.type === WebhookReceived.type) {
      return Result.fail(`The transform made a ${WebhookReceived.type}, which only what arrives is: give it a type of yours`)
    }
    events.push(decoded.success)
  }
  return Result.succeed(events)
}

/** Nor may it go deeper itself than it looks. */
const isDeeper = (value: Schema.Json, levels: number): boolean =>
  typeof value === "object" && value !== null &&
  (levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1)))

const prefix = (slug: string, offset: number): string => `${processor}/${slug}/${offset}/`

/** The key of what a transformer of a stream makes as the first, second … of an event; at most 256 characters. */
export const key = (slug: string, source: StreamPath, offset: number, index: number, target: StreamPath): string =>
  // Many streams may have a transformer of that name for one target.
  `${prefix(slug, offset)}${index}${target === source ? "" : `/${Sha256.base64Url(source)}`}`

/** The key of what is said about an event that it failed at. */
export const errorKey = (slug: string, offset: number): string => `${prefix(slug, offset)}error`

/** Whether an event on a transformer's stream is its own work: anyone may choose such a key, but not a cause. */
export const isOwn = ({ cause, idempotencyKey, streamPath }: Event, slug: string): boolean =>
  cause !== undefined && isTransformed(cause) && cause.streamPath === streamPath &&
  idempotencyKey !== undefined && ownEnd.test(withoutPrefix(idempotencyKey, prefix(slug, cause.offset)))

const isTransformed = (cause: NonNullable<Event["cause"]>): boolean => cause.processor === processor

const withoutPrefix = (text: string, prefix: string): string => text.startsWith(prefix) ? text.slice(prefix.length) : ""

/** What follows the offset: of an event, of one that was not recorded elsewhere since it is too far, of an error. */
const ownEnd = /^(?:\d+(?:\/[\w-]{43})?|error(?:\/[\w-]+)?)$/

/** Whether a line may be a transformer's work: nearly all are not, and need not be decoded. */
export const mayBeOwn = (line: JsonText): boolean => line.includes(`"processor":"${processor}"`)

/**
 * An event as what is made of it answers it. Where that is a transformer's work too, and stays on the stream, it is one
 * hop further: two that feed each other cross to no other stream, and nothing else would ever end them.
 */
export const answered = (event: Event, target: StreamPath): Event =>
  event.cause !== undefined && isTransformed(event.cause) && target === event.streamPath
    ? { ...event, cause: { ...event.cause, hops: event.cause.hops + 1 } }
    : event
