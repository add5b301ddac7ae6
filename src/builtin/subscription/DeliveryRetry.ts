/** What follows from an answer to a push: taken, tried again and when, skipped or parked. Pure. */
import { Schema } from "effect"
import * as DurationText from "../../domain/DurationText.ts"

/** How long one that names no number of attempts is tried, in milliseconds: three days outlast a weekend. */
const tryingMillis = 3 * 86_400_000
/** So many attempts are made of such a one, however long this server was off: with the usual pauses ten minutes. */
const leastAttempts = 10
/** Pause before the first retry where none is configured, in milliseconds. */
const firstPause = 1_000
/** The longest pause that is ours, in milliseconds: a receiver that is back waits no longer than six hours. */
const longestPause = 6 * 3_600_000
/** The longest pause that a receiver may ask for, in milliseconds: a day. */
const longestAsked = 86_400_000
/** Bound of what is told of a failure, in characters. */
const maxError = 1_000

export interface OnFailure {
  readonly attempts?: number
  readonly backoff?: string | number
  readonly then?: "park" | "skip"
}

export type Answer =
  | { readonly _tag: "Taken" }
  /** `pause` is what the receiver asks for, in milliseconds. */
  | { readonly _tag: "Failed"; readonly error: string; readonly pause?: number | undefined }
  /** Trying again would not help. */
  | { readonly _tag: "Refused"; readonly error: string }

/** What a status means. No redirect is followed, so a 3xx is a failure as any other. */
export const judge = (
  status: number,
  headers: { readonly [name: string]: string },
  now: number
): Answer => {
  if (status >= 200 && status < 300) return taken
  if (status === 410) return { _tag: "Refused", error: "It answered 410: it wants no more" }
  return { _tag: "Failed", error: `It answered ${status}`, pause: pauseOf(headers["retry-after"], now) }
}

const taken: Answer = { _tag: "Taken" }

/** `Retry-After` in milliseconds from now: seconds or a date. */
const pauseOf = (text: string | undefined, now: number): number | undefined => {
  if (text === undefined) return undefined
  const trimmed = text.trim()
  const millis = /^\d+$/.test(trimmed) ? Number(trimmed) * 1_000 : Date.parse(trimmed) - now
  return Number.isNaN(millis) ? undefined : Math.min(Math.max(millis, 0), longestAsked)
}

/** How trying has gone so far; times in milliseconds since 1970. */
export const Tried = Schema.Struct({
  attempts: Schema.Int,
  since: Schema.Finite,
  nextAt: Schema.Finite,
  error: Schema.String
})
export type Tried = typeof Tried.Type

export type Next =
  | { readonly _tag: "Again"; readonly tried: Tried }
  | { readonly _tag: "Skip" | "Park"; readonly tried: Tried }

const longestOwn = (backoff: string | number): number => Math.max(longestPause, DurationText.toMillis(backoff))

/** The pause behind so many attempts, of which at least half is made, in milliseconds. */
const wholePause = (backoff: string | number, attempts: number): number =>
  Math.min(DurationText.toMillis(backoff) * 2 ** Math.min(attempts - 1, 40), longestOwn(backoff))

/** Fewer where the pauses are so long that three days do not hold as many. */
const leastOf = (backoff: string | number): number => {
  let attempts = 1
  for (let time = wholePause(backoff, 1); time < tryingMillis && attempts < leastAttempts; attempts++) {
    time += wholePause(backoff, attempts + 1)
  }
  return attempts
}

/** How far off the next attempt is, in milliseconds: no longer than a pause may be, whatever became of the clock. */
export const pauseUntil = (onFailure: OnFailure | undefined, { nextAt }: Tried, now: number): number =>
  Math.min(Math.max(nextAt - now, 0), Math.max(longestOwn(onFailure?.backoff ?? firstPause), longestAsked))

/** What follows an answer that was not taken; `random` is in [0, 1). */
export const next = (
  onFailure: OnFailure | undefined,
  before: Tried | undefined,
  answer: Exclude<Answer, { readonly _tag: "Taken" }>,
  now: number,
  random: number
): Next => {
  const { attempts: most, backoff = firstPause, then = "park" } = onFailure ?? {}
  const attempts = (before?.attempts ?? 0) + 1
  const since = before?.since ?? now
  const error = answer.error.slice(0, maxError)
  const tried = (nextAt: number): Tried => ({ attempts, since, nextAt, error })
  // A receiver that wants no more, or may not be sent to, needs a person, whatever is configured for the others.
  if (answer._tag === "Refused") return { _tag: "Park", tried: tried(now) }
  const isLate = now - since >= tryingMillis
  const isOver = most === undefined ? isLate && attempts >= leastOf(backoff) : attempts >= most
  if (isOver) return { _tag: then === "skip" ? "Skip" : "Park", tried: tried(now) }
  const whole = wholePause(backoff, attempts)
  const own = now + whole / 2 + random * whole / 2
  // The last attempt is made when the time is over.
  const ours = most === undefined && !isLate ? Math.min(own, since + tryingMillis) : own
  return { _tag: "Again", tried: tried(Math.round(Math.max(ours, now + (answer.pause ?? 0)))) }
}
