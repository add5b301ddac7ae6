/** Runs the transformers of each stream, and says where there are too many. */
import { Effect } from "effect"
import * as Control from "../../domain/ControlEvent.ts"
import { processor } from "../../domain/Transformer.ts"
import { EventStore } from "../../log/EventStore.ts"
import { Growth } from "../../log/Growth.ts"
import { Jsonata } from "../Jsonata.ts"
import { maxTransformers, Transformer } from "./Transformer.ts"
import * as TransformerFiber from "./TransformerFiber.ts"

export const layer = Transformer.toLayer(Effect.gen(function*() {
  const transform = TransformerFiber.run({
    store: yield* EventStore,
    growth: yield* Growth,
    jsonata: yield* Jsonata
  })
  return Transformer.of({
    afterAppend: {
      "transformer/configured": ({ offset, payload: { slug } }, { emit, state }) =>
        Object.hasOwn(state.transformers, slug)
          ? Effect.void
          : emit(Control.ErrorOccurred.make({
            message: `A stream has at most ${maxTransformers} transformers: remove one first`,
            source: processor,
            slug,
            offset
          }))
    },
    fibers: { transform }
  })
}), { startFrom: "start" })
