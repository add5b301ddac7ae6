/**
 * `millstream`: the words. Paths, events, their types and errors, the `Streams` service that speaks them, and the
 * processors that answer them.
 */
export * as ControlEvent from "./domain/ControlEvent.ts"
export { Cause, Event, EventInput, Metadata, Offset } from "./domain/Event.ts"
export * as EventTypes from "./domain/EventType.ts"
export type { Every, Made, RecordedOf } from "./domain/EventType.ts"
export { EventType } from "./domain/EventType.ts"
export * from "./domain/StreamError.ts"
export { StreamPath } from "./domain/StreamPath.ts"
export * as StreamPaths from "./domain/StreamPath.ts"
export { Child, StreamState } from "./domain/StreamState.ts"
export type {
  AccessError,
  AppendError,
  CausesOptions,
  ChildrenOptions,
  ProcessorState,
  Read,
  ReadOptions,
  ReadWithinOptions,
  StateOptions
} from "./domain/Streams.ts"
export { Streams } from "./domain/Streams.ts"
export type { Fiber, FiberAppendOptions, Hook, Hooks, Run } from "./processor/Hooks.ts"
export type { Any as AnyProcessor, Definition, Folded, LayerOptions, Reducers, Wanted } from "./processor/Processor.ts"
export { Processor } from "./processor/Processor.ts"
export { Processors } from "./processor/Processors.ts"
