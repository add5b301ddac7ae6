/** Where a subscription's fiber begins: where it was, or where the event says that made it go on. */
import { Clock, Effect, Option } from "effect"
import type { Schema } from "effect"
import type { StreamPath } from "../../domain/StreamPath.ts"
import * as Path from "../../domain/StreamPath.ts"
import type { Unavailable } from "../../domain/StreamError.ts"
import type { EventStore } from "../../log/EventStore.ts"
import * as PrefixTail from "../../log/PrefixTail.ts"
import type { Cursor, Place } from "./DeliveryCursor.ts"
import * as DeliveryCursor from "./DeliveryCursor.ts"
import * as FollowPlace from "./FollowPlace.ts"
import type { Assignment } from "./Subscription.ts"

export interface Begun {
  readonly cursor: Cursor
  /** Why it goes on where it was, although it was told to begin elsewhere. */
  readonly problem?: string
  /** What is written. */
  readonly stored: Cursor | undefined
}

/** Follows what the configuration says once, and otherwise goes on at the stored cursor. */
export const begin = (
  store: EventStore["Service"],
  path: StreamPath,
  assignment: Assignment,
  value: Schema.Json | undefined
): Effect.Effect<Begun, Unavailable> =>
  Effect.gen(function*() {
    const { generation } = assignment.jump
    const stored = Option.getOrUndefined(DeliveryCursor.decode(value))
    const problem = stored?.generation === generation ? undefined : yield* problemOf(store, path, assignment)
    const known = stored === undefined || (stored.generation !== generation && problem === undefined)
      ? { at: problem === undefined ? yield* placeOf(store, path, assignment, stored) : generation, generation }
      : { ...stored, generation }
    const cursor = yield* adapted(store, path, assignment, known)
    return problem === undefined ? { cursor, stored } : { cursor, stored, problem }
  })

/** The same for what is configured now: what was not taken is pushed again unless it was configured otherwise since. */
const adapted = (
  store: EventStore["Service"],
  path: StreamPath,
  { configuration, since, turn }: Assignment,
  cursor: Cursor
): Effect.Effect<Cursor, Unavailable> =>
  Effect.gen(function*() {
    const { at, failing, generation } = cursor
    const isWithin = configuration.descendants === true
    if (isWithin !== (typeof at === "string")) return { at: yield* told(store, path, at, isWithin), generation }
    if (failing === undefined || failing.turn === turn) return cursor
    if (failing.turn < since) return { at, generation }
    // A person let it go on, and it is tried as if it had never been.
    const now = yield* Clock.currentTimeMillis
    return { at, generation, failing: { ...failing, turn, attempts: 0, since: now, nextAt: now } }
  })

/** What a person asked for that can not be done: a stream that is not there has no place. */
const problemOf = (
  store: EventStore["Service"],
  path: StreamPath,
  { configuration, jump: { to } }: Assignment
): Effect.Effect<string | undefined, Unavailable> => {
  if (typeof to === "string" || !("from" in to) || to.from <= 0) return Effect.undefined
  const { streamPath = path } = to
  if (configuration.descendants !== true || !Path.is(streamPath) || streamPath === path) return Effect.undefined
  return Effect.map(store.read(streamPath, { after: 0, limit: 1 }), ({ head }) =>
    head === 0 ? `There is no stream ${streamPath} to begin again at: it goes on where it was` : undefined)
}

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
  { configuration, jump: { generation, to } }: Assignment,
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
