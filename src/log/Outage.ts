/** Says when something that is tried over and over begins to fail, and when it works again; not each time between. */
import { Effect, Schedule } from "effect"

/** Pauses between tries while the log is away, without end. */
export const pauses = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("1 second")])

/** Wraps each try. `what` begins a sentence; `next` says what happens meanwhile. Further failures are told at debug. */
export const make = (what: string, next: string) => {
  let isOut = false
  return <A, E, R>(attempt: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    attempt.pipe(
      Effect.tap(() => {
        const wasOut = isOut
        isOut = false
        return wasOut ? Effect.logInfo(`${what} works again`) : Effect.void
      }),
      Effect.tapError((error) => {
        const wasOut = isOut
        isOut = true
        return wasOut
          ? Effect.logDebug(`${what} still fails`, error)
          : Effect.logWarning(`${what} failed: ${next}`, error)
      })
    )
}
