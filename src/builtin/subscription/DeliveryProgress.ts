/**
 * How far one subscription has come, and how that is written: lazily, one write at a time, and never in the way of the
 * next push. After a crash what was not written yet is pushed once more.
 */
import { Effect, Latch, Semaphore } from "effect"
import type { Scope } from "effect"
import type { Any } from "../../domain/EventType.ts"
import type { Fiber } from "../../processor/Hooks.ts"
import type { Cursor, Failing, Place } from "./DeliveryCursor.ts"
import * as FollowPlace from "./FollowPlace.ts"

/** What the runtime gives to the fiber of a subscription. */
export type Tools = Pick<
  Fiber<unknown, Any>,
  "streamPath" | "key" | "cursor" | "moveCursor" | "append" | "appendAll"
>

/** Pause between two writes while pushes are taken: as much is pushed again after a crash. */
const busyPause = "100 millis"
/** How long it is not written that what nobody wants was passed over: as much is read again. */
const passedPause = "2 seconds"

export class Progress {
  cursor: Cursor
  private readonly tools: Tools
  private written: Cursor
  private readonly commits = Semaphore.makeUnsafe(1)
  private readonly moved = Latch.makeUnsafe()
  private readonly delivered = Latch.makeUnsafe()

  constructor(tools: Tools, stored: Cursor | undefined, cursor: Cursor) {
    this.tools = tools
    this.cursor = cursor
    this.written = stored ?? { ...cursor, generation: -1 }
  }

  /** Writes what has moved, until the scope closes, and then the rest. */
  readonly start: Effect.Effect<void, never, Scope.Scope> = Effect.gen({ self: this }, function*() {
    yield* Effect.addFinalizer(() => this.write)
    yield* Effect.forkScoped(this.writing)
  })

  /** What the cursor is once everything up to a place was taken, or passed over. */
  behind(at: Place): Cursor {
    const { failing, generation } = this.cursor
    const isStill = failing !== undefined && FollowPlace.isBehind(failing.end, at)
    return isStill ? { at, generation, failing } : { at, generation }
  }

  /** The same with a push that was not taken. */
  at(failing: Failing): Cursor {
    const { at, generation } = this.cursor
    return { at, generation, failing }
  }

  /** Everything up to there was taken. */
  deliver(at: Place): void {
    this.cursor = this.behind(at)
    this.moved.openUnsafe()
    this.delivered.openUnsafe()
  }

  /** Nothing up to there is wanted. */
  pass(at: Place): void {
    if (!FollowPlace.isBehind(at, this.cursor.at)) return
    this.cursor = this.behind(at)
    this.moved.openUnsafe()
  }

  /** Records something together with a cursor, which is written from then on. */
  record<A, E, R>(cursor: Cursor, commit: (cursor: Cursor) => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    // Behind a write that is under way: of two at once the older one could come last. Who is called off knows all the
    // same what is written: else it would write what it was before.
    return this.commits.withPermit(Effect.uninterruptible(Effect.tap(commit(cursor), () =>
      Effect.sync(() => {
        this.cursor = cursor
        this.written = cursor
      }))))
  }

  /** Moves the cursor, and waits until that is written. */
  move(cursor: Cursor): Effect.Effect<void> {
    return this.record(cursor, this.tools.moveCursor)
  }

  private readonly write: Effect.Effect<void> = Effect.suspend(() => {
    const { cursor } = this
    return cursor === this.written ? Effect.void : this.commits.withPermit(Effect.suspend(() => {
      const { cursor } = this
      if (cursor === this.written) return Effect.void
      return Effect.uninterruptible(Effect.map(this.tools.moveCursor(cursor), () => {
        this.written = cursor
      }))
    }))
  })

  private readonly writing: Effect.Effect<never> = Effect.gen({ self: this }, function*() {
    while (true) {
      yield* this.moved.await
      yield* Effect.timeoutOption(this.delivered.await, passedPause)
      this.moved.closeUnsafe()
      this.delivered.closeUnsafe()
      yield* this.write
      yield* Effect.sleep(busyPause)
    }
  })
}

