/** How long to wait before trying again: longer each time, with jitter, so that clients do not return as a herd. */
import { Duration } from "effect"

/** Before the first retry, in milliseconds: a server that restarts is back in about this time. */
const firstMillis = 250

/** The longest wait, in milliseconds: a person who watches sees that it goes on. */
export const maxMillis = 10_000

/** The longest that a server may ask for with `Retry-After`, in seconds: more is a fault or a proxy's mistake. */
export const maxRetryAfterSeconds = 60

/** Tries of a call, and of a first connection, before its error is the caller's: about 8 seconds in all. */
export const attempts = 5

/** The wait after so many failures in a row, `random` being from 0 to 1: between a half and the whole of the step. */
export const delay = (failures: number, random: number, retryAfterSeconds = 0): Duration.Duration => {
  const step = Math.min(maxMillis, firstMillis * 2 ** Math.min(Math.max(failures - 1, 0), 30))
  const asked = Math.min(maxRetryAfterSeconds, Math.max(0, retryAfterSeconds)) * 1_000
  return Duration.millis(Math.max(asked, step * (0.5 + random / 2)))
}
