/**
 * Subscriptions of a stream: who is pushed to, from where on, and which of them wait for a person. How far each one
 * has come is finer than events and is the cursor of its fiber. What happens to it is told by events of its own.
 */
import { DateTime, Equal, Record, Schema } from "effect"
import * as Control from "../../domain/ControlEvent.ts"
import * as Domain from "../../domain/Subscription.ts"
import type { Cause } from "../../domain/Event.ts"
import type { Any } from "../../domain/EventType.ts"
import { EventType } from "../../domain/EventType.ts"
import { nearest } from "../../domain/Nearest.ts"
import type { StreamPath } from "../../domain/StreamPath.ts"
import * as Path from "../../domain/StreamPath.ts"
import { Processor } from "../../processor/Processor.ts"

/** Subscriptions of one stream: each is a fiber and reads the stream. */
export const maxSubscriptions = 1_000
/** Bound of what they are configured with, in characters of JSON: it is written whenever the state is. */
export const maxConfigured = 1_048_576

/** As it was configured. Judged then, so that no expression is parsed whenever a state is read or written. */
const Configuration = Schema.Struct({
  url: Schema.String,
  types: Schema.optionalKey(Schema.Array(Schema.String)),
  filter: Schema.optionalKey(Schema.String),
  transform: Schema.optionalKey(Schema.String),
  startFrom: Schema.optionalKey(Schema.Union([Schema.Literals(["start", "end"]), Schema.Int])),
  descendants: Schema.optionalKey(Schema.Boolean),
  batch: Schema.optionalKey(Schema.Int),
  secret: Schema.optionalKey(Schema.String),
  onFailure: Schema.optionalKey(Schema.Struct({
    attempts: Schema.optionalKey(Schema.Int),
    backoff: Schema.optionalKey(Schema.Union([Schema.String, Schema.Finite])),
    // oxlint-disable-next-line unicorn/no-thenable -- the wire's word; nobody awaits a configuration
    then: Schema.optionalKey(Schema.Literals(["park", "skip"]))
  }))
})
export type Configuration = typeof Configuration.Type

/** Where it begins: `end` is behind the event that says so. */
const Jump = Schema.Struct({
  generation: Schema.Int,
  to: Schema.Union([
    Schema.Literals(["start", "end"]),
    Schema.Struct({ after: Schema.Int }),
    /** Inclusive. */
    Schema.Struct({ from: Schema.Int, streamPath: Schema.optionalKey(Schema.String) }),
    /** Behind the push that begins with this event, if that is the one that was not taken. */
    Schema.Struct({ over: Schema.Int, streamPath: Schema.optionalKey(Schema.String) })
  ])
})

/**
 * All that its fiber needs to know. Three events of the stream count, each by its offset: `since` is the one that
 * configured it as it is; `turn` the one that made it go on last, which is that one or a resumption, and before which
 * nothing that was tried counts; `jump.generation` the one that last said where to begin, which is followed once.
 */
const Assignment = Schema.Struct({ configuration: Configuration, since: Schema.Int, turn: Schema.Int, jump: Jump })
export type Assignment = typeof Assignment.Type

const Undelivered = { offset: Schema.Int, streamPath: Schema.optionalKey(Schema.String), error: Schema.String }

const Subscribed = Schema.Struct({
  assignment: Assignment,
  /** The last event that was not taken at once since then. */
  retrying: Schema.NullOr(Schema.Struct({ ...Undelivered, nextAt: Schema.String })),
  parked: Schema.NullOr(Schema.Struct({ ...Undelivered, attempts: Schema.Int }))
})
type Subscribed = typeof Subscribed.Type

const State = Schema.Struct({ subscriptions: Schema.Record(Schema.String, Subscribed) })
export type State = typeof State.Type

/** A slug may be any text, `constructor` too. */
const find = ({ subscriptions }: State, slug: string): Subscribed | undefined =>
  Object.hasOwn(subscriptions, slug) ? subscriptions[slug] : undefined

const put = ({ subscriptions }: State, slug: string, subscribed: Subscribed): State => ({
  subscriptions: { ...subscriptions, [slug]: subscribed }
})

const begun = (assignment: Assignment): Subscribed => ({ assignment, retrying: null, parked: null })

const sizes = new WeakMap<Configuration, number>()
/** In characters of JSON; each is measured once. */
const sizeOf = (configuration: Configuration): number => {
  const known = sizes.get(configuration)
  if (known !== undefined) return known
  const size = JSON.stringify(configuration).length
  sizes.set(configuration, size)
  return size
}

/** Why a stream does not keep a subscription, or keeps it as it was. */
export const unkept = (state: State, slug: string, configuration: Configuration): string | undefined => {
  const known = find(state, slug)
  const all = Object.values(state.subscriptions)
  if (known === undefined && all.length >= maxSubscriptions) {
    return `A stream has at most ${maxSubscriptions} subscriptions: this one is not kept. Remove another one first`
  }
  const before = known === undefined ? 0 : sizeOf(known.assignment.configuration)
  const more = sizeOf(configuration) - before
  const size = all.reduce((sum, { assignment }) => sum + sizeOf(assignment.configuration), more)
  return more > 0 && size > maxConfigured
    ? `The subscriptions of a stream are configured with at most ${maxConfigured} characters in all: ` +
      "this configuration is not kept. Shorten it, or remove another subscription first"
    : undefined
}

