/**
 * Whether this server acts for a processor: it holds the lease while it renews it, and stops at once when it may
 * have lost it. Commits are refused by the lease's epoch all the same, so a server that was frozen does no harm.
 */
import { Clock, Data, Duration, Effect, Fiber, Option } from "effect"
import type { Fenced } from "../domain/StreamError.ts"
import { Unavailable } from "../domain/StreamError.ts"
import type { Checkpoints, Lease } from "../log/Checkpoints.ts"
import * as Outage from "../log/Outage.ts"

/** How often a lease is renewed while it holds. */
const renewals = 3
/** And how often where that failed, so that an outage costs the lease only if it is about as long. */
const retries = 12
/** Pause between looks at a lease that another server holds: a takeover comes so much after it ran out. */
export const lookEvery = Duration.seconds(1)
/** How long a server that stops waits to give its lease back; it runs out by itself. */
const releaseTime = "1 second"

/** The process's monotonic clock, in milliseconds. */
const now = Effect.map(Clock.monotonicTimeNanos, (nanos) => Number(nanos / 1_000_000n))

class Lost extends Data.TaggedError("Lost")<{ readonly because: "refused" | "silence" }> {}

export interface Options {
  readonly checkpoints: Checkpoints["Service"]
  readonly processor: string
  readonly version: number
  /** How long a lease holds. */
  readonly millis: number
}

export class Ownership {
  private readonly options: Options
  private readonly owner = crypto.randomUUID()
  private readonly outage: ReturnType<typeof Outage.make>

  constructor(options: Options) {
    this.options = options
    this.outage = Outage.make(`Asking for the lease of ${options.processor}`, "trying again")
  }

  /** Runs the work whenever the lease is held, for ever, whatever becomes of the work. */
  whileHeld(work: (lease: Lease) => Effect.Effect<never, Fenced>): Effect.Effect<never> {
    const { millis, processor } = this.options
    return Effect.gen({ self: this }, function*() {
      while (true) {
        const asked = yield* now
        const lease = Option.flatten(yield* Effect.option(this.claim(millis)))
        if (Option.isNone(lease)) {
          yield* Effect.sleep(lookEvery)
          continue
        }
        yield* Effect.raceFirst(work(lease.value), this.renew(lease.value, asked)).pipe(
          Effect.ensuring(this.release(lease.value)),
          Effect.catch((error) => this.tell(error)),
          Effect.catchCause((cause) => Effect.logError(`${processor} met a defect; it goes on in a moment`, cause)),
          Effect.andThen(Effect.sleep(lookEvery))
        )
      }
    })
  }

  /** Asks for the lease, and waits for an answer so long. */
  private claim(patience: number): Effect.Effect<Option.Option<Lease>, Unavailable> {
    const { checkpoints, millis, processor, version } = this.options
    return Effect.gen({ self: this }, function*() {
      // On its own, since a question to a log that hangs may be as slow to take back.
      const asking = yield* Effect.forkDetach(
        checkpoints.claim(processor, this.owner, millis, { version, isPartOfServer: true })
      )
      const answer = yield* Fiber.join(asking).pipe(
        Effect.timeoutOption(patience),
        Effect.onInterrupt(() => Fiber.interrupt(asking))
      )
      if (Option.isSome(answer)) return answer.value
      asking.interruptUnsafe()
      return yield* new Unavailable({ reason: "The log does not answer", retryAfterSeconds: 1 })
    }).pipe(this.outage)
  }

  /** Renews a lease; each answer has to come before what is left of it is over. */
  private renew(lease: Lease, asked: number): Effect.Effect<never, Lost> {
    const { millis } = this.options
    return Effect.gen({ self: this }, function*() {
      let until = asked + millis
      let pause = millis / renewals
      while (true) {
        yield* Effect.sleep(Math.max(0, Math.min(pause, until - (yield* now))))
        const from = yield* now
        if (from >= until) return yield* new Lost({ because: "silence" })
        const renewed = yield* Effect.result(this.claim(until - from))
        pause = millis / (renewed._tag === "Success" ? renewals : retries)
        if (renewed._tag === "Failure") continue
        if (Option.isNone(renewed.success) || renewed.success.value.epoch !== lease.epoch) {
          return yield* new Lost({ because: "refused" })
        }
        until = from + millis
      }
    })
  }

  /** Gives the lease back; where that fails it runs out by itself. */
  private release(lease: Lease): Effect.Effect<void> {
    return this.options.checkpoints.release(lease).pipe(
      Effect.tapError((error) => Effect.logDebug(`The lease of ${lease.processor} runs out by itself`, error)),
      Effect.timeoutOption(releaseTime),
      Effect.ignore
    )
  }

  /** Says why this server stopped. */
  private tell(error: Lost | Fenced): Effect.Effect<void> {
    const { checkpoints, processor, version } = this.options
    if (error._tag === "Lost" && error.because === "silence") {
      return Effect.logWarning(`${processor} stops: its lease ran out, for the log did not answer in time`)
    }
    return Effect.flatMap(Effect.option(checkpoints.registered), (known) => {
      const other = Option.getOrElse(known, () => []).find((each) => each.processor === processor)?.version ?? version
      return other === version
        ? Effect.logWarning(`${processor} stops: another server acts for it now`)
        : Effect.logWarning(`${processor} stops: version ${other} of it is registered, and this server has ${version}`)
    })
  }
}
