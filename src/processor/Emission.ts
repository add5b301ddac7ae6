/** An event that a processor emits: judged as a client's is, stamped with the event that it answers. */
import { Effect } from "effect"
import * as Control from "../domain/ControlEvent.ts"
import type { Cause } from "../domain/Event.ts"
import { Offset } from "../domain/Event.ts"
import * as EventText from "../domain/EventText.ts"
import type * as EventType from "../domain/EventType.ts"
import { parsePath, propose } from "../domain/Proposing.ts"
import type { InvalidEvent, InvalidPath } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { AppendRequest } from "../log/EventStore.ts"

/** Who emits, and what it answers. */
export interface Origin {
  readonly processor: string
  readonly path: StreamPath
  readonly offset: number
  /** How many times the chain that led to that event crossed from one stream to another. */
  readonly hops: number
}

/** The cause of what an origin appends to a stream. */
export const causeOf = (origin: Origin, target: StreamPath): Cause => ({
  streamPath: origin.path,
  offset: Offset.make(origin.offset),
  processor: origin.processor,
  hops: origin.hops + (target === origin.path ? 0 : 1)
})

/** The append of an emitted event, whose type and payload are judged. */
export const append = Effect.fnUntraced(function*(
  origin: Origin,
  event: EventType.Made<string>,
  streamPath: string | undefined,
  maxHops: number
): Effect.fn.Return<AppendRequest, InvalidPath | InvalidEvent> {
  const path = streamPath === undefined ? origin.path : yield* parsePath(streamPath)
  return stamp(origin, yield* propose(event), path, maxHops)
})

/** The same of a judged event. One whose chain is longer than the bound becomes an error on the origin's stream. */
export const stamp = (origin: Origin, event: EventText.Proposed, path: StreamPath, maxHops: number): AppendRequest => {
  const cause = causeOf(origin, path)
  if (cause.hops <= maxHops) return { path, events: [event], cause }
  return failure(origin, `This would be the ${cause.hops}th crossing between streams; at most ${maxHops} are allowed`, {
    dropped: { streamPath: path, type: event.type, payload: JSON.parse(event.payload) }
  })
}

/** What went wrong with a processor at an event, as an event of the server's on its stream. */
export const failure = (origin: Origin, message: string, more: { readonly [name: string]: unknown } = {}): AppendRequest => ({
  path: origin.path,
  events: [{
    type: Control.ErrorOccurred.type,
    payload: JSON.stringify({ message, source: "processor", processor: origin.processor, offset: origin.offset, ...more })
  }],
  cause: causeOf(origin, origin.path),
  byServer: true
})

/** An event of the server's own about a processor. */
export const notice = (origin: Origin, event: EventType.Made<string>): AppendRequest => ({
  path: origin.path,
  events: [EventText.propose(event)],
  cause: causeOf(origin, origin.path),
  byServer: true
})
