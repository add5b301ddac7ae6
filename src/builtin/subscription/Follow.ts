/**
 * A stream, or a stream with all below it, as stretches of events behind a place: what exists and then what comes.
 * While the log is away it waits. Types are not asked for: who follows the same stream from the same place shares what
 * is read, whatever each of them wants, and is told how far the stream has come.
 */
import { Effect } from "effect"
import type { JsonText } from "../../domain/EventText.ts"
import * as EventText from "../../domain/EventText.ts"
import type { Unavailable } from "../../domain/StreamError.ts"
import type { StreamPath } from "../../domain/StreamPath.ts"
import type { EventStore } from "../../log/EventStore.ts"
import type { Growth } from "../../log/Growth.ts"
import { PrefixTail } from "../../log/PrefixTail.ts"
import { Tail } from "../../log/Tail.ts"
import * as Outage from "../../log/Outage.ts"
import type { Place } from "./DeliveryCursor.ts"
import * as FollowPlace from "./FollowPlace.ts"

export interface Stretch {
  /** Events in their wire form, at least one. */
  readonly lines: ReadonlyArray<JsonText>
  /** Behind one of them. */
  readonly place: (index: number) => Place
  readonly last: Place
  /** Whether more is known to exist. */
  readonly more: boolean
}

export interface Options {
  readonly path: StreamPath
  /** Whether what happens below counts too. */
  readonly descendants: boolean
  readonly after: Place
  /** Where the reader will stop, if it knows: no more is read then. */
  readonly upTo?: Place | undefined
}

interface Following {
  /** None where the stream was deleted. */
  readonly next: Effect.Effect<Stretch | undefined, Unavailable>
  readonly close: () => void
}

const one = (
  store: EventStore["Service"],
  growth: Growth["Service"],
  { path, upTo }: Options,
  after: number
): Following => {
  const limit = typeof upTo === "number" ? Math.max(1, upTo - after) : undefined
  const tail = new Tail(store, growth, path, { after, limit, live: true })
  const next: Following["next"] = Effect.flatMap(tail.next, (step) => {
    if (step._tag !== "Events") return step._tag === "CaughtUp" ? next : Effect.undefined
    const { head, last, lines } = step.page
    return Effect.succeed({
      lines,
      place: (index: number) => {
        const line = lines[index]
        return line === undefined ? last : EventText.offsetOf(line)
      },
      last,
      more: last < head
    })
  })
  return { next, close: () => tail.close() }
}

const within = (
  store: EventStore["Service"],
  growth: Growth["Service"],
  { path }: Options,
  after: string
): Following => {
  const tail = new PrefixTail(store, growth, path, { after: FollowPlace.decode(after) })
  const next: Following["next"] = Effect.flatMap(tail.next, (step) => {
    if (step._tag !== "Events") return step._tag === "CaughtUp" ? next : Effect.undefined
    const { last, lines, more } = step.page
    return Effect.succeed({
      lines: lines.map(({ line }) => line),
      place: (index: number) => FollowPlace.encode(lines[index]?.cursor ?? last),
      last: FollowPlace.encode(last),
      more
    })
  })
  return { next, close: () => tail.close() }
}

export class Follow {
  private readonly store: EventStore["Service"]
  private readonly growth: Growth["Service"]
  private readonly options: Options
  private after: Place
  private following: Following

  constructor(store: EventStore["Service"], growth: Growth["Service"], options: Options) {
    this.store = store
    this.growth = growth
    this.options = options
    this.after = options.after
    this.following = this.begin()
  }

  private begin(): Following {
    const { after, growth, options, store } = this
    return typeof after === "number" ? one(store, growth, options, after) : within(store, growth, options, after)
  }

  /** The next stretch; waits for growth. One fiber asks for all of them: what is read ahead ends with it. */
  readonly next: Effect.Effect<Stretch> = Effect.suspend(() => this.following.next).pipe(
    // What was being read is read again from where it had come to.
    Effect.tapError(() => Effect.sync(() => {
      this.following.close()
      this.following = this.begin()
    })),
    Effect.retry(Outage.pauses),
    Effect.orDie,
    // The stream was deleted: whoever follows it is called off.
    Effect.flatMap((stretch) => stretch === undefined ? Effect.never : Effect.succeed(stretch)),
    Effect.tap(({ last }) => Effect.sync(() => {
      this.after = last
    }))
  )

  close(): void {
    this.following.close()
  }
}
