/** A processor that answers each number with itself, always. */
import { Schema } from "effect"
import type { LayerOptions } from "../../src/processor/Processor.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { Came, Went } from "./Workshop.ts"

export const Answering = Processor.make("answering", {
  state: Schema.Int,
  initial: 0,
  consumes: [Went],
  emits: [Came]
}).reduce({ went: (sum, { payload }) => sum + payload.n })

/** Answers each number with itself. */
export const answering = (options?: LayerOptions) =>
  Answering.toLayer({ afterAppend: { went: ({ payload }, { emit }) => emit(Came.make({ n: payload.n })) } }, options)

export const went = (n: number) => Went.make({ n })
