/**
 * Streams, as code uses them: typed by `EventType`s. Met in process by the server and over HTTP by the
 * client, so the same code runs in either.
 */
import { Context } from "effect"
import type { Effect, Schema, Stream } from "effect"
import type { Event, EventInput } from "./Event.ts"
import type * as EventType from "./EventType.ts"
import type {
  Behind,
  Forbidden,
  IdempotencyConflict,
  InvalidEvent,
  InvalidPath,
  InvalidRequest,
  NotFound,
  OffsetMismatch,
  PayloadTooLarge,
  StreamPaused,
  Unauthorized,
  Unavailable
} from "./StreamError.ts"
import type { Child, StreamState } from "./StreamState.ts"

/** What any call can fail with: the path, the access, or the log being away. */
export type AccessError = InvalidPath | InvalidRequest | Unauthorized | Forbidden | Unavailable

export type AppendError =
  | AccessError
  | IdempotencyConflict
  | OffsetMismatch
  | PayloadTooLarge
  | InvalidEvent
  | StreamPaused

export interface ReadOptions<T extends EventType.Any = never> {
  /** Exclusive; `start` by default. */
  readonly after?: number | "start" | "end" | undefined
  /** Start so many events before the end. */
  readonly last?: number | undefined
  /** At most so many events. */
  readonly limit?: number | undefined
  /** Only events of these types, decoded. One whose payload does not fit its schema is passed over. */
  readonly types?: ReadonlyArray<T> | undefined
}

export interface ReadWithinOptions<T extends EventType.Any = never> {
  readonly limit?: number | undefined
  readonly types?: ReadonlyArray<T> | undefined
}

export interface ChildrenOptions {
  readonly recursive?: boolean | undefined
  readonly limit?: number | undefined
  /** Path of the last one of the list before. */
  readonly after?: string | undefined
}

export interface CausesOptions {
  /** All that the event led to, directly or not, in commit order. */
  readonly effects?: boolean | undefined
}

/** As much of a processor's definition as it takes to read its state. */
export interface Stateful<State> {
  readonly name: string
  readonly state: Schema.ConstraintCodec<State, unknown>
}

export interface StateOptions<State> {
  readonly processor: Stateful<State>
  /** Waits until this event is folded, half a minute at most. */
  readonly atLeast?: number | undefined
  /** As of this offset, folded from the log. */
  readonly at?: number | undefined
}

/** What a processor has made of a stream. */
export interface ProcessorState<State> {
  readonly version: number
  /** Everything up to here is folded, or is not consumed. */
  readonly offset: number
  readonly state: State
}

/** What a stream has come to, or with a processor what that has made of it. */
export interface ReadState {
  /** Fails with `NotFound` only for a stream that never existed. */
  (path: string): Effect.Effect<StreamState, AccessError | NotFound>
  /**
   * Fails with `NotFound` where the processor does not run, and with `Behind` where it has not come as far in time. A
   * state that the definition can not read, since it is of another version, is an `InvalidRequest`.
   */
  <State>(
    path: string,
    options: StateOptions<State>
  ): Effect.Effect<ProcessorState<State>, AccessError | NotFound | Behind>
}

/** Recorded events, decoded where types were named. */
export type Read<T extends EventType.Any> = [T] extends [never] ? Event : EventType.Recorded<T>

export class Streams extends Context.Service<Streams, {
  /** Records one event. Trying again with the same idempotency key records it once. */
  readonly append: (path: string, event: EventInput) => Effect.Effect<Event, AppendError>
  /** Records up to 1,000 events in order and together, or none of them. */
  readonly appendAll: (
    path: string,
    events: ReadonlyArray<EventInput>
  ) => Effect.Effect<ReadonlyArray<Event>, AppendError>
  /** What exists, oldest first. */
  readonly read: <T extends EventType.Any = never>(
    path: string,
    options?: ReadOptions<T>
  ) => Stream.Stream<Read<T>, AccessError>
  /**
   * What exists and then what comes. It resumes by itself after any disconnect, without gap or duplicate, and ends
   * when the stream is deleted.
   */
  readonly tail: <T extends EventType.Any = never>(
    path: string,
    options?: ReadOptions<T>
  ) => Stream.Stream<Read<T>, AccessError>
  /** What exists on a stream and all below it and then what comes, in commit order; it resumes like `tail`. */
  readonly tailWithin: <T extends EventType.Any = never>(
    prefix: string,
    options?: ReadWithinOptions<T>
  ) => Stream.Stream<Read<T>, AccessError>
  readonly state: ReadState
  /** Streams below, in order of path; at most 1,000 of them. */
  readonly children: (path: string, options?: ChildrenOptions) => Effect.Effect<ReadonlyArray<Child>, AccessError>
  /**
   * The events that led to one, across streams, oldest first, and the event itself as the last; or with `effects` all
   * that it led to. At most 1,000 of them, those the fewest steps away. Fails with `NotFound` where it does not exist.
   */
  readonly causes: (
    path: string,
    offset: number,
    options?: CausesOptions
  ) => Effect.Effect<ReadonlyArray<Event>, AccessError | NotFound>
  /** Removes the events of a stream, or of all below it too. Returns the paths that had any. */
  readonly delete: (
    path: string,
    options?: { readonly recursive?: boolean | undefined }
  ) => Effect.Effect<ReadonlyArray<string>, AccessError>
}>()("millstream/domain/Streams") {}
