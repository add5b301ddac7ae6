/**
 * How fast what was missed is made up for: at half of what the circuit breaker of its stream lets through, so that it
 * pauses nothing and leaves room for others. Known limits: this is of one server and forgotten by a restart, and the
 * breaker of streams that configure none is taken to be the one that servers have by default.
 */
import { Clock, Effect, Option } from "effect"
import type { StreamPath } from "../../domain/StreamPath.ts"
import * as TokenBucket from "../../domain/TokenBucket.ts"
import { Directory } from "../../log/Directory.ts"
import * as Outage from "../../log/Outage.ts"

/** Half of what streams take that configure no breaker: 100 events at once, and 100 a second. */
const usual: TokenBucket.Limit = { capacity: 50, refillPerSecond: 50 }
/** Bound of the streams whose count is kept; of those that had nothing made up for the longest it is forgotten. */
const maxCounts = 1_000
/** What a stream configured is asked for again after so long, in milliseconds. */
const askAgain = 1_000
export interface SchedulePace {
  /** How many events may go to a stream now: none, or some at once rather than each by itself. */
  readonly room: (target: StreamPath) => Effect.Effect<number>
  /** So many go there. */
  readonly take: (target: StreamPath, events: number) => void
}

const half = ({ capacity, refillPerSecond }: TokenBucket.Limit): TokenBucket.Limit => ({
  capacity: Math.max(1, capacity / 2),
  refillPerSecond: refillPerSecond / 2
})

/** What is known of a stream: none is the limit where its breaker is off. */
interface Count {
  readonly limit: TokenBucket.Limit | undefined
  /** When it was asked for the limit, in milliseconds. */
  readonly asked: number
  readonly bucket: TokenBucket.TokenBucket
}

export const make: Effect.Effect<SchedulePace, never, Directory> = Effect.map(Directory, ({ describe }) => {
  const counts = new Map<StreamPath, Count>()

  const limitOf = (target: StreamPath) =>
    Effect.map(Effect.retry(describe(target), Outage.pauses), (head) => {
      const breaker = Option.isSome(head) ? head.value.core.breaker : "default"
      if (breaker === "off") return undefined
      return breaker === "default" ? usual : half(breaker)
    }).pipe(Effect.orDie)

  return {
    room: Effect.fnUntraced(function*(target) {
      const now = yield* Clock.currentTimeMillis
      const known = counts.get(target)
      const isKnown = known !== undefined && now - known.asked < askAgain
      const { asked, limit } = isKnown ? known : { asked: now, limit: yield* limitOf(target) }
      const before = counts.get(target)?.bucket ?? TokenBucket.full(limit ?? usual, now)
      const bucket = limit === undefined ? before : TokenBucket.take(before, limit, now, 0)
      counts.delete(target)
      counts.set(target, { limit, asked, bucket })
      const [oldest] = counts.keys()
      if (counts.size > maxCounts && oldest !== undefined) counts.delete(oldest)
      if (limit === undefined) return Number.POSITIVE_INFINITY
      return bucket.tokens < Math.max(1, limit.capacity / 2) ? 0 : Math.floor(bucket.tokens)
    }),
    take: (target, events) => {
      const count = counts.get(target)
      if (count === undefined || count.limit === undefined) return
      const { bucket } = count
      counts.set(target, { ...count, bucket: { ...bucket, tokens: bucket.tokens - events } })
    }
  }
})
