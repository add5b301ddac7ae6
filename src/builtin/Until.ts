/** Waiting for a time, by Effect's `Clock` or another one that tells milliseconds since 1970. */
import { Clock, Effect } from "effect"

/** It sleeps so long at most, in milliseconds: a clock that was set, or a machine that slept, is noticed then. */
const longestSleep = 600_000

/** Returns once that time has come; at once where it is past. */
export const sleepUntil = (
  time: number,
  now: Effect.Effect<number> = Clock.currentTimeMillis
): Effect.Effect<void> =>
  Effect.gen(function*() {
    while (true) {
      const left = time - (yield* now)
      if (left <= 0) return
      yield* Effect.sleep(Math.min(left, longestSleep))
    }
  })
