/**
 * Reads that several followers share: who asks for the same page while it is read, or just after, gets the very same
 * one. Followers that have caught up are fed from the log's own memory and do not come here.
 */
import { Clock, Deferred, Effect, Exit } from "effect"
import type { Scope } from "effect"
import type { JsonText } from "../../domain/EventText.ts"
import type { Unavailable } from "../../domain/StreamError.ts"
import * as Path from "../../domain/StreamPath.ts"
import type { EventStore, Page, PrefixPage } from "../../log/EventStore.ts"
import type { Growth } from "../../log/Growth.ts"

/** Bound of the pages that are kept for who comes a little later, in characters: of single streams, and of prefixes. */
const maxKept = 16_777_216
/** For how long, in milliseconds: what was deleted meanwhile, without this server being told, is not read from here. */
const keptMillis = 1_000

interface Flight<A> {
  readonly began: number
  readonly landed: Deferred.Deferred<A, Unavailable>
}

interface Kept<A> {
  readonly page: A
  readonly at: number
  readonly size: number
}

class Flights<A> {
  private readonly scope: Scope.Scope
  /** Whether more is known to follow: then the page is the same whenever it is read. */
  private readonly isWhole: (page: A) => boolean
  /** In characters. */
  private readonly sizeOf: (page: A) => number
  private readonly flights = new Map<string, Flight<A>>()
  private readonly kept = new Map<string, Kept<A>>()
  private size = 0
  private asked = 0
  private clears = 0

  constructor(scope: Scope.Scope, isWhole: (page: A) => boolean, sizeOf: (page: A) => number) {
    this.scope = scope
    this.isWhole = isWhole
    this.sizeOf = sizeOf
  }

  /** A stream was deleted: its pages are gone. */
  clear(): void {
    this.kept.clear()
    this.size = 0
    this.clears += 1
  }

  get(key: string, load: Effect.Effect<A, Unavailable>): Effect.Effect<A, Unavailable> {
    return Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const kept = this.kept.get(key)
      if (kept !== undefined && now - kept.at <= keptMillis) return Effect.succeed(kept.page)
      return this.join(key, load, ++this.asked)
    })
  }

  private join(key: string, load: Effect.Effect<A, Unavailable>, asked: number): Effect.Effect<A, Unavailable> {
    return Effect.suspend(() => {
      const flight = this.flights.get(key)
      if (flight === undefined) return this.begin(key, load)
      return Effect.flatMap(Deferred.await(flight.landed), (page) =>
        // The end of a stream, as it was before this was asked, may not be its end any more.
        flight.began >= asked || this.isWhole(page) ? Effect.succeed(page) : this.join(key, load, asked))
    })
  }

  private begin(key: string, load: Effect.Effect<A, Unavailable>): Effect.Effect<A, Unavailable> {
    const flight: Flight<A> = { began: ++this.asked, landed: Deferred.makeUnsafe() }
    const { clears } = this
    this.flights.set(key, flight)
    const read = Effect.onExit(load, (exit) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        this.flights.delete(key)
        if (Exit.isSuccess(exit) && this.isWhole(exit.value) && clears === this.clears) this.keep(key, exit.value, now)
        Deferred.doneUnsafe(flight.landed, exit)
      }))
    // In a fiber of its own, since who asked first may be called off.
    return Effect.andThen(Effect.forkIn(Effect.exit(read), this.scope), Deferred.await(flight.landed))
  }

  private keep(key: string, page: A, at: number): void {
    this.drop(key)
    const size = this.sizeOf(page)
    this.kept.set(key, { page, at, size })
    this.size += size
    for (const [oldest, { at: then }] of this.kept) {
      if (this.size <= maxKept && at - then <= keptMillis) break
      this.drop(oldest)
    }
  }

  private drop(key: string): void {
    this.size -= this.kept.get(key)?.size ?? 0
    this.kept.delete(key)
  }
}

const lengthOf = (lines: ReadonlyArray<JsonText>): number => lines.reduce((sum, { length }) => sum + length, 0)

/** The log, whose pages are shared for as long as the scope is open. */
export const share = (
  store: EventStore["Service"],
  growth: Growth["Service"]
): Effect.Effect<EventStore["Service"], never, Scope.Scope> =>
  Effect.gen(function*() {
    const scope = yield* Effect.scope
    const pages = new Flights<Page>(scope, ({ head, last }) => last < head, ({ lines }) => lengthOf(lines))
    const linesOf = ({ lines }: PrefixPage) => lines.map(({ line }) => line)
    const prefixPages = new Flights<PrefixPage>(scope, ({ more }) => more, (page) => lengthOf(linesOf(page)))
    yield* Effect.acquireRelease(
      Effect.sync(() => growth.onPrefix(Path.root, ({ deleted }) => {
        if (!deleted) return
        pages.clear()
        prefixPages.clear()
      })),
      (stop) => Effect.sync(stop)
    )
    return {
      ...store,
      read: (path, options) => {
        const { after, before, limit, types } = options
        const key = JSON.stringify([path, after, before, limit, types])
        return pages.get(key, Effect.suspend(() => store.read(path, options)))
      },
      readWithin: (prefix, options) => {
        const { after: { position, tx }, before, limit, types } = options
        const key = JSON.stringify([prefix, String(tx), String(position), String(before), limit, types])
        return prefixPages.get(key, Effect.suspend(() => store.readWithin(prefix, options)))
      }
    }
  })
