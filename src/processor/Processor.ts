/**
 * A processor as a value: a state, the events that it consumes and emits, a pure reducer, and the work that
 * the state calls for. No services and no effects, so that a browser, a test and time travel can fold it; what
 * happens after an append is a Layer, made with `toLayer`.
 */
import { Effect, Layer } from "effect"
import type { Schedule, Schema, Scope } from "effect"
import type * as EventType from "../domain/EventType.ts"
import type * as Folding from "./Folding.ts"
import * as Fold from "./Fold.ts"
import type { Hooks } from "./Hooks.ts"
import { Processors } from "./Processors.ts"

/** How each consumed event changes the state. */
export type Reducers<State, Consumes extends EventType.Any> = {
  readonly [T in Consumes["type"]]: (
    state: State,
    event: EventType.Recorded<Extract<Consumes, { readonly type: T }>>
  ) => State
}

/** Which work the state calls for, by kind and key, each with its input as plain data. Pure. */
export type Wanted<State, Inputs> = {
  readonly [Kind in keyof Inputs]: (state: State) => { readonly [key: string]: Inputs[Kind] }
}

/** What is known of every processor, whatever its state. */
export interface Any {
  readonly name: string
  readonly version: number
  readonly consumes: ReadonlyArray<EventType.Any>
  readonly emits: ReadonlyArray<EventType.Any>
  /** The kinds of fibers that its state may ask for. */
  readonly kinds: ReadonlyArray<string>
  /** The state at a checkpoint, or at the very beginning, ready to fold what follows. */
  readonly fold: (checkpoint?: Folding.Checkpoint) => Folding.Folding
}

/** Where and how a processor runs. */
export interface LayerOptions {
  /** Which streams, as a path in which `*` is any one segment and `**` any number of them; `/**` by default. */
  readonly streams?: string | undefined
  /** Where its hooks begin when it is registered first: behind what the log holds then, or with its first event. */
  readonly startFrom?: "end" | "start" | undefined
  /**
   * How hooks and fibers that fail are tried again before they are parked. A fiber's retries are counted anew after an
   * attempt that ran for a minute or longer.
   */
  readonly retry?: Schedule.Schedule<unknown, unknown> | undefined
}

export interface Processor<State, Consumes extends EventType.Any, Emits extends EventType.Any, Inputs> extends Any {
  /** The schema of its state: how a state is read that was stored or sent. */
  readonly state: Schema.ConstraintCodec<State, unknown>
  readonly consumes: ReadonlyArray<Consumes>
  readonly emits: ReadonlyArray<Emits>
  /** Hooks on their own, typed by this definition. */
  readonly of: (hooks: Hooks<State, Consumes, Emits, Inputs>) => Hooks<State, Consumes, Emits, Inputs>
  /** The processor at work: a Layer that registers it with the `Processors` in scope. */
  readonly toLayer: <E = never, R = never>(
    hooks: Hooks<State, Consumes, Emits, Inputs> | Effect.Effect<Hooks<State, Consumes, Emits, Inputs>, E, R>,
    options?: LayerOptions
  ) => Layer.Layer<never, E, Exclude<R, Scope.Scope> | Processors>
}

/** A processor whose work on its state is not named yet. */
export interface Folded<State, Consumes extends EventType.Any, Emits extends EventType.Any>
  extends Processor<State, Consumes, Emits, {}>
{
  /** Names the work that the state calls for, by kind. */
  readonly fibers: <Inputs>(wanted: Wanted<State, Inputs>) => Processor<State, Consumes, Emits, Inputs>
}

/** A processor whose state and events are known. Two steps, so that they are fixed before the reducers are read. */
export interface Definition<State, Consumes extends EventType.Any, Emits extends EventType.Any> {
  readonly reduce: (reducers: Reducers<State, Consumes>) => Folded<State, Consumes, Emits>
}

export interface Options<
  State extends Schema.ConstraintCodec<unknown, unknown>,
  Consumes extends ReadonlyArray<EventType.Any>,
  Emits extends ReadonlyArray<EventType.Any>
> {
  /** Counts up when the state or the reducers change: the state is folded anew. 1 by default. */
  readonly version?: number
  readonly state: State
  readonly initial: State["Type"]
  readonly consumes: Consumes
  readonly emits?: Emits
}

/** Names a processor: `Processor.make("ping-pong", { state, initial, consumes, emits }).reduce({ … })`. */
const make = <
  State extends Schema.ConstraintCodec<unknown, unknown>,
  const Consumes extends ReadonlyArray<EventType.Any>,
  const Emits extends ReadonlyArray<EventType.Any> = readonly []
>(
  name: string,
  options: Options<State, Consumes, Emits>
): Definition<State["Type"], Consumes[number], Emits[number]> => ({
  reduce: (reducers) => {
    const body: Fold.Body<State["Type"], Consumes[number], Emits[number]> = {
      name,
      version: options.version ?? 1,
      state: options.state,
      initial: options.initial,
      consumes: options.consumes,
      emits: options.emits ?? [],
      reducers
    }
    return { ...processor(body, {}), fibers: (wanted) => processor(body, wanted) }
  }
})

const processor = <State, Consumes extends EventType.Any, Emits extends EventType.Any, Inputs>(
  body: Fold.Body<State, Consumes, Emits>,
  wanted: Wanted<State, Inputs>
): Processor<State, Consumes, Emits, Inputs> => {
  const { consumes, emits, name, state, version } = body
  const kinds = Object.keys(wanted)
  const definition = { name, version, state, consumes, emits, kinds, fold: Fold.make(body, wanted) }
  return {
    ...definition,
    of: (hooks) => hooks,
    toLayer: (hooks, options = {}) =>
      Layer.effectDiscard(Effect.gen(function*() {
        const processors = yield* Processors
        const made = Effect.isEffect(hooks) ? yield* hooks : hooks
        yield* processors.run({ ...definition, fold: Fold.make(body, wanted, made) }, options)
      }))
  }
}

export const Processor = { make }
