/**
 * Given, when, then: what a processor does about one event, without a log. What is given is folded as after a restart,
 * no hook runs for it; of what happens next the hook runs, once, but for what the log says of that very processor.
 * Fibers are asked for and do not run, and nothing is appended, so that what is emitted does not come back. Every
 * stream begins with its `stream/initialized` at offset 1, as in the log; where events have no time of their own they
 * happen at the Clock's.
 */
import { Effect, Layer, Schema } from "effect"
import type { DateTime, Scope } from "effect"
import * as assert from "node:assert"
import type { Cause, EventInput, Metadata } from "../domain/Event.ts"
import type * as EventType from "../domain/EventType.ts"
import type { Hooks } from "../processor/Hooks.ts"
import type { Any, Processor } from "../processor/Processor.ts"
import type { Processors } from "../processor/Processors.ts"
import { inOrder, plain, play } from "./Play.ts"
import type { Played } from "./Play.ts"
import * as Registered from "./Registered.ts"

/** An event as an `EventType` makes it, or any other: anyone may append anything. */
export interface Given extends EventInput {
  readonly createdAt?: DateTime.Utc
  readonly cause?: Cause
}

/** An emitted event; `streamPath` where it is for another stream. What an `EventType` makes is one. */
export interface Emitted<Type extends string> {
  readonly streamPath?: string
  readonly type: Type
  readonly payload: Schema.Json
  readonly metadata?: Metadata
  readonly idempotencyKey?: string
}

/** Work that the state asks for. */
export interface Asked<Kind, Input> {
  readonly kind: Kind
  readonly key: string
  readonly input: Input
}

/** A consumed type with a payload that does not fit it: the event was passed over. */
export interface Misfit {
  readonly offset: number
  readonly message: string
}

/** What came of it. */
export interface Outcome<State> {
  readonly state: State
  /** By the hook, in order. */
  readonly emitted: ReadonlyArray<Emitted<string>>
  /** All that should run then; inputs as JSON. */
  readonly asked: ReadonlyArray<Asked<string, Schema.Json>>
  /** Among all events, those given too. */
  readonly misfits: ReadonlyArray<Misfit>
}

/** What should come of it. What is left out is not looked at, but for misfits: where there are some, say which. */
export interface Expected<State, Type extends string, Inputs> {
  readonly state?: State
  readonly emitted?: ReadonlyArray<Emitted<Type>>
  /** In any order; inputs as the definition gives them. */
  readonly asked?: ReadonlyArray<{ [Kind in keyof Inputs & string]: Asked<Kind, Inputs[Kind]> }[keyof Inputs & string]>
  /** The offsets of events that do not fit. */
  readonly misfits?: ReadonlyArray<number>
}

/** The outcome as an Effect. It fails as the hook does, and dies where the reducer throws or is not pure. */
export interface When<State, Type extends string, Inputs, R> extends Effect.Effect<Outcome<State>, unknown, R> {
  /** Compares it as JSON, which is what the log keeps, and dies with an `AssertionError` that shows the difference. */
  readonly then: (expected: Expected<State, Type, Inputs>) => Effect.Effect<Outcome<State>, unknown, R>
}

/** A stream with a history. It does not change: `given` returns another. */
export interface Scenario<State, Type extends string, Inputs, R> {
  /** What the stream holds, behind what was given before. */
  readonly given: (...events: ReadonlyArray<Given>) => Scenario<State, Type, Inputs, R>
  /** What happens next. */
  readonly when: (event: Given) => When<State, Type, Inputs, R>
}

export interface Options {
  /** `/scenario` by default. */
  readonly streamPath?: string | undefined
}

/** Hooks, an Effect that makes them, or a Layer made with `toLayer`. */
export type Reactions<H, E, R> = H | Effect.Effect<H, E, R> | Layer.Layer<never, E, R>

/** What the hooks need and the scenario does not bring. */
export type Needed<R> = Exclude<Exclude<R, Processors>, Scope.Scope>

