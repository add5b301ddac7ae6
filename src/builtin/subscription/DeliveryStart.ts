/** Where a subscription's fiber begins: where it was, or where the event says that made it go on. */
import { Effect, Option } from "effect"
import type { Schema } from "effect"
import type { StreamPath } from "../../domain/StreamPath.ts"
import * as Path from "../../domain/StreamPath.ts"
import type { Unavailable } from "../../domain/StreamError.ts"
import type { EventStore } from "../../log/EventStore.ts"
import * as PrefixTail from "../../log/PrefixTail.ts"
import type { Cursor, Place } from "./DeliveryCursor.ts"
import * as DeliveryCursor from "./DeliveryCursor.ts"
import * as FollowPlace from "./FollowPlace.ts"
import type { Delivery } from "./Subscription.ts"

export interface Begun {
  readonly cursor: Cursor
  /** What is written. */
  readonly stored: Cursor | undefined
}

/** Follows what the configuration says once, and otherwise goes on at the stored cursor. */
export const begin = (
  store: EventStore["Service"],
  path: StreamPath,
  delivery: Delivery,
  value: Schema.Json | undefined
): Effect.Effect<Begun, Unavailable> =>
  Effect.gen(function*() {
    const stored = Option.getOrUndefined(DeliveryCursor.decode(value))
    const { generation } = delivery.jump
    const isWithin = delivery.configuration.descendants === true
    if (stored?.generation !== generation) {
      const at = yield* placeOf(store, path, delivery, stored)
      return { cursor: { at: yield* told(store, path, at, isWithin), generation }, stored }
    }
    const { at, failing } = stored
    const isSame = isWithin === (typeof at === "string") && (failing === undefined || failing.turn === delivery.turn)
    return { cursor: isSame ? stored : { at: yield* told(store, path, at, isWithin), generation }, stored }
  })

/** The same place, where it follows the streams below from now on, or does not any more. */
const told = (
  store: EventStore["Service"],
  path: StreamPath,
  at: Place,
  isWithin: boolean
): Effect.Effect<Place, Unavailable> => {
  if (typeof at === "number") {
    return isWithin ? Effect.map(FollowPlace.find(store, path, at), FollowPlace.encode) : Effect.succeed(at)
  }
  return isWithin ? Effect.succeed(at) : FollowPlace.offsetAt(store, path, FollowPlace.decode(at))
}

/** Where the configuration says that it goes on; an offset is one of its own stream. */
const placeOf = (
  store: EventStore["Service"],
  path: StreamPath,
  { configuration, jump: { generation, to } }: Delivery,
  stored: Cursor | undefined
): Effect.Effect<Place, Unavailable> => {
  if (to === "start") return Effect.succeed(0)
  if (to === "end") return Effect.succeed(generation)
  if ("after" in to) return Effect.succeed(to.after)
  if ("over" in to) {
    if (stored === undefined) return Effect.succeed(generation)
    const { at, failing } = stored
    const isMeant = failing?.offset === to.over && failing.streamPath === (to.streamPath ?? path)
    return Effect.succeed(isMeant ? failing.end : at)
  }
  if (configuration.descendants !== true || to.from <= 0) return Effect.succeed(Math.max(0, to.from - 1))
  const from = to.streamPath !== undefined && Path.is(to.streamPath) ? to.streamPath : path
  // Just before that event, whatever was recorded together with it.
  return Effect.map(FollowPlace.find(store, from, to.from), ({ position, tx }) =>
    FollowPlace.encode(position === 0n ? PrefixTail.start : { tx, position: position - 1n }))
}
