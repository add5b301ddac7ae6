/** How fast a stream can be filled without tripping its circuit breaker. */
import { maxBatch } from "../domain/Bounds.ts"
import type { StreamState } from "../domain/StreamState.ts"

/** Part of the refill that is used, so that others can append too and clocks may differ. */
export const share = 0.9

/** Part of the capacity that one batch may take: nobody can see how full the bucket is. */
const batchShare = 0.5

export interface Pace {
  /** Events to send together. */
  readonly batch: number
  /** Events a second over a long time; none where the stream has no breaker. */
  readonly perSecond: number | undefined
}

/** Before anything is known of the stream: a single event, which makes it if it is not there. */
export const first: Pace = { batch: 1, perSecond: undefined }

/** The pace for a breaker: at most a second's worth at a time, and on average less than what comes back. */
export const of = (breaker: StreamState["circuitBreaker"]): Pace => {
  if (!breaker.enabled) return { batch: maxBatch, perSecond: undefined }
  const perSecond = breaker.refillPerSecond * share
  const batch = Math.floor(Math.min(breaker.capacity * batchShare, perSecond, maxBatch))
  return { batch: Math.max(1, batch), perSecond }
}

/** Milliseconds from the start of one batch to the start of the next. */
export const interval = (pace: Pace, events: number): number =>
  pace.perSecond === undefined ? 0 : events / pace.perSecond * 1_000
