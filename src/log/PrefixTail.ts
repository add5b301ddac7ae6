/**
 * Reads a stream and all below it in commit order, and goes on. What is recorded while an older transaction
 * is under way is waited for, so nothing is skipped.
 */
import { Effect } from "effect"
import type { Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Cursor, EventStore, PrefixPage } from "./EventStore.ts"
import type { Growth } from "./Growth.ts"

export type Step =
  | { readonly _tag: "Events"; readonly page: PrefixPage }
  | { readonly _tag: "CaughtUp"; readonly cursor: Cursor }
  | { readonly _tag: "End" }

export interface Options {
  readonly after: Cursor
  readonly types?: ReadonlyArray<string> | undefined
  /** Ends before this transaction; none goes on for ever. */
  readonly before?: bigint | undefined
}

/** The place before everything. */
export const start: Cursor = { tx: 0n, position: 0n }

/** The place behind all transactions before one. */
export const endOf = (before: bigint): Cursor => ({ tx: before - 1n, position: 2n ** 63n - 1n })

/** How long what may not be read yet is left alone, in milliseconds: an older transaction ends soon. */
const pendingMillis = 10
/** The longest of those pauses, each being twice the one before: a transaction that is long is not asked for often. */
const maxPendingMillis = 1_000
/** How long a reader of what exists waits for transactions that are under way; a longer one is not waited for. */
const settleTime = "2 seconds"

/** The transaction before which everything that exists now can be read. */
export const settled = (store: EventStore["Service"], prefix: StreamPath): Effect.Effect<bigint, Unavailable> => {
  const look = store.readWithin(prefix, { after: start, limit: 1 })
  return Effect.flatMap(look, (first) => {
    const again: Effect.Effect<bigint, Unavailable> = Effect.flatMap(
      Effect.delay(look, pendingMillis),
      ({ horizon }) => horizon < first.newest ? again : Effect.succeed(first.newest)
    )
    return first.horizon >= first.newest ? Effect.succeed(first.newest) : Effect.timeoutOrElse(again, {
      duration: settleTime,
      orElse: () => Effect.map(look, ({ horizon }) => horizon)
    })
  })
}

export class PrefixTail {
  private readonly store: EventStore["Service"]
  private readonly prefix: StreamPath
  private readonly options: Options
  private readonly stop: () => void
  private cursor: Cursor
  private unread = true
  /** Transactions before this may have recorded what a signal told of: it must be readable before the tail rests. */
  private awaited = 0n
  private horizon = 0n
  private pending = pendingMillis
  private hasCaughtUp = false
  private wake: (() => void) | undefined = undefined

  constructor(store: EventStore["Service"], growth: Growth["Service"], prefix: StreamPath, options: Options) {
    this.store = store
    this.prefix = prefix
    this.options = options
    this.cursor = options.after
    this.stop = options.before === undefined
      ? growth.onPrefix(prefix, () => {
        this.unread = true
        this.wake?.()
      })
      : () => undefined
  }

  close(): void {
    this.stop()
  }

  /** The next step; waits for growth once it is caught up. */
  readonly next: Effect.Effect<Step, Unavailable> = Effect.suspend(() => {
    if (this.unread) return this.read
    if (this.options.before !== undefined) return Effect.succeed<Step>({ _tag: "End" })
    if (this.horizon < this.awaited) {
      const pause = this.pending
      this.pending = Math.min(2 * pause, maxPendingMillis)
      return Effect.delay(this.read, pause)
    }
    if (!this.hasCaughtUp) {
      this.hasCaughtUp = true
      return Effect.succeed<Step>({ _tag: "CaughtUp", cursor: this.cursor })
    }
    return Effect.andThen(this.growth, this.next)
  })

  private readonly growth: Effect.Effect<void> = Effect.callback((resume) => {
    this.wake = () => {
      this.wake = undefined
      resume(Effect.void)
    }
    return Effect.sync(() => {
      this.wake = undefined
    })
  })

  private readonly read: Effect.Effect<Step, Unavailable> = Effect.suspend(() => {
    const isNew = this.unread
    this.unread = false
    const { before, types } = this.options
    return Effect.flatMap(this.store.readWithin(this.prefix, { after: this.cursor, before, types }), (page) => {
      this.cursor = page.last
      if (page.more) this.unread = true
      if (page.horizon !== this.horizon) this.pending = pendingMillis
      this.horizon = page.horizon
      if (isNew) this.awaited = page.newest
      return page.lines.length === 0 ? this.next : Effect.succeed<Step>({ _tag: "Events", page })
    })
  })
}
