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
import { Processor } from "../../processor/Processor.ts"

/** Subscriptions of one stream: each is a fiber and reads the stream. */
export const maxSubscriptions = 1_000

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

/** Where it goes on, said by the event at offset `generation`: `end` is behind that event. */
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

/** All that its fiber needs to know. */
const Delivery = Schema.Struct({
  configuration: Configuration,
  /** The event that configured it. */
  since: Schema.Int,
  /** The event that made it go on last: that one, or a resumption. */
  turn: Schema.Int,
  jump: Jump
})
export type Delivery = typeof Delivery.Type

const Undelivered = { offset: Schema.Int, streamPath: Schema.optionalKey(Schema.String), error: Schema.String }

const Subscribed = Schema.Struct({
  delivery: Delivery,
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

/** Whether a stream has a subscription of that name. */
export const has = (state: State, slug: string): boolean => find(state, slug) !== undefined

const put = ({ subscriptions }: State, slug: string, subscribed: Subscribed): State => ({
  subscriptions: { ...subscriptions, [slug]: subscribed }
})

const begun = (delivery: Delivery): Subscribed => ({ delivery, retrying: null, parked: null })

/** Where a subscription begins that was configured by the event at an offset. */
const jumpOf = ({ startFrom = "end" }: Configuration, generation: number): Delivery["jump"] => ({
  generation,
  to: typeof startFrom === "number" ? { after: startFrom } : startFrom
})

/** Whether its present fiber said it: what came before does not park one that was configured or resumed meanwhile. */
const isOf = ({ delivery }: Subscribed, cause: Cause | undefined): boolean =>
  cause === undefined || cause.offset === delivery.turn

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
    if (known === undefined) {
      if (Object.keys(state.subscriptions).length >= maxSubscriptions) return state
      const jump = jumpOf(configuration, offset)
      return put(state, slug, begun({ configuration, since: offset, turn: offset, jump }))
    }
    const { delivery, parked } = known
    const isSame = Equal.equals(delivery.configuration, configuration)
    // One that is parked goes on all the same: that is what a person wants who configures it again.
    if (isSame) return parked === null ? state : put(state, slug, begun({ ...delivery, turn: offset }))
    const jump = configuration.startFrom === undefined ? delivery.jump : jumpOf(configuration, offset)
    return put(state, slug, begun({ configuration, since: offset, turn: offset, jump }))
  },
  "subscription/removed": (state, { payload: { slug } }) =>
    has(state, slug) ? { subscriptions: Record.remove(state.subscriptions, slug) } : state,
  "subscription/retrying": (state, { cause, payload: { nextAt, slug, ...undelivered } }) => {
    const known = find(state, slug)
    if (known === undefined || !isOf(known, cause)) return state
    return put(state, slug, { ...known, retrying: { ...undelivered, nextAt: DateTime.formatIso(nextAt) } })
  },
  "subscription/parked": (state, { cause, payload: { slug, ...parked } }) => {
    const known = find(state, slug)
    return known === undefined || !isOf(known, cause) ? state : put(state, slug, { ...known, parked })
  },
  "subscription/resumed": (state, { offset, payload: { from, skip, slug, streamPath } }) => {
    const known = find(state, slug)
    const undelivered = known?.parked ?? known?.retrying ?? undefined
    // One that nothing keeps from going on has nothing to pass over; it may begin again.
    if (known === undefined || (undelivered === undefined && from === undefined)) return state
    const { delivery } = known
    const where = from === undefined ? undelivered?.streamPath : streamPath
    const of = where === undefined ? {} : { streamPath: where }
    const to = from !== undefined
      ? { from, ...of }
      : skip === true && undelivered !== undefined
      ? { over: undelivered.offset, ...of }
      : undefined
    const jump = to === undefined ? delivery.jump : { generation: offset, to }
    return put(state, slug, begun({ ...delivery, turn: offset, jump }))
  }
}).fibers({
  deliver: ({ subscriptions }) =>
    Object.fromEntries(
      Object.entries(subscriptions)
        .flatMap(([slug, { delivery, parked }]) => parked === null ? [[slug, delivery]] : [])
    )
})
