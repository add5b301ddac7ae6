/**
 * The log's time as it is known here, never ahead of it: an event was recorded before one hears of it. So nothing is
 * recorded before it was due, though the clocks of this machine and of the log's differ. Known limits: until the first
 * event is heard of they are taken to differ by little; and the log to be 2 seconds behind at most.
 */
import { Clock, Effect } from "effect"

/** How far the log is taken to be behind before anything was heard of it, in milliseconds: what an answer takes. */
const unheard = 20
/** What is further behind was recorded long ago, in milliseconds: it tells nothing of now. */
const furthest = 2_000
/** So many are looked at: the one that came quickest tells most, and a clock that was set is noticed soon. */
const samples = 8

export class ScheduleClock {
  /** The log's time less this machine's, as the last events told, in milliseconds. */
  private readonly distances: Array<number> = []

  private get distance(): number {
    return this.distances.length === 0 ? -unheard : Math.max(...this.distances)
  }

  /** Milliseconds since 1970. */
  readonly now: Effect.Effect<number> = Effect.map(Clock.currentTimeMillis, (own) => own + this.distance)

  /** An event was recorded just now, at that time by the log's clock. */
  hear(createdAt: number): Effect.Effect<void> {
    return Effect.map(Clock.currentTimeMillis, (own) => this.take(createdAt - own, -furthest))
  }

  /** An event was recorded some time ago: the log's time is that at least. */
  hearLate(createdAt: number): Effect.Effect<void> {
    return Effect.map(Clock.currentTimeMillis, (own) => this.take(createdAt - own, this.distance))
  }

  private take(distance: number, least: number): void {
    if (distance <= least) return
    this.distances.push(distance)
    if (this.distances.length > samples) this.distances.shift()
  }
}
