/**
 * Reads a stream and goes on reading it: history and live are the same, pages after an offset, so they join
 * without gap or duplicate. Who is caught up is fed from memory, without a fiber being woken.
 */
import { Effect, Fiber } from "effect"
import type { Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { EventStore, Page } from "./EventStore.ts"
import { pageEvents } from "./EventStore.ts"
import type { Grown, Growth } from "./Growth.ts"

export type Step =
  /** Events, at least one. */
  | { readonly _tag: "Events"; readonly page: Page }
  /** History is through; said once, unless the reader wants to hear it again. */
  | { readonly _tag: "CaughtUp"; readonly offset: number }
  /** The stream was deleted, or all that was asked for has been read. */
  | { readonly _tag: "Deleted" }
  | { readonly _tag: "End" }
  /** The outlet took a page and wants no more until it has drained. */
  | { readonly _tag: "Full" }

/** Takes a page at once; false where it wants no more until it has drained. */
export type Outlet = (page: Page) => boolean

export interface Options {
  /** Exclusive. */
  readonly after: number
  /** Exclusive; the tail ends there. */
  readonly before?: number | undefined
  readonly types?: ReadonlyArray<string> | undefined
  /** How many events the reader counts on, so that no more are read; the tail does not end there. */
  readonly limit?: number | undefined
  /** Which life of the stream is meant; none: the one that it meets. */
  readonly life?: bigint | undefined
  /** Whether it says again that it has caught up behind a page that did not reach the head. */
  readonly again?: boolean | undefined
  /** Whether it goes on behind what exists now. */
  readonly live: boolean
}

export class Tail {
  private readonly store: EventStore["Service"]
  private readonly path: StreamPath
  private readonly options: Options
  private readonly stop: () => void
  private cursor: number
  /** Where a tail that is not live ends: the head that its first page saw. */
  private end: number
  /** What the reader still counts on; more than that comes in pages as it would without a limit. */
  private left: number
  private life: bigint | undefined
  /** The head that it was told of; without bound where it was not told which. Up to here there is something to read. */
  private told = Number.POSITIVE_INFINITY
  private isDeleted = false
  private hasCaughtUp = false
  private ahead: Fiber.Fiber<Page, Unavailable> | undefined = undefined
  private outlet: Outlet | undefined = undefined
  private wake: ((step: Effect.Effect<Step, Unavailable>) => void) | undefined = undefined

  constructor(store: EventStore["Service"], growth: Growth["Service"], path: StreamPath, options: Options) {
    this.store = store
    this.path = path
    this.options = options
    this.cursor = options.after
    this.life = options.life
    this.left = options.limit ?? Number.POSITIVE_INFINITY
    this.end = (options.before ?? Number.POSITIVE_INFINITY) - 1
    // Listening begins before the first page is read: what is appended in between finds itself read, never missed.
    this.stop = options.live ? growth.onStream(path, (grown) => this.hear(grown)) : () => undefined
  }

  /** Hands pages straight to the outlet while somebody waits in `next`. */
  feed(outlet: Outlet): void {
    this.outlet = outlet
  }

  close(): void {
    this.stop()
  }

  /** The next step; waits for growth once it is caught up. */
  readonly next: Effect.Effect<Step, Unavailable> = Effect.suspend(() => {
    if (this.isDeleted) return Effect.succeed<Step>({ _tag: "Deleted" })
    if (this.cursor >= this.end) return Effect.succeed<Step>({ _tag: "End" })
    const recent = this.ahead === undefined ? this.recent() : undefined
    if (recent !== undefined) return this.advance(recent)
    if (this.isUnread) return this.read
    if (!this.hasCaughtUp) {
      this.hasCaughtUp = true
      return Effect.succeed<Step>({ _tag: "CaughtUp", offset: this.cursor })
    }
    return this.growth
  })

  private readonly growth: Effect.Effect<Step, Unavailable> = Effect.callback((resume) => {
    this.wake = resume
    return Effect.sync(() => {
      this.wake = undefined
    })
  })

  /** A page that was not read to its end is unread as before. */
  private readonly read: Effect.Effect<Step, Unavailable> = Effect.suspend(() =>
    Effect.onError(this.readPage, () =>
      Effect.sync(() => {
        this.told = Number.POSITIVE_INFINITY
      }))
  )

  private readonly readPage: Effect.Effect<Step, Unavailable> = Effect.gen({ self: this }, function*() {
    this.told = 0
    const { ahead } = this
    this.ahead = undefined
    const page = yield* ahead === undefined ? this.load(this.cursor, this.left) : Fiber.join(ahead)
    if (this.life !== undefined && this.life !== page.life) this.isDeleted = true
    this.life = page.life
    if (!this.options.live) this.end = Math.min(this.end, page.head)
    if (page.last < Math.min(page.head, this.end)) {
      this.told = Math.max(this.told, page.head)
      // History is read one page ahead, so that Postgres works while the last page is sent.
      const left = this.left - page.lines.length
      if (left > 0) this.ahead = yield* Effect.forkChild(this.load(page.last, left))
    }
    return yield* this.advance(page)
  })

  private get isUnread(): boolean {
    return this.told > this.cursor
  }

  private load(after: number, left: number): Effect.Effect<Page, Unavailable> {
    const { types } = this.options
    const before = Math.min(this.end + 1, Number.MAX_SAFE_INTEGER)
    const limit = left > 0 && left < pageEvents ? left : undefined
    return this.store.read(this.path, { after, before, types, limit })
  }

  private advance(page: Page): Effect.Effect<Step, Unavailable> {
    if (this.isDeleted) return this.next
    this.cursor = Math.max(this.cursor, page.last)
    this.left -= page.lines.length
    if (page.lines.length === 0) return this.next
    if (this.options.again === true && page.last < page.head) this.hasCaughtUp = false
    return Effect.succeed<Step>({ _tag: "Events", page })
  }

  /** What is in memory after the cursor, less what is not wanted. */
  private recent(): Page | undefined {
    const { before, live, types } = this.options
    const page = live && before === undefined ? this.store.recent(this.path, this.cursor) : undefined
    if (page === undefined) return undefined
    return types === undefined
      ? page
      : { ...page, lines: page.lines.filter((_, i) => types.includes(page.types?.[i] ?? "")) }
  }

  private hear(grown: Grown): void {
    if (grown.deleted) this.isDeleted = true
    else if (grown.head !== undefined && grown.head <= this.cursor) return
    else this.told = Math.max(this.told, grown.head ?? Number.POSITIVE_INFINITY)
    const { wake } = this
    if (wake === undefined) return
    const page = this.outlet === undefined || this.isDeleted ? undefined : this.recent()
    if (page === undefined || this.outlet === undefined) {
      this.wake = undefined
      return wake(this.next)
    }
    // A local writer's head is what the ring ends with, so this page is all there is.
    this.cursor = page.last
    const hasRoom = page.lines.length === 0 || this.outlet(page)
    if (hasRoom && !this.isUnread) return
    this.wake = undefined
    wake(hasRoom ? this.next : Effect.succeed<Step>({ _tag: "Full" }))
  }
}
