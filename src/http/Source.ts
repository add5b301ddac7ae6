/** What an answer is made of: batches of events with the places to resume after, from one stream or from many. */
import { Effect } from "effect"
import type { JsonText } from "../domain/EventText.ts"
import { offsetOf } from "../domain/EventText.ts"
import type { Unavailable } from "../domain/StreamError.ts"
import type { Cursor as LogCursor, Page } from "../log/EventStore.ts"
import type { PrefixTail } from "../log/PrefixTail.ts"
import type { Tail } from "../log/Tail.ts"
import * as Cursor from "./Cursor.ts"
import { Chunk } from "./Outlet.ts"
import type { Place, ReadFormat } from "./ReadFormat.ts"

interface Entry {
  /** The place behind this event. */
  readonly id: string
  readonly line: JsonText
}

export interface Batch {
  readonly lines: ReadonlyArray<JsonText>
  /** Its events in a format, one after the other. */
  readonly chunk: (format: ReadFormat) => Chunk
  readonly first: (count: number) => Batch
}

export type Step =
  | { readonly _tag: "Events"; readonly batch: Batch }
  | { readonly _tag: "CaughtUp"; readonly place: Place }
  | { readonly _tag: "Deleted" }
  | { readonly _tag: "End" }
  | { readonly _tag: "Full" }

export interface Source {
  readonly next: Effect.Effect<Step, Unavailable>
  readonly close: () => void
  /** Hands batches over at once while somebody waits in `next`; false where no more is wanted until it has drained. */
  readonly feed?: (take: (batch: Batch) => boolean) => void
}

const ofEntries = (entries: ReadonlyArray<Entry>): Batch => ({
  lines: entries.map(({ line }) => line),
  chunk: (format) => new Chunk(entries.map(({ id, line }) => format.event(id, line)).join("")),
  first: (count) => ofEntries(entries.slice(0, count))
})

/** A page as a batch, one object for all tails that take it. */
const ofPage = (page: Page): Batch => {
  const known = batches.get(page)
  if (known !== undefined) return known
  const chunks = new Map<ReadFormat, Chunk>()
  const entries = () => page.lines.map((line) => ({ id: String(offsetOf(line)), line }))
  const batch: Batch = {
    lines: page.lines,
    chunk: (format) => {
      const made = chunks.get(format) ?? ofEntries(entries()).chunk(format)
      chunks.set(format, made)
      return made
    },
    first: (count) => ofEntries(entries().slice(0, count))
  }
  batches.set(page, batch)
  return batch
}
const batches = new WeakMap<Page, Batch>()

/** The events of one stream. */
export const ofStream = (tail: Tail): Source => ({
  next: Effect.map(tail.next, (step): Step => {
    switch (step._tag) {
      case "Events":
        return { _tag: "Events", batch: ofPage(step.page) }
      case "CaughtUp":
        return { _tag: "CaughtUp", place: { offset: step.offset } }
      default:
        return step
    }
  }),
  close: () => tail.close(),
  feed: (take) => tail.feed((page) => take(ofPage(page)))
})

/** The events of a stream and all below it. */
export const ofPrefix = (tail: PrefixTail): Source => ({
  next: Effect.map(tail.next, (step): Step => {
    switch (step._tag) {
      case "Events":
        return { _tag: "Events", batch: ofEntries(step.page.lines.map(entryOf)) }
      case "CaughtUp":
        return { _tag: "CaughtUp", place: { cursor: Cursor.encode(step.cursor) } }
      case "End":
        return step
    }
  }),
  close: () => tail.close()
})

const entryOf = ({ cursor, line }: { readonly cursor: LogCursor; readonly line: JsonText }): Entry => ({
  id: Cursor.encode(cursor),
  line
})

/** The first events across streams, taken together, and the place behind them; none where there were fewer. */
export const gather = Effect.fnUntraced(function*(tail: PrefixTail, limit: number) {
  const entries: Array<Entry> = []
  while (entries.length < limit) {
    const step = yield* tail.next
    if (step._tag !== "Events") break
    for (const line of step.page.lines.slice(0, limit - entries.length)) entries.push(entryOf(line))
  }
  let isTaken = entries.length === 0
  const source: Source = {
    next: Effect.sync((): Step => {
      if (isTaken) return { _tag: "End" }
      isTaken = true
      return { _tag: "Events", batch: ofEntries(entries) }
    }),
    close: () => tail.close()
  }
  return { source, last: entries.length < limit ? undefined : entries.at(-1)?.id }
})
