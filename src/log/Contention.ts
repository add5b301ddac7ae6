/** Someone else was in the way of a short transaction of ours: nothing was written, and it is tried again. */
import { Effect, Schedule } from "effect"
import { SqlError } from "effect/sql/SqlError"

const again = Schedule.exponential("10 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 5 }))
const reasons: ReadonlyArray<SqlError["reason"]["_tag"]> = ["DeadlockError", "SerializationError", "LockTimeoutError"]

export const retry = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.retry(effect, {
    while: (error) => error instanceof SqlError && reasons.includes(error.reason._tag),
    schedule: again
  })
