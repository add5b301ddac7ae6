/**
 * A processor at work on one stream, without its types: what the runtime, time travel and the page fold. The
 * state is inside; what is seen of it is JSON.
 */
import type { Effect, Scope } from "effect"
import type { Event } from "../domain/Event.ts"
import type { JsonText } from "../domain/EventText.ts"
import type * as EventType from "../domain/EventType.ts"
import type { Fiber, Hook } from "./Hooks.ts"

/** The state as it was stored. */
export interface Checkpoint {
  readonly state: JsonText
}

/** A hook's tools, but for the state, which the folding knows. */
export type HookTools = Omit<Hook<unknown, EventType.Any>, "state" | "previous">
/** A fiber's tools, but for the state. */
export type FiberTools = Omit<Fiber<unknown, EventType.Any>, "state">

export type Effectful = Effect.Effect<unknown, unknown, Scope.Scope>

export type Step =
  /** Not consumed. */
  | { readonly _tag: "Passed" }
  /** Of a consumed type, but its payload does not fit: anyone may append anything. */
  | { readonly _tag: "Misfit"; readonly message: string }
  /** Folded; `hook` runs what happens after it, where something does. */
  | { readonly _tag: "Folded"; readonly hook: ((tools: HookTools) => Effectful) | undefined }

/** Work that the state calls for. Two are the same if kind, key and input are. */
export interface Asked {
  readonly kind: string
  readonly key: string
  /** Plain data, with the names of objects in order, so that equal inputs are equal texts. */
  readonly input: JsonText
  /** Whether it goes on while the stream is paused. */
  readonly whilePaused: boolean
  /** How it runs; none where only the definition is known. */
  readonly run: ((tools: FiberTools) => Effectful) | undefined
}

/** A state that stays as it is while folding goes on. */
export interface Frozen {
  /** Encoded at the first call. */
  readonly text: () => JsonText
}

export interface Folding {
  /**
   * Folds one event. A reducer that throws, throws here, and leaves the state as it was; strictly, so does a state
   * that does not fit its schema.
   */
  readonly step: (event: Event, isStrict?: boolean) => Step
  readonly state: () => JsonText
  /** The state as it is now, to be encoded when it is needed. */
  readonly freeze: () => Frozen
  /** By kind and key, which are joined to one name; the same map for the same state. */
  readonly asked: () => ReadonlyMap<string, Asked>
}
