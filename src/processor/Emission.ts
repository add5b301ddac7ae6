/** An event that a processor emits: judged as a client's is, stamped with the event that it answers. */
import { Effect } from "effect"
import * as Control from "../domain/ControlEvent.ts"
import { maxEventBytes } from "../domain/Bounds.ts"
import type { Cause, Event } from "../domain/Event.ts"
import { Offset } from "../domain/Event.ts"
import * as EventText from "../domain/EventText.ts"
import type * as EventType from "../domain/EventType.ts"
import { parsePath, propose } from "../domain/Proposing.ts"
import { PayloadTooLarge } from "../domain/StreamError.ts"
import type { InvalidEvent, InvalidPath } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { AppendRequest } from "../log/EventStore.ts"
import type { Answered } from "./Hooks.ts"

/** Who emits, and what it answers. */
export interface Origin {
  readonly processor: string
  readonly path: StreamPath
  readonly offset: number
  /** How many times the chain that led to that event crossed from one stream to another. */
  readonly hops: number
}

/** A processor that answers an event. */
export const originOf = (processor: string, { cause, offset, streamPath: path }: Answered): Origin => ({
  processor,
  path,
  offset,
  hops: cause?.hops ?? 0
})

/** The cause of what an origin appends to a stream. */
export const causeOf = (origin: Origin, target: StreamPath): Cause => ({
  streamPath: origin.path,
  offset: Offset.make(origin.offset),
  processor: origin.processor,
  hops: origin.hops + (target === origin.path ? 0 : 1)
})

/**
 * The append of an emitted event, whose type, payload and size are judged. None for one that answers what was said of
 * a chain that is too long already: telling of it again would go on without end.
 */
export const append = Effect.fnUntraced(function*(
  origin: Origin,
  event: EventType.Made<string>,
  streamPath: string | undefined,
  maxHops: number,
  inServersName = false
): Effect.fn.Return<AppendRequest | undefined, InvalidPath | InvalidEvent | PayloadTooLarge> {
  const path = streamPath === undefined ? origin.path : yield* parsePath(streamPath)
  // What a processor of the server's own says so is not judged as a client's claim would be.
  const byServer = inServersName && Control.speaksFor(origin.processor, event.type)
  const request = stamp(origin, byServer ? EventText.propose(event) : yield* propose(event), path, maxHops, byServer)
  if (request !== undefined && sizeOf(request) > maxEventBytes) {
    return yield* new PayloadTooLarge({ limit: maxEventBytes, reason: `An event has at most ${maxEventBytes} bytes` })
  }
  return request
})

/** The size of what is appended, as its text counts. */
export const sizeOf = ({ events }: AppendRequest): number =>
  events.reduce((sum, { metadata = "", payload, type }) => sum + payload.length + metadata.length + type.length, 0)

/** The same of a judged event. One whose chain is longer than the bound becomes an error on the origin's stream. */
export const stamp = (
  origin: Origin,
  event: EventText.Proposed,
  path: StreamPath,
  maxHops: number,
  byServer = false
): AppendRequest | undefined => {
  const cause = causeOf(origin, path)
  if (cause.hops <= maxHops) return { path, events: [event], cause, byServer }
  if (origin.hops > maxHops) return undefined
  // It counts the crossing that was not made, so that whatever answers it is beyond the bound too.
  return failure({ ...origin, hops: cause.hops }, `This would be the ${cause.hops}th crossing between streams; at most ${maxHops} are allowed`, {
    dropped: { streamPath: path, type: event.type, payload: JSON.parse(event.payload) }
  })
}

const source = "processor"

/** What went wrong with a processor at an event, as an event of the server's on its stream. */
export const failure = (
  { offset, processor, ...origin }: Origin,
  message: string,
  more: { readonly [name: string]: unknown } = {}
): AppendRequest => ({
  path: origin.path,
  events: [{
    type: Control.ErrorOccurred.type,
    payload: JSON.stringify({ message, source, processor, offset, ...more })
  }],
  cause: causeOf({ ...origin, offset, processor }, origin.path),
  byServer: true
})

/** Whether an event is one that `failure` made, of whatever processor. */
export const isFailure = ({ payload, type }: Event): boolean =>
  type === Control.ErrorOccurred.type && hasEntry(payload, "source", source)

/** Whether an event is about this very processor: its hooks never see these. */
export const isAbout = ({ payload, type }: Event, processor: string): boolean =>
  type.startsWith("processor/") && hasEntry(payload, "name", processor)

const hasEntry = (payload: unknown, name: string, value: string): boolean =>
  typeof payload === "object" && payload !== null && Object.entries(payload).some(([key, each]) =>
    key === name && each === value)

/** An event of the server's own about a processor. */
export const notice = (origin: Origin, event: EventType.Made<string>): AppendRequest => ({
  path: origin.path,
  events: [EventText.propose(event)],
  cause: causeOf(origin, origin.path),
  byServer: true
})

/** What says that an instance, or a fiber of it, waits for a person. */
export const parked = (
  origin: Origin,
  told: { readonly error: string; readonly kind?: string; readonly key?: string }
): AppendRequest =>
  notice(origin, Control.ProcessorParked.make({ name: origin.processor, offset: Offset.make(origin.offset), ...told }))
