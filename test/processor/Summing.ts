/** A processor that sums what went, and answers each number with itself where a test lets it. */
import { Data, Effect, Schema } from "effect"
import type { LayerOptions } from "../../src/processor/Processor.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { Came, thrice, Went } from "./Workshop.ts"

export class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

export const make = (version: number, weight = 1) =>
  Processor.make("summing", { version, state: Schema.Int, initial: 0, consumes: [Went], emits: [Came] })
    .reduce({ went: (sum, { payload }) => sum + weight * payload.n })
export const Summing = make(1)

export const went = (...all: ReadonlyArray<number>) => all.map((n) => Went.make({ n }))

/** Answers each number with itself once `judge` lets it; `ran` counts the attempts. */
export const summing = (
  judge: (n: number, attempt: number) => Effect.Effect<unknown, unknown>,
  options?: LayerOptions,
  of = Summing
) => {
  const ran = new Map<number, number>()
  const layer = of.toLayer({
    afterAppend: {
      went: ({ payload: { n } }, { emit }) =>
        Effect.suspend(() => {
          const attempt = (ran.get(n) ?? 0) + 1
          ran.set(n, attempt)
          return emit(Came.make({ n })).pipe(Effect.andThen(judge(n, attempt)))
        })
    }
  }, { retry: thrice, ...options })
  return { layer, ran }
}

export const fine = summing(() => Effect.void)
export const failingAt = (...bad: ReadonlyArray<number>) =>
  summing((n) => bad.includes(n) ? Effect.fail(new Refused({ message: `not ${n}` })) : Effect.void)
