/**
 * Transformers as state: what is configured on a stream, by slug. Configuring one again changes what it does from where
 * it has come to; removed and configured anew it sees what comes after.
 */
import { Record, Schema } from "effect"
import * as Control from "../../domain/ControlEvent.ts"
import type * as EventTypes from "../../domain/EventType.ts"
import { EventType } from "../../domain/EventType.ts"
import { StreamPath } from "../../domain/StreamPath.ts"
import { processor, TransformerConfigured, TransformerRemoved } from "../../domain/Transformer.ts"
import { Processor } from "../../processor/Processor.ts"

/** Bound of one stream's transformers: each of them looks at every event. */
export const maxTransformers = 100

export const Configuration = Schema.Struct({
  matcher: Schema.String,
  transform: Schema.String,
  /** Where events go; to the stream itself where there is none. */
  streamPath: Schema.optionalKey(StreamPath),
  /** The event that configured it first: it sees only what comes after. */
  since: Schema.Int
})
export type Configuration = typeof Configuration.Type

const State = Schema.Struct({ transformers: Schema.Record(Schema.String, Configuration) })

/** It appends what the expressions make: any type that a client may append. */
const emits: ReadonlyArray<EventTypes.Any> = [EventType.any, Control.ErrorOccurred]

const isSame = Schema.toEquivalence(Configuration)

export const Transformer = Processor.make(processor, {
  state: State,
  initial: { transformers: {} },
  consumes: [TransformerConfigured, TransformerRemoved],
  emits
}).reduce({
  "transformer/configured": (state, { offset, payload: { slug, ...configured } }) => {
    const { transformers } = state
    const known = Object.hasOwn(transformers, slug) ? transformers[slug] : undefined
    if (known === undefined && Object.keys(transformers).length >= maxTransformers) return state
    const next = { ...configured, since: known?.since ?? offset }
    return known !== undefined && isSame(known, next) ? state : { transformers: { ...transformers, [slug]: next } }
  },
  "transformer/removed": (state, { payload: { slug } }) =>
    Object.hasOwn(state.transformers, slug) ? { transformers: Record.remove(state.transformers, slug) } : state
}).fibers({
  transform: ({ transformers }) => transformers
})
