/** Where a subscription's fiber begins: where it was, or where the event says that made it go on. */
import { Effect, Option } from "effect"
import type { Schema } from "effect"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import type { Unavailable } from "../domain/StreamError.ts"
import type { EventStore } from "../log/EventStore.ts"
import * as PrefixTail from "../log/PrefixTail.ts"
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
      const at = yield* placeOf(store, path, delivery, isWithin, stored)
      return { cursor: { at, generation }, stored }
    }
    const { at, failing } = stored
    if (isWithin === (typeof at === "string")) {
      const isCounted = failing === undefined || failing.turn === delivery.turn
      return { cursor: isCounted ? stored : { at, generation }, stored }
    }
    // It follows the streams below from now on, or does not any more: the same place, told otherwise.
    const same = yield* typeof at === "string"
      ? FollowPlace.offsetAt(store, path, FollowPlace.decode(at))
      : Effect.map(FollowPlace.find(store, path, at), FollowPlace.encode)
    return { cursor: { at: same, generation }, stored }
  })

const placeOf = (
  store: EventStore["Service"],
  path: StreamPath,
  { jump: { generation, to } }: Delivery,
  isWithin: boolean,
  stored: Cursor | undefined
): Effect.Effect<Place, Unavailable> => {
  const behind = (offset: number) =>
    isWithin ? Effect.map(FollowPlace.find(store, path, offset), FollowPlace.encode) : Effect.succeed(offset)
  if (to === "start") return Effect.succeed(isWithin ? FollowPlace.encode(PrefixTail.start) : 0)
  if (to === "end") return behind(generation)
  if ("after" in to) return behind(to.after)
  if ("over" in to) {
    if (stored === undefined) return behind(generation)
    const { at, failing } = stored
    const isMeant = failing?.offset === to.over && failing.streamPath === (to.streamPath ?? path)
    return Effect.succeed(isMeant ? failing.end : at)
  }
  if (!isWithin) return Effect.succeed(Math.max(0, to.from - 1))
  if (to.from <= 0) return Effect.succeed(FollowPlace.encode(PrefixTail.start))
  const from = to.streamPath !== undefined && Path.is(to.streamPath) ? to.streamPath : path
  // Just before that event, whatever was recorded together with it.
  return Effect.map(FollowPlace.find(store, from, to.from), ({ position, tx }) =>
    FollowPlace.encode(position === 0n ? PrefixTail.start : { tx, position: position - 1n }))
}
