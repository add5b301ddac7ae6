/**
 * The schedules of a stream as a list in the order of their due times, with what each event makes of it. Known limit:
 * an event that changes one of them copies the list, which is some 20 µs where there are as many as there may be.
 */
import { Equal, Schema } from "effect"
import type { Event } from "../../domain/Event.ts"
import type { ScheduleConfigured, ScheduleFired } from "../../domain/Schedule.ts"
import * as DueTime from "./DueTime.ts"

/** Bounds of the schedules of one stream, in number and bytes: all are written about once a second while they fire. */
export const maxSchedules = 10_000
export const maxBytes = 4 * 1024 * 1024
/** What a schedule takes in the state beside what was chosen, in bytes. */
const fixedBytes = 200

/** A due time whose event waits for a paused stream. */
const Waiting = Schema.Struct({ due: DueTime.Time, since: DueTime.Time })

export const Entry = Schema.Struct({
  slug: Schema.String,
  /** The next due time; none where only what waits is left. */
  next: Schema.NullOr(DueTime.Time),
  /** Due times whose events wait for a paused stream, in order. */
  waiting: Schema.Array(Waiting),
  rule: DueTime.Rule,
  /** Another stream than its own. */
  streamPath: Schema.optionalKey(Schema.String),
  type: Schema.String,
  payload: Schema.Json,
  metadata: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json)),
  overlap: Schema.Literals(["skip", "allow"]),
  catchUp: Schema.Literals(["latest", "all", "none"]),
  /** The event that configured it, and the crossings between streams that led to it. */
  configured: Schema.Int,
  configuredAt: DueTime.Time,
  hops: Schema.Int,
  /** What it takes in the state, without what waits. */
  bytes: Schema.Int
})
export type Entry = typeof Entry.Type
export type Entries = ReadonlyArray<Entry>

type Recorded<Payload> = Pick<Event, "offset" | "createdAt" | "cause"> & { readonly payload: Payload }
type Configured = Recorded<typeof ScheduleConfigured.payload.Type>
type Fired = Recorded<typeof ScheduleFired.payload.Type>

export const find = (entries: Entries, slug: string): Entry | undefined => entries.find((entry) => entry.slug === slug)

/**
 * A configuration replaces the one with its name, and what of it waits; an identical one changes nothing. None where it
 * finds no room: others have to end first.
 */
export const configure = (entries: Entries, event: Configured): Entries | undefined => {
  const { slug } = event.payload
  const known = find(entries, slug)
  const made = entryOf(event)
  if (known !== undefined && isSame(known, made)) return entries
  const others = cancel(entries, slug)
  const bytes = others.reduce((sum, entry) => sum + entry.bytes, made.bytes)
  return others.length >= maxSchedules || bytes > maxBytes ? undefined : insert(others, made)
}

export const cancel = (entries: Entries, slug: string): Entries => {
  const index = entries.findIndex((entry) => entry.slug === slug)
  return index < 0 ? entries : entries.toSpliced(index, 1)
}

/** What became of a due time. What is said of an earlier configuration changes nothing. */
export const fire = (entries: Entries, { createdAt, payload }: Fired): Entries => {
  const entry = find(entries, payload.slug)
  const due = Date.parse(payload.due)
  if (entry === undefined || entry.configured !== payload.configured || Number.isNaN(due)) return entries
  const others = entry.waiting.filter((each) => each.due !== due)
  const waiting = payload.outcome === "waiting"
    ? [...others, { due, since: createdAt.epochMilliseconds }]
    : others.length === entry.waiting.length ? entry.waiting : others
  const next = entry.next !== null && due >= entry.next ? DueTime.next(entry, due) : entry.next
  const rest = cancel(entries, entry.slug)
  // One that is never due again is gone, so that its name and its place are free.
  return next === null && waiting.length === 0 ? rest : insert(rest, { ...entry, next, waiting })
}

const entryOf = ({ cause, createdAt, offset, payload }: Configured): Entry => {
  const { append: { event, streamPath }, catchUp = "latest", overlap = "skip", schedule, slug } = payload
  const configuredAt = createdAt.epochMilliseconds
  const rule = DueTime.ruleOf(schedule)
  const chosen = {
    slug,
    rule,
    ...(streamPath === undefined ? {} : { streamPath }),
    type: event.type,
    payload: event.payload ?? {},
    ...(event.metadata === undefined ? {} : { metadata: event.metadata })
  }
  return {
    ...chosen,
    next: DueTime.first({ slug, rule, configuredAt }),
    waiting: [],
    overlap,
    catchUp,
    configured: offset,
    configuredAt,
    hops: cause?.hops ?? 0,
    bytes: fixedBytes + utf8.encode(JSON.stringify(chosen)).length
  }
}

const utf8 = new TextEncoder()

const contentOf = ({ catchUp, metadata, overlap, payload, rule, streamPath, type }: Entry) =>
  ({ catchUp, metadata, overlap, payload, rule, streamPath, type })

const isSame = (a: Entry, b: Entry): boolean => Equal.equals(contentOf(a), contentOf(b))

const timeOf = ({ next }: Entry): number => next ?? Number.POSITIVE_INFINITY

const isBefore = (a: Entry, b: Entry): boolean =>
  timeOf(a) === timeOf(b) ? a.slug < b.slug : timeOf(a) < timeOf(b)

/** Those that are due first come first, in order of name where that is at once. */
const insert = (entries: Entries, entry: Entry): Entries => {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    const other = entries[middle]
    if (other !== undefined && isBefore(other, entry)) low = middle + 1
    else high = middle
  }
  return entries.toSpliced(low, 0, entry)
}
