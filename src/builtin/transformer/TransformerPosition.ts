/**
 * How far a transformer has come, and what of it is recorded. Known limit: what it passed in the last second before it
 * was killed it looks at again.
 */
import { Effect, Result, Schema, Semaphore } from "effect"
import type { Scope } from "effect"
import type { Event } from "../../domain/Event.ts"
import type * as EventTypes from "../../domain/EventType.ts"
import type { Addressed, Fiber } from "../../processor/Hooks.ts"

/** So long what does not match is passed without its being recorded: after a restart that much is looked at again. */
const movesAfter = "1 second"

/** `at` is an offset of its stream. */
const Cursor = Schema.Struct({ at: Schema.Int })
const decode = Schema.decodeUnknownResult(Cursor)
const cursorAt = (at: number): typeof Cursor.Type => ({ at })

export type Tools = Fiber<unknown, EventTypes.Any>

export class Position {
  private readonly tools: Tools
  private readonly scope: Scope.Scope
  /** What records it does so one after the other, so that it never goes back. */
  private readonly one = Semaphore.makeUnsafe(1)
  private at: number
  private recorded: number
  private willMove = false

  /** Where it was when it was stopped, but not before `since`. */
  static readonly open = Effect.fnUntraced(function*(tools: Tools, since: number) {
    const stored = decode(yield* tools.cursor)
    return new Position(tools, yield* Effect.scope, Math.max(since, Result.isSuccess(stored) ? stored.success.at : 0))
  })

  private constructor(tools: Tools, scope: Scope.Scope, at: number) {
    this.tools = tools
    this.scope = scope
    this.at = at
    this.recorded = at
  }

  /** All up to this offset is done. */
  get offset(): number {
    return this.at
  }

  /** Records what an event led to, and that it is passed. */
  commit(offset: number, appends: ReadonlyArray<Addressed<EventTypes.Any>>, answering: Event) {
    return this.one.withPermit(Effect.suspend(() => {
      // What is told of a failure may be about an event that was passed long ago.
      const at = Math.max(this.at, offset)
      return Effect.tap(this.tools.appendAll(appends, { answering, cursor: cursorAt(at) }), () =>
        Effect.sync(() => {
          this.at = Math.max(this.at, at)
          this.recorded = at
        }))
    }))
  }

  /** All up to here is done; that is recorded soon. */
  pass(offset: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.at = Math.max(this.at, offset)
      if (this.willMove || this.at === this.recorded) return Effect.void
      this.willMove = true
      return Effect.asVoid(Effect.forkIn(Effect.delay(this.move, movesAfter), this.scope))
    })
  }

  private readonly move = Effect.suspend(() => {
    this.willMove = false
    return this.one.withPermit(Effect.suspend(() => {
      const { at } = this
      if (at === this.recorded) return Effect.void
      return Effect.map(this.tools.moveCursor(cursorAt(at)), () => {
        this.recorded = at
      })
    }))
  })
}