/**
 * A processor on a stream of its own: `Scenario.make(PingPong, layer).given(…).when(…).then({ state, emitted })`. The
 * hooks are a Layer made with `toLayer`, or what `toLayer` takes; without them only the definition is tried.
 */
export const make = <State, Consumes extends EventType.Any, Emits extends EventType.Any, Inputs, E = never, R = never>(
  definition: Processor<State, Consumes, Emits, Inputs>,
  hooks?: Reactions<Hooks<State, Consumes, Emits, Inputs>, E, R>,
  options: Options = {}
): Scenario<State, Emits["type"], Inputs, Needed<R>> => {
  const processor = hooks === undefined
    ? Effect.succeed<Any>(definition)
    : Registered.processor(definition, build(definition, hooks))
  const codec = Schema.toCodecJson(definition.state)
  const encode = Schema.encodeSync(codec)
  const decode = Schema.decodeUnknownSync(codec)
  const streamPath = options.streamPath ?? "/scenario"

  const compare = (expected: Expected<State, Emits["type"], Inputs>, found: Played) => {
    const { asked, emitted, misfits = [], state } = expected
    const wanted = {
      misfits,
      ...(state === undefined ? {} : { state: JSON.parse(JSON.stringify(encode(state))) }),
      ...(emitted === undefined ? {} : { emitted: emitted.map((event) => plain(event, streamPath)) }),
      ...(asked === undefined ? {} : { asked: inOrder(asked) })
    }
    const actual = {
      // One that nobody expected says what is wrong with it.
      misfits: found.misfits.map((misfit) => misfits.includes(misfit.offset) ? misfit.offset : misfit),
      ...(state === undefined ? {} : { state: found.state }),
      ...(emitted === undefined ? {} : { emitted: found.emitted }),
      ...(asked === undefined ? {} : { asked: found.asked })
    }
    assert.deepStrictEqual(actual, wanted)
  }

  const when = (given: ReadonlyArray<Given>, event: Given) => {
    const played = Effect.scoped(Effect.flatMap(processor, (processor) => play(processor, streamPath, given, event)))
    const outcome = (found: Played): Outcome<State> => ({ ...found, state: decode(found.state) })
    const then = (expected: Expected<State, Emits["type"], Inputs>) => {
      if (typeof expected === "function") throw new TypeError("An outcome is an Effect: yield* it instead of await")
      const place = new Error()
      Error.captureStackTrace(place, then)
      return Effect.map(played, (found) => {
        standingAt(place, () => compare(expected, found))
        return outcome(found)
      })
    }
    // oxlint-disable-next-line unicorn/no-thenable -- the word that the form is known by; `await` is told what to do
    return Object.assign(Effect.map(played, outcome), { then })
  }
  const scenario = (given: ReadonlyArray<Given>): Scenario<State, Emits["type"], Inputs, Needed<R>> => ({
    given: (...events) => scenario([...given, ...events]),
    when: (event) => when(given, event)
  })
  return scenario([])
}

/** An assertion that fails does so where the test wrote it, not in the middle of a fiber. */
const standingAt = (place: Error, assertion: () => void): void => {
  try {
    assertion()
  } catch (error) {
    if (error instanceof assert.AssertionError) {
      error.stack = [`${error.name}: ${error.message}`, ...(place.stack ?? "").split("\n").slice(1)].join("\n")
    }
    throw error
  }
}

const build = <State, Consumes extends EventType.Any, Emits extends EventType.Any, Inputs, E, R>(
  definition: Processor<State, Consumes, Emits, Inputs>,
  hooks: Reactions<Hooks<State, Consumes, Emits, Inputs>, E, R>
): Effect.Effect<unknown, E, R | Processors | Scope.Scope> =>
  // Fresh, since a test may also run it on a log.
  isLayer(hooks)
    ? Layer.build(Layer.fresh(hooks))
    : Effect.isEffect(hooks)
    ? Effect.flatMap(hooks, (made) => Layer.build(definition.toLayer(made)))
    : Layer.build(definition.toLayer(hooks))

const isLayer = <H, E, R>(hooks: Reactions<H, E, R>): hooks is Layer.Layer<never, E, R> => Layer.isLayer(hooks)
