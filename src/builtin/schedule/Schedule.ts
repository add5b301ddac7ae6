/**
 * Schedules as state: what is configured on a stream, when each is due next, and what waits for a paused stream. One
 * fiber waits for all of them, so that many cost no more timers than one; another one for each stream that is paused,
 * and one says what found no room.
 */
import { Schema } from "effect"
import * as Control from "../../domain/ControlEvent.ts"
import type * as EventTypes from "../../domain/EventType.ts"
import { EventType } from "../../domain/EventType.ts"
import { processor, ScheduleCancelled, ScheduleConfigured, ScheduleFired } from "../../domain/Schedule.ts"
import { Processor } from "../../processor/Processor.ts"
import * as Entries from "./ScheduleEntry.ts"

/** Bound of what one fiber looks at, in schedules or events: those that are due first. */
export const maxAtOnce = 64
/** Bound of the names that are kept of configurations which found no room: they are told of together. */
const maxRefused = 20

/** Configurations that found no room, and the last of them. */
const Refused = Schema.Struct({
  count: Schema.Int,
  last: Schema.Array(Schema.Struct({ slug: Schema.String, configured: Schema.Int }))
})
export type Refused = typeof Refused.Type

const State = Schema.Struct({
  /** In the order in which they are due. */
  schedules: Schema.Array(Entries.Entry),
  refused: Schema.optionalKey(Refused)
})
type State = typeof State.Type

/** It appends what is configured: any type that a client may append. */
const emits: ReadonlyArray<EventTypes.Any> = [EventType.any, ScheduleFired, Control.ErrorOccurred]

/** The same state where nothing changed, so that nothing is asked anew. */
const keeping = (state: State, schedules: Entries.Entries): State =>
  schedules === state.schedules ? state : { ...state, schedules }

const refusing = ({ refused = { count: 0, last: [] }, schedules }: State, slug: string, configured: number): State => ({
  schedules,
  refused: { count: refused.count + 1, last: [...refused.last, { slug, configured }].slice(-maxRefused) }
})

/** Which configuration, by name and offset: what it says never changes. */
interface Configuration {
  readonly slug: string
  readonly configured: number
}

/** What the one fiber waits for: those that are due first, with all that changes of them. */
export interface Next {
  readonly due: number
  readonly schedules: ReadonlyArray<Configuration & { readonly next: number; readonly waiting: number }>
}

/** What waits for one paused stream, since when at the longest. */
export interface Late {
  readonly since: number
  readonly events: ReadonlyArray<Configuration & { readonly due: number }>
}

/** What was asked last where this one is the first: the very same value costs the runtime no comparison. */
const asked = new WeakMap<Entries.Entry, { readonly entries: Entries.Entries; readonly next: Next }>()

const nextOf = (first: Entries.Entry, due: number, all: Entries.Entries): Next => {
  const entries = all.slice(0, maxAtOnce)
  const known = asked.get(first)
  if (known?.entries.length === entries.length && known.entries.every((entry, i) => entry === entries[i])) {
    return known.next
  }
  const schedules = entries.flatMap(({ configured, next, slug, waiting }) =>
    next === null ? [] : [{ slug, configured, next, waiting: waiting.length }])
  const next = { due, schedules }
  asked.set(first, { entries, next })
  return next
}

export const Schedule = Processor.make(processor, {
  version: 2,
  state: State,
  initial: { schedules: [] },
  consumes: [ScheduleConfigured, ScheduleCancelled, ScheduleFired],
  emits
}).reduce({
  "schedule/configured": (state, event) => {
    const schedules = Entries.configure(state.schedules, event)
    return schedules === undefined
      ? refusing(state, event.payload.slug, event.offset)
      : keeping(state, schedules)
  },
  "schedule/cancelled": (state, { payload }) => keeping(state, Entries.cancel(state.schedules, payload.slug)),
  "schedule/fired": (state, event) => keeping(state, Entries.fire(state.schedules, event))
}).fibers({
  fire: ({ schedules }): { readonly [key: string]: Next } => {
    const [first] = schedules
    return first === undefined || first.next === null ? {} : { next: nextOf(first, first.next, schedules) }
  },
  refuse: ({ refused }): { readonly [key: string]: Refused } => refused === undefined ? {} : { last: refused },
  late: ({ schedules }): { readonly [key: string]: Late } => {
    const waiting = schedules.filter(({ waiting }) => waiting.length > 0).flatMap((entry) => {
      const { configured, slug, streamPath } = entry
      return streamPath === undefined
        ? []
        : entry.waiting.map(({ due, since }) => ({ configured, due, since, slug, streamPath }))
    })
    return Object.fromEntries([...Map.groupBy(waiting, ({ streamPath }) => streamPath)].map(([path, all]) => {
      const events = all.toSorted((a, b) => a.since - b.since || a.due - b.due).slice(0, maxAtOnce)
      return [path, {
        since: events[0]?.since ?? 0,
        events: events.map(({ configured, due, slug }) => ({ configured, due, slug }))
      }]
    }))
  }
})
