/**
 * Fires what is due, each time once. What comes due while the server is away, or its stream is paused, follows the
 * policy of its schedule when the fiber begins again. Known limit: where a schedule changes in the very moment at which
 * another one fires that is late, the times that the latter missed may be counted in two of its firings.
 */
import { Clock, Effect } from "effect"
import * as Control from "../../domain/ControlEvent.ts"
import { processor } from "../../domain/Schedule.ts"
import type { Late, Next } from "./Schedule.ts"
import { Schedule } from "./Schedule.ts"
import type { Tools } from "./ScheduleAppend.ts"
import * as Append from "./ScheduleAppend.ts"
import type { Entries, Entry } from "./ScheduleEntry.ts"
import { find, isRefused, maxSchedules } from "./ScheduleEntry.ts"
import * as Plan from "./SchedulePlan.ts"

/** It sleeps so long at most, in milliseconds: a clock that was set, or a machine that slept, is noticed then. */
const longestSleep = 600_000
/** What was done is seen in the state, and this fiber is interrupted; where it is not, it looks again. */
const lookAgain = "1 second"
/** Pauses between tries of what waits, in milliseconds, and how they grow: by a part of the time that it waited. */
const leastPause = 100
const longestPause = 10_000
const pausePart = 8

const sleepUntil = (due: number): Effect.Effect<void> =>
  Effect.gen(function*() {
    while (true) {
      const left = due - (yield* Clock.currentTimeMillis)
      if (left <= 0) return
      yield* Effect.sleep(Math.min(left, longestSleep))
    }
  })

/** The input names it with all that changes of it, so that the state in which the fiber was started has it as it is. */
const entryOf = (entries: Entries, slug: string, configured: number): Entry | undefined => {
  const entry = find(entries, slug)
  return entry?.configured === configured ? entry : undefined
}

const fire = Effect.fnUntraced(function*({ due, schedules }: Next, entries: Entries, tools: Tools) {
  while (true) {
    yield* sleepUntil(due)
    const now = yield* Clock.currentTimeMillis
    // Together they go into one transaction of the log's, or few.
    yield* Effect.forEach(schedules, ({ configured, slug }) =>
      Effect.suspend(() => {
        const entry = entryOf(entries, slug, configured)
        const steps = entry === undefined ? [] : Plan.make(entry, now)
        return entry === undefined || steps.length === 0 ? Effect.void : Append.record(tools, entry, steps)
      }), { concurrency: "unbounded", discard: true })
    yield* Effect.sleep(lookAgain)
  }
})

const deliver = Effect.fnUntraced(function*({ events, since }: Late, entries: Entries, tools: Tools) {
  while (true) {
    for (const { configured, due, slug } of events) {
      const entry = entryOf(entries, slug, configured)
      if (entry === undefined) continue
      if ((yield* Append.record(tools, entry, [{ due, outcome: "appended", missed: 0 }], true)) === "paused") break
    }
    const waited = (yield* Clock.currentTimeMillis) - since
    yield* Effect.sleep(Math.min(longestPause, Math.max(leastPause, waited / pausePart)))
  }
})

export const layer = Schedule.toLayer({
  afterAppend: {
    "schedule/configured": ({ payload: { slug } }, { emit, previous, state }) =>
      state === previous && isRefused(previous.schedules, slug)
        ? emit(Control.ErrorOccurred.make({
          message: `A stream has at most ${maxSchedules} schedules: this one is not kept`,
          source: processor,
          slug
        }))
        : Effect.void
  },
  fibers: {
    fire: (next, { state, ...tools }) => fire(next, state.schedules, { ...tools, state }),
    late: (late, { state, ...tools }) => deliver(late, state.schedules, { ...tools, state })
  }
}, { startFrom: "start" })
