/**
 * What is known of expressions: which were quick, and which had to be stopped, so that these do not keep the others
 * waiting. Times are those of Effect's clock, in milliseconds. Known limit: it is forgotten when the process ends.
 */
import { hash } from "node:crypto"

/** Where an expression waits for its turn: one that never had one, one that is quick, and one that was not. */
export type Lane = "unknown" | "quick" | "slow"

/** How long an expression waits that a process died of: others must not wait for new processes for ever. */
const heldMillis = 10_000
/** How long it is slow then, whatever its turns take: with some inputs it is quick, and with others it hangs. */
const stoppedMillis = 3_600_000
/** How long it is slow behind an evaluation that took a whole turn: a busy machine may be the reason. */
const slowMillis = 60_000
/** Most expressions that are known; then the one that had no turn for longest is forgotten. 2 MiB. */
const maxKnown = 10_000

interface Standing {
  readonly isQuick: boolean
  /** Until then its turns do not make it quick. */
  readonly slowUntil: number
  /** Until then it has none. */
  readonly heldUntil: number
}

export class JsonataStanding {
  private readonly known = new Map<string, Standing>()

  /** The name of an expression in here. */
  static keyOf(expression: string): string {
    return hash("sha256", expression, "base64")
  }

  laneOf(key: string): Lane {
    const standing = this.known.get(key)
    if (standing === undefined) return "unknown"
    return standing.isQuick ? "quick" : "slow"
  }

  /** When it may be tried again: 0 where it did not have to be stopped. */
  heldUntil(key: string): number {
    return this.known.get(key)?.heldUntil ?? 0
  }

  /** A turn of it ended by itself. */
  ended(key: string, now: number, isSlow: boolean): void {
    const { heldUntil = 0, slowUntil: before = 0 } = this.known.get(key) ?? {}
    const slowUntil = isSlow ? Math.max(before, now + slowMillis) : before
    this.set(key, { isQuick: now >= slowUntil, slowUntil, heldUntil })
  }

  /** It did not end in the short time of those that are quick: it has to show with the slow ones what it is. */
  overran(key: string): void {
    this.set(key, { isQuick: false, slowUntil: 0, heldUntil: 0 })
  }

  /** A process died of it. */
  stopped(key: string, now: number): void {
    this.set(key, { isQuick: false, slowUntil: now + stoppedMillis, heldUntil: now + heldMillis })
  }

  private set(key: string, standing: Standing): void {
    // Behind all others: the first one is that which had no turn for longest.
    this.known.delete(key)
    this.known.set(key, standing)
    const oldest = this.known.size <= maxKnown ? undefined : this.known.keys().next().value
    if (oldest !== undefined) this.known.delete(oldest)
  }
}
