/**
 * Whether an instance has nothing to do for a while. One whose fibers run is not asked: thousands that wait with one
 * cost no timer.
 */
import { Effect, Latch } from "effect"
import type { Duration } from "effect"

export interface Options {
  /** How long it stays awake when nothing comes. */
  readonly time: () => Duration.Duration
  /** Whether a fiber of it should run. */
  readonly isBusy: () => boolean
  /** Returns once everything that it did is written. */
  readonly flushed: Effect.Effect<void>
}

export class Idleness {
  private readonly options: Options
  /** Open where no fiber should run. */
  private readonly withoutFibers = Latch.makeUnsafe(true)
  /** Whether it waits for its stream, and how many steps of that there were. */
  private isWaiting = false
  private steps = 0

  constructor(options: Options) {
    this.options = options
  }

  /** It waits for its stream from here on, or looks for what there is. */
  wait(isWaiting: boolean): void {
    this.isWaiting = isWaiting
  }

  /** Its stream went on. */
  step(): void {
    this.isWaiting = false
    this.steps += 1
  }

  /** The fibers that should run may be others. */
  noteBusy(): void {
    if (this.options.isBusy()) this.withoutFibers.closeUnsafe()
    else this.withoutFibers.openUnsafe()
  }

  /** Returns once it waits for its stream and has nothing else to do. */
  readonly comes: Effect.Effect<void> = Effect.gen({ self: this }, function*() {
    const { flushed, isBusy, time } = this.options
    while (true) {
      yield* this.withoutFibers.await
      const { steps } = this
      yield* Effect.sleep(time())
      const isIdle = () => this.isWaiting && this.steps === steps && !isBusy()
      if (!isIdle()) continue
      yield* flushed
      if (isIdle()) return
    }
  })
}
