/**
 * Hooks take turns on a server: so many are under way at a time, each for so long. A processor begins one only while it
 * has fewer under way than places are free; one place it has for itself, so that however many processors hang, another
 * one goes on, if only with one hook after the other. A hook that can not be interrupted keeps its place until it ends.
 */
import { Effect, Exit, Fiber, Metric, Option } from "effect"

/** Hooks under way at a time, on a server, beside one a processor: each is a fiber of some kilobytes. */
const maxRunning = 4_096
/** How long an attempt may take, in minutes: what answers slowest and still means to is a language model. */
const maxMinutes = 10

const running = Metric.gauge("millstream_hooks_running", { description: "Hooks under way" })
const waiting = Metric.gauge("millstream_hooks_waiting", { description: "Instances whose hook waits for its turn" })

/** Runs a hook when it is its turn, and fails where that takes too long. */
export type TakeTurn = <A, E, R>(hook: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Error, R>

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

/** A processor's part. */
interface Share {
  running: number
  /** Each begins when it is called. */
  readonly waiting: Set<() => void>
}

export class HookTurns {
  private readonly most: number
  private running = 0
  private waiting = 0
  /** Those with some that wait, in the order in which they are asked. */
  private readonly queue = new Set<Share>()

  constructor(most = maxRunning) {
    this.most = most
  }

  /** The turns of one processor. */
  share(): TakeTurn {
    const share: Share = { running: 0, waiting: new Set() }
    return (hook) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.suspend(() => {
          // Where some wait it may not, or they had been called.
          if (!this.mayBegin(share)) {
            const run = Effect.ensuring(this.run(share, hook, restore), this.tell)
            return Effect.andThen(this.wait(share, restore), run)
          }
          this.begin(share)
          return this.run(share, hook, restore)
        })
      )
  }

  private mayBegin(share: Share): boolean {
    return share.running === 0 || share.running < this.most - this.running
  }

  private begin(share: Share): void {
    share.running += 1
    this.running += 1
  }

  private end(share: Share): void {
    share.running -= 1
    this.running -= 1
    // One of each in turn; a share that is asked again is behind the others.
    for (const next of this.queue) {
      const [call] = next.waiting
      if (call === undefined || !this.mayBegin(next)) continue
      this.begin(next)
      this.leave(next, call)
      if (this.queue.delete(next)) this.queue.add(next)
      call()
    }
  }

  private leave(share: Share, call: () => void): boolean {
    if (!share.waiting.delete(call)) return false
    this.waiting -= 1
    if (share.waiting.size === 0) this.queue.delete(share)
    return true
  }

  /** Returns when it has begun. */
  private wait(share: Share, restore: Restore): Effect.Effect<void> {
    return Effect.suspend(() => {
      let resume: (effect: Effect.Effect<void>) => void = () => {}
      // Not within the turn of the one that ended: thousands that end at once would be as deep a stack.
      const call = () => resume(Effect.yieldNow)
      share.waiting.add(call)
      this.queue.add(share)
      this.waiting += 1
      return Effect.andThen(
        this.tell,
        restore(Effect.callback<void>((next) => {
          if (share.waiting.has(call)) resume = next
          else next(Effect.void)
        }))
      ).pipe(
        Effect.onInterrupt(() =>
          Effect.suspend(() => {
            // It was called and does not come.
            if (!this.leave(share, call)) this.end(share)
            return this.tell
          })
        )
      )
    })
  }

  /** Runs what has begun. */
  private run<A, E, R>(share: Share, hook: Effect.Effect<A, E, R>, restore: Restore): Effect.Effect<A, E | Error, R> {
    return Effect.flatMap(Effect.forkChild(hook, { startImmediately: true }), (fiber) => {
      const exit = fiber.pollUnsafe()
      // Most only emit: neither a timer nor the metrics are for them.
      if (exit !== undefined) {
        this.end(share)
        return exit
      }
      return Effect.andThen(this.tell, restore(Effect.timeoutOption(Fiber.await(fiber), `${maxMinutes} minutes`))).pipe(
        Effect.ensuring(Fiber.interrupt(fiber)),
        Effect.ensuring(Effect.suspend(() => {
          this.end(share)
          return this.tell
        })),
        Effect.flatMap((ended): Effect.Effect<A, E | Error> => Option.getOrElse(ended, () => Exit.fail(tooLong)))
      )
    })
  }

  private readonly tell = Effect.suspend(() =>
    Effect.andThen(Metric.update(running, this.running), Metric.update(waiting, this.waiting))
  )
}

const tooLong = new Error(
  `The hook was interrupted after ${maxMinutes} minutes: bound what it waits for, or leave it to a fiber`
)
