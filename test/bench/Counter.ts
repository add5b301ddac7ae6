/** The processor that is measured: it counts events, and with its hooks answers each with one as long as itself. */
import { Effect, Schema } from "effect"
import { EventType, Processor } from "../../src/millstream.ts"
import type { LayerOptions } from "../../src/millstream.ts"
import * as Payload from "./Payload.ts"

const payload = Schema.Struct({ id: Schema.String, text: Schema.String })
const Measured = EventType.make(Payload.type, payload)
const Answered = EventType.make("bench/answered", payload)

/** The type of what a hook emits. */
export const answer = Answered.type

const make = (name: string) =>
  Processor.make(name, {
    state: Schema.Struct({ count: Schema.Int }),
    initial: { count: 0 },
    consumes: [Measured],
    emits: [Answered]
  }).reduce({ [Payload.type]: ({ count }) => ({ count: count + 1 }) })

/** Folds, and does nothing. */
export const folding = (name: string, options: LayerOptions) => make(name).toLayer({}, options)

/** Answers each event on its own stream. */
export const answering = (name: string, options: LayerOptions) =>
  make(name).toLayer({
    afterAppend: { [Payload.type]: ({ payload }, { emit }) => emit(Answered.make(payload)) }
  }, options)

/** Tells on which stream it met an event, and emits nothing. */
export const telling = (name: string, options: LayerOptions, tell: (path: string) => void) =>
  make(name).toLayer({
    afterAppend: { [Payload.type]: ({ streamPath }) => Effect.sync(() => tell(streamPath)) }
  }, options)
