/**
 * Sweeps in the background what is of no more use, for as long as the scope is open: at first, whenever it is asked,
 * and from time to time, for what another server, or a crash, left behind.
 */
import { Effect, Latch, Schedule } from "effect"

const sweepEvery = "1 minute"
const retryAfter = "1 second"

/** Returns what asks for it; `failed` is what the log says where the sweep fails. */
export const make = Effect.fnUntraced(function*<E>(sweep: Effect.Effect<unknown, E>, failed: string) {
  const left = Latch.makeUnsafe(true)
  const persistent = sweep.pipe(
    Effect.tapError((error) => Effect.logWarning(`${failed}; trying again`, error)),
    Effect.retry(Schedule.spaced(retryAfter))
  )
  yield* left.await.pipe(
    // What is asked for while it sweeps is swept next.
    Effect.andThen(Effect.sync(() => left.closeUnsafe())),
    Effect.andThen(persistent),
    Effect.andThen(Effect.timeoutOption(left.await, sweepEvery)),
    Effect.andThen(Effect.sync(() => left.openUnsafe())),
    Effect.forever,
    Effect.forkScoped
  )
  return Effect.sync(() => left.openUnsafe())
})
