/** `millstream`: the words. Paths, events, their types and errors, and the `Streams` service that speaks them. */
export * as ControlEvent from "./domain/ControlEvent.ts"
export { Cause, Event, EventInput, Metadata, Offset } from "./domain/Event.ts"
export * as EventTypes from "./domain/EventType.ts"
export { EventType } from "./domain/EventType.ts"
export * from "./domain/StreamError.ts"
export { StreamPath } from "./domain/StreamPath.ts"
export * as StreamPaths from "./domain/StreamPath.ts"
export { Child, StreamState } from "./domain/StreamState.ts"
export type {
  AccessError,
  AppendError,
  ChildrenOptions,
  Read,
  ReadOptions,
  ReadWithinOptions
} from "./domain/Streams.ts"
export { Streams } from "./domain/Streams.ts"
