/** Pushing a stream's events to a URL. */
import { Schema } from "effect"
import type { Control } from "./Control.ts"
import { SecretName, Slug } from "./Control.ts"
import * as DurationText from "./DurationText.ts"
import { Offset, Type } from "./Event.ts"
import { EventType } from "./EventType.ts"
import { Expression } from "./Jsonata.ts"
import { StreamPath } from "./StreamPath.ts"

/** The name of the processor that keeps them. */
export const processor = "subscription"

/** Bounds of a subscription: characters of its URL, types that it names, events in one push, attempts at one. */
const maxUrl = 2_048
const maxTypes = 100
const maxBatch = 1_000
const maxAttempts = 10_000

const urlProblem = (text: string): string | undefined => {
  if (text.length > maxUrl) return `must have at most ${maxUrl} characters`
  const url = URL.parse(text)
  if (url?.protocol !== "http:" && url?.protocol !== "https:") return "must be an http or https URL"
  return url.username !== "" || url.password !== ""
    ? "must hold no user and no password: events can be read by anyone, and `secret` signs what is pushed"
    : undefined
}

const Url = Schema.String.pipe(
  Schema.check(Schema.makeFilter(urlProblem, { toJsonSchema: () => ({ format: "uri", maxLength: maxUrl }) }))
)

/** Where a subscription begins: before the first event, behind what there is, or behind an offset. */
const StartFrom = Schema.Union([Schema.Literals(["start", "end"]), Offset])

/** What happens when the receiver does not take an event. */
const OnFailure = Schema.Struct({
  /** Attempts before it is parked or skipped; by default they go on for three days. */
  attempts: Schema.optionalKey(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: maxAttempts })))),
  /** Pause before the first retry, or down to half of it; each is twice the one before, up to some hours. */
  backoff: Schema.optionalKey(DurationText.atLeast(1)),
  /** `park` by default. */
  // oxlint-disable-next-line unicorn/no-thenable -- the wire's word; nobody awaits a payload
  then: Schema.optionalKey(Schema.Literals(["park", "skip"]))
})

export const SubscriptionConfigured = EventType.make(
  "subscription/configured",
  Schema.Struct({
    slug: Slug,
    url: Url,
    types: Schema.optionalKey(Schema.Array(Type).pipe(Schema.check(Schema.isMaxLength(maxTypes)))),
    /** JSONata over the event: only where it is true. */
    filter: Schema.optionalKey(Expression),
    /** JSONata that makes the body out of the event. */
    transform: Schema.optionalKey(Expression),
    /** `end` by default. Left out when it is configured again, it goes on where it was. */
    startFrom: Schema.optionalKey(StartFrom),
    /** Whether it pushes what happens below this stream too. */
    descendants: Schema.optionalKey(Schema.Boolean),
    /** Pushes up to so many events at once, as `{ "events": [ … ] }`. */
    batch: Schema.optionalKey(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: maxBatch })))),
    /**
     * Signs each push, as Standard Webhooks, with all values of the secret while it is rotated. One that begins with
     * `whsec_` is the base64 of the key, any other the key itself.
     */
    secret: Schema.optionalKey(SecretName),
    onFailure: Schema.optionalKey(OnFailure)
  })
)

export const SubscriptionRemoved = EventType.make("subscription/removed", Schema.Struct({ slug: Slug }))

/** Which event it is: the first one of a push, at its offset in its own stream. */
const Undelivered = {
  slug: Slug,
  offset: Offset,
  /** Where the event is of a stream below. */
  streamPath: Schema.optionalKey(StreamPath)
}

/** The receiver did not take an event, or what it answered can not be recorded yet: said once for each. */
export const SubscriptionRetrying = EventType.make(
  "subscription/retrying",
  Schema.Struct({ ...Undelivered, error: Schema.String, nextAt: Schema.DateTimeUtcFromString })
)

/**
 * The receiver did not take an event for good, or nothing can be sent to it, and the subscription waits for a person.
 * Without any attempt the offset is that of the event which made it go on last.
 */
export const SubscriptionParked = EventType.make(
  "subscription/parked",
  Schema.Struct({ ...Undelivered, attempts: Schema.Int, error: Schema.String })
)

const resumedProblem = ({ from, skip, streamPath }: {
  readonly skip?: boolean
  readonly from?: number
  readonly streamPath?: string
}): string | undefined =>
  skip === true && from !== undefined
    ? "`skip` and `from` exclude each other"
    : streamPath !== undefined && from === undefined
    ? "`streamPath` says whose offset `from` is, and goes with it"
    : undefined

/** Go on; pass over what the push held at which it was parked; or begin again at an offset, inclusive. */
export const SubscriptionResumed = EventType.make(
  "subscription/resumed",
  Schema.Struct({
    slug: Slug,
    skip: Schema.optionalKey(Schema.Boolean),
    from: Schema.optionalKey(Offset),
    /** Whose offset it is, where it pushes what happens below too; the subscription's own stream by default. */
    streamPath: Schema.optionalKey(StreamPath)
  }).pipe(Schema.check(Schema.makeFilter(resumedProblem)))
)

export const controls: ReadonlyArray<Control> = [
  {
    eventType: SubscriptionConfigured,
    appendedBy: "client",
    description: "Pushes this stream's events to a URL, in order, each at least once",
    example: { slug: "printer", url: "https://example.com/hook", types: ["order/placed"], startFrom: "end" }
  },
  {
    eventType: SubscriptionRemoved,
    appendedBy: "client",
    description: "A subscription ends",
    example: { slug: "printer" }
  },
  {
    eventType: SubscriptionRetrying,
    appendedBy: "server",
    processors: [processor],
    description: "A receiver did not take an event, and is tried again",
    example: { slug: "printer", offset: 7, error: "It answered 500", nextAt: "2026-11-22T08:00:00.000Z" }
  },
  {
    eventType: SubscriptionParked,
    appendedBy: "server",
    processors: [processor],
    description: "A subscription waits for a person: append subscription/resumed",
    example: { slug: "printer", offset: 7, attempts: 30, error: "It answered 500" }
  },
  {
    eventType: SubscriptionResumed,
    appendedBy: "client",
    description: "A parked subscription goes on, passes over the event, or begins again at an offset",
    example: { slug: "printer", skip: true }
  }
]
