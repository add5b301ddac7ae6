/**
 * Whether this server acts for a processor: it holds the lease while it renews it, and stops at once when it may
 * have lost it. Commits are refused by the lease's epoch all the same, so a server that was frozen does no harm.
 */
import { Clock, Data, Effect, Option } from "effect"
import type { Fenced } from "../domain/StreamError.ts"
import type { Checkpoints, Lease } from "../log/Checkpoints.ts"

/** How often a lease is renewed while it holds. */
const renewals = 3
/** Pause between looks at a lease that another server holds: a takeover comes so much after it ran out. */
const lookEvery = "1 second"
/** How long a server that stops waits to give its lease back; it runs out by itself. */
const releaseTime = "1 second"

/** The process's monotonic clock, in milliseconds. */
const now = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

class Lost extends Data.TaggedError("Lost")<{}> {}

export class Ownership {
  private readonly checkpoints: Checkpoints["Service"]
  private readonly processor: string
  private readonly millis: number
  private readonly owner = crypto.randomUUID()

  constructor(checkpoints: Checkpoints["Service"], processor: string, millis: number) {
    this.checkpoints = checkpoints
    this.processor = processor
    this.millis = millis
  }

  /** Runs the work whenever the lease is held, for ever. */
  whileHeld(work: (lease: Lease) => Effect.Effect<never, Fenced>): Effect.Effect<never> {
    return Effect.gen({ self: this }, function*() {
      while (true) {
        const lease = yield* this.claim
        if (Option.isNone(lease)) {
          yield* Effect.sleep(lookEvery)
          continue
        }
        yield* Effect.raceFirst(work(lease.value), this.renew(lease.value)).pipe(
          Effect.catch(() => Effect.logWarning(`Another server acts for ${this.processor} now`)),
          Effect.onInterrupt(() => this.release(lease.value)),
          Effect.andThen(Effect.sleep(lookEvery))
        )
      }
    })
  }

  private readonly claim = Effect.suspend(() =>
    this.checkpoints.claim(this.processor, this.owner, this.millis, true).pipe(
      Effect.catch(() => Effect.succeed(Option.none<Lease>()))
    )
  )

  private renew(lease: Lease): Effect.Effect<never, Lost> {
    return Effect.gen({ self: this }, function*() {
      let heldSince = yield* now
      while (true) {
        yield* Effect.sleep(this.millis / renewals)
        const asked = yield* now
        const renewed = yield* Effect.result(this.checkpoints.claim(this.processor, this.owner, this.millis, true))
        if (renewed._tag === "Success") {
          if (Option.isNone(renewed.success) || renewed.success.value.epoch !== lease.epoch) return yield* new Lost()
          heldSince = asked
        } else if ((yield* now) - heldSince > this.millis) return yield* new Lost()
      }
    })
  }

  private release(lease: Lease): Effect.Effect<void> {
    return this.checkpoints.release(lease).pipe(Effect.timeoutOption(releaseTime), Effect.ignore)
  }
}