/** Why a subscription is not removed or does not go on as it was told to. */
export const unmet = (
  state: State,
  { slug, streamPath: from }: { readonly slug: string; readonly streamPath?: StreamPath },
  path: StreamPath
): string | undefined => {
  const known = find(state, slug)
  if (known === undefined) {
    const meant = nearest(slug, Object.keys(state.subscriptions))
    const hint = meant === undefined ? "" : `. Did you mean ${JSON.stringify(meant)}?`
    return `There is no subscription ${JSON.stringify(slug)} on this stream${hint}`
  }
  if (from === undefined || from === path) return undefined
  if (known.assignment.configuration.descendants !== true) {
    return `Subscription ${JSON.stringify(slug)} pushes what happens on ${path} only, not on ${from}: ` +
      "leave out `streamPath`"
  }
  return Path.isWithin(from, path) ? undefined : `${from} is not below ${path}: nothing of it is pushed`
}

/** Where a subscription begins that was configured by the event at an offset. */
const jumpOf = ({ startFrom = "end" }: Configuration, generation: number): Assignment["jump"] => ({
  generation,
  to: typeof startFrom === "number" ? { after: startFrom } : startFrom
})

/** Whether its present fiber said it: what came before does not park one that was configured or resumed meanwhile. */
const isOf = ({ assignment }: Subscribed, cause: Cause | undefined): boolean =>
  cause === undefined || cause.offset === assignment.turn

/** What a receiver answers may be of any type. */
const anyEvent: Any = EventType.any

export const Subscription = Processor.make(Domain.processor, {
  state: State,
  initial: { subscriptions: {} },
  consumes: [
    Domain.SubscriptionConfigured,
    Domain.SubscriptionRemoved,
    Domain.SubscriptionRetrying,
    Domain.SubscriptionParked,
    Domain.SubscriptionResumed
  ],
  emits: [Domain.SubscriptionRetrying, Domain.SubscriptionParked, Control.ErrorOccurred, anyEvent]
}).reduce({
  "subscription/configured": (state, { offset, payload: { slug, ...configuration } }) => {
    const known = find(state, slug)
    if (unkept(state, slug, configuration) !== undefined) return state
    if (known === undefined) {
      const jump = jumpOf(configuration, offset)
      return put(state, slug, begun({ configuration, since: offset, turn: offset, jump }))
    }
    const { assignment, parked } = known
    const isSame = Equal.equals(assignment.configuration, configuration)
    // One that is parked goes on all the same: that is what a person wants who configures it again.
    if (isSame) return parked === null ? state : put(state, slug, begun({ ...assignment, turn: offset }))
    const jump = configuration.startFrom === undefined ? assignment.jump : jumpOf(configuration, offset)
    return put(state, slug, begun({ configuration, since: offset, turn: offset, jump }))
  },
  "subscription/removed": (state, { payload: { slug } }) =>
    find(state, slug) !== undefined ? { subscriptions: Record.remove(state.subscriptions, slug) } : state,
  "subscription/retrying": (state, { cause, payload: { nextAt, slug, ...undelivered } }) => {
    const known = find(state, slug)
    if (known === undefined || !isOf(known, cause)) return state
    return put(state, slug, { ...known, retrying: { ...undelivered, nextAt: DateTime.formatIso(nextAt) } })
  },
  "subscription/parked": (state, { cause, payload: { slug, ...parked } }) => {
    const known = find(state, slug)
    return known === undefined || !isOf(known, cause) ? state : put(state, slug, { ...known, parked })
  },
  "subscription/resumed": (state, { offset, payload, streamPath: path }) => {
    const { from, skip, slug, streamPath } = payload
    if (unmet(state, payload, path) !== undefined) return state
    const known = find(state, slug)
    const undelivered = known?.parked ?? known?.retrying ?? undefined
    // One that nothing keeps from going on has nothing to pass over; it may begin again.
    if (known === undefined || (undelivered === undefined && from === undefined)) return state
    const { assignment } = known
    const where = from === undefined ? undelivered?.streamPath : streamPath
    const of = where === undefined ? {} : { streamPath: where }
    const to = from !== undefined
      ? { from, ...of }
      : skip === true && undelivered !== undefined
      ? { over: undelivered.offset, ...of }
      : undefined
    const jump = to === undefined ? assignment.jump : { generation: offset, to }
    return put(state, slug, begun({ ...assignment, turn: offset, jump }))
  }
}).fibers({
  deliver: ({ subscriptions }) =>
    Object.fromEntries(
      Object.entries(subscriptions)
        .flatMap(([slug, { assignment, parked }]) => parked === null ? [[slug, assignment]] : [])
    )
})
