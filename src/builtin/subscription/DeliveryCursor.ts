/** How far a subscription has come, and how its present push fares: the durable value of its fiber. */
import { Schema } from "effect"
import * as EventText from "../../domain/EventText.ts"
import type { Named } from "./DeliveryPush.ts"
import { Tried } from "./DeliveryRetry.ts"
import * as FollowLine from "./FollowLine.ts"
import type { Assignment } from "./Subscription.ts"

/** Behind an event: its offset, or its place in commit order where a subscription pushes what happens below too. */
export const Place = Schema.Union([Schema.Int, Schema.String])
export type Place = typeof Place.Type

/** The push that was not taken yet. */
export const Failing = Schema.Struct({
  ...Tried.fields,
  /** The event that made the subscription go on last: what was tried before it does not count. */
  turn: Schema.Int,
  /** Its first event. */
  streamPath: Schema.String,
  offset: Schema.Int,
  /** Behind its last event. */
  end: Place,
  /** Behind each of its events, where an expression chose them: it may choose others the next time it is asked. */
  places: Schema.optionalKey(Schema.Array(Place))
})
export type Failing = typeof Failing.Type

/** What is kept of a push that was not taken. */
export const failingOf = (push: Named, { configuration, turn }: Assignment, tried: Tried): Failing => {
  const { end, first, places } = push
  const { batch, filter, transform } = configuration
  const isChosen = batch !== undefined && (filter !== undefined || transform !== undefined)
  return {
    ...tried,
    turn,
    streamPath: FollowLine.pathOf(first),
    offset: EventText.offsetOf(first),
    end,
    ...(isChosen ? { places: places() } : {})
  }
}

export const Cursor = Schema.Struct({
  /** Everything up to here was taken, or is not wanted. */
  at: Place,
  /** The event that last said where to begin: it is followed once. */
  generation: Schema.Int,
  failing: Schema.optionalKey(Failing)
})
export type Cursor = typeof Cursor.Type

/** The cursor in a stored value, if it holds one. */
export const decode = Schema.decodeUnknownOption(Cursor)
