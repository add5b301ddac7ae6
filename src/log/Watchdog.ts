/**
 * Gives up on calls that take too long. One timer looks after all of them: a timer and a race for each would
 * cost as much as the call.
 */
import { Data, Effect, Fiber, Schedule } from "effect"

/** How late a call may be noticed. */
const lookEvery = "1 second"

/** The call took too long; whether it had an effect is not known. */
export class TimedOut extends Data.TaggedError("TimedOut") {}

interface Call {
  readonly deadline: number
  readonly giveUp: () => void
}

export interface Watchdog {
  /** The effect, interrupted once it has run for so many milliseconds. */
  readonly within: <A, E>(effect: Effect.Effect<A, E>, millis: number) => Effect.Effect<A, E | TimedOut>
  /** Runs an effect after so many milliseconds, unless what it returns is called before. */
  readonly watch: (millis: number, giveUp: Effect.Effect<void>) => () => void
}

/** Watches until the scope closes. */
export const make = Effect.gen(function*() {
  const calls = new Set<Call>()
  yield* Effect.sync(() => {
    const now = performance.now()
    for (const call of calls) if (call.deadline < now) call.giveUp()
  }).pipe(Effect.schedule(Schedule.spaced(lookEvery)), Effect.forkScoped)

  const within: Watchdog["within"] = <A, E>(effect: Effect.Effect<A, E>, millis: number) =>
    Effect.contextWith((context) =>
      Effect.callback<A, E | TimedOut>((resume) => {
        const fiber = Effect.runForkWith(context)(effect)
        const call: Call = {
          deadline: performance.now() + millis,
          giveUp: () => {
            calls.delete(call)
            resume(Effect.andThen(Fiber.interrupt(fiber), Effect.fail(new TimedOut())))
          }
        }
        calls.add(call)
        fiber.addObserver((exit) => {
          if (calls.delete(call)) resume(exit)
        })
        return Effect.suspend(() => {
          calls.delete(call)
          return Fiber.interrupt(fiber)
        })
      })
    )
  const context = yield* Effect.context<never>()
  const watch: Watchdog["watch"] = (millis, giveUp) => {
    const call: Call = {
      deadline: performance.now() + millis,
      giveUp: () => {
        calls.delete(call)
        Effect.runForkWith(context)(giveUp)
      }
    }
    calls.add(call)
    return () => calls.delete(call)
  }
  return { within, watch }
})
