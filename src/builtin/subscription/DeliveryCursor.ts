/** How far a subscription has come, and how its present push fares: the durable value of its fiber. */
import { Schema } from "effect"
import { Tried } from "./DeliveryRetry.ts"

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
  /** Behind its last event: the same push is made again. */
  end: Place
})
export type Failing = typeof Failing.Type

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
