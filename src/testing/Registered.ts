/** A processor with its hooks, as it is registered: without a log to run on. */
import { Effect } from "effect"
import type { Any } from "../processor/Processor.ts"
import { Processors } from "../processor/Processors.ts"

/** What is registered under the definition's name while a Layer of its is built. */
export const processor = <E, R>(
  definition: Any,
  building: Effect.Effect<unknown, E, R>
): Effect.Effect<Any, E, Exclude<R, Processors>> =>
  Effect.suspend(() => {
    const found: Array<Any> = []
    const find = Effect.suspend(() => {
      const one = found.find(({ name }) => name === definition.name)
      if (one !== undefined) return Effect.succeed(one)
      const others = found.map(({ name }) => name).join(", ")
      return Effect.die(new Error(`${definition.name} is not registered, but ${others === "" ? "nothing" : others}`))
    })
    return building.pipe(
      Effect.provideService(Processors, { run: (each) => Effect.sync(() => void found.push(each)) }),
      Effect.andThen(find)
    )
  })
