/**
 * What a processor does: after an append, once per event, and as fibers, for as long as the state calls for them.
 */
import type { Effect, Schema, Scope } from "effect"
import type * as EventType from "../domain/EventType.ts"
import type { AppendError, InvalidPath, PayloadTooLarge } from "../domain/StreamError.ts"
import type { Event } from "../domain/Event.ts"

/** What a hook gets beside its event. */
export interface Hook<State, Emits extends EventType.Any> {
  readonly streamPath: string
  /** The state with the event folded in, and the one before. */
  readonly state: State
  readonly previous: State
  /** The same for every attempt at this event: for calls to the outside. */
  readonly idempotencyKey: string
  /** Collects an event, for its own stream or another. What one hook emits is recorded together, or not at all. */
  readonly emit: (
    event: EventType.Made<Emits["type"]>,
    options?: { readonly streamPath?: string | undefined }
  ) => Effect.Effect<void, InvalidPath>
}

/** As much of an event as answering it takes. */
export type Answered = Pick<Event, "streamPath" | "offset" | "cause">

/** What goes with anything that a fiber appends. */
export interface FiberCommitOptions {
  /**
   * The event that is answered, which becomes the cause; without it that is the one at which the state first asked for
   * the fiber. A processor elsewhere answers events of its own stream only.
   */
  readonly answering?: Answered | undefined
  /** Moves the fiber's cursor in the same transaction. */
  readonly cursor?: Schema.Json | undefined
}

export interface FiberAppendOptions extends FiberCommitOptions {
  /** Another stream than its own. */
  readonly streamPath?: string | undefined
  /** Says it in the server's name, which only processors of the server's own may, and only of their own matters. */
  readonly byServer?: boolean | undefined
  /** A name for this fact: recorded once for an instance, kind, key and input, whatever the attempt. */
  readonly once?: string | undefined
}

/** An event and where it goes: to the fiber's own stream where it does not say. */
export interface Addressed<Emits extends EventType.Any> {
  readonly event: EventType.Made<Emits["type"]>
  readonly streamPath?: string | undefined
  /** The event that this one answers, where they do not all answer the same. */
  readonly answering?: Answered | undefined
  /** As `append` has it. */
  readonly byServer?: boolean | undefined
}

/** What a fiber gets beside its input. */
export interface Fiber<State, Emits extends EventType.Any> {
  readonly streamPath: string
  /** The state when the fiber was started. */
  readonly state: State
  readonly key: string
  /** The same for every attempt with this input: for calls to the outside. */
  readonly idempotencyKey: string
  /** The value that was stored last under this kind and key; it outlives a changed input. */
  readonly cursor: Effect.Effect<Schema.Json | undefined>
  readonly moveCursor: (value: Schema.Json) => Effect.Effect<void>
  /** Records an event at once, and once; while the log is away it waits. */
  readonly append: (
    event: EventType.Made<Emits["type"]>,
    options?: FiberAppendOptions
  ) => Effect.Effect<Event, AppendError | InvalidPath | PayloadTooLarge>
  /**
   * Records events together, on one stream or several, or none of them. One whose idempotency key is known with the
   * same content is recorded already, each for itself. Returns how they stand in the log, in order.
   */
  readonly appendAll: (
    appends: ReadonlyArray<Addressed<Emits>>,
    options?: FiberCommitOptions
  ) => Effect.Effect<ReadonlyArray<Event>, AppendError | InvalidPath | PayloadTooLarge>
}

/** How one kind of fiber runs. */
export type Run<Input, State, Emits extends EventType.Any> = (
  input: Input,
  fiber: Fiber<State, Emits>
) => Effect.Effect<unknown, unknown, Scope.Scope>

export type Hooks<State, Consumes extends EventType.Any, Emits extends EventType.Any, Inputs> =
  & {
    /**
     * Something happened: once per new event, in order; what it emits commits together with its checkpoint. What a
     * hook forks ends with the hook.
     */
    readonly afterAppend?: {
      readonly [T in Consumes["type"]]?: (
        event: EventType.Recorded<Extract<Consumes, { readonly type: T }>>,
        hook: Hook<State, Emits>
      ) => Effect.Effect<unknown, unknown, Scope.Scope>
    }
  }
  & (keyof Inputs extends never ? unknown : {
    /** Something is so: how each kind of fiber that the definition asks for runs. */
    readonly fibers: {
      readonly [Kind in keyof Inputs]: Run<Inputs[Kind], State, Emits> | {
        /** Goes on while the stream is paused; the others are interrupted and start again on resumption. */
        readonly whilePaused: boolean
        readonly run: Run<Inputs[Kind], State, Emits>
      }
    }
  })
