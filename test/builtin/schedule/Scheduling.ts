/** Schedules at work on a log in memory, and what became of them, as the tests of this folder say it often. */
import { Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import * as ScheduleHooks from "../../../src/builtin/schedule/ScheduleHooks.ts"
import type { EventInput } from "../../../src/domain/Event.ts"
import { ScheduleConfigured, ScheduleFired } from "../../../src/domain/Schedule.ts"
import type { When } from "../../../src/domain/Schedule.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"
import type { Streams } from "../../../src/domain/Streams.ts"
import type { TestHost } from "../../../src/testing/TestHost.ts"
import { read, work } from "../../processor/Workshop.ts"

export const { layer } = ScheduleHooks
export const other = StreamPath.make("/other")

export interface More {
  readonly overlap?: "skip" | "allow"
  readonly catchUp?: "latest" | "all" | "none"
  readonly to?: StreamPath
}
export const configured = (
  slug: string,
  schedule: When,
  { to, ...more }: More = {},
  event: EventInput = { type: slug }
) =>
  ScheduleConfigured.make({
    slug,
    schedule,
    append: { ...(to === undefined ? {} : { streamPath: to }), event },
    ...more
  })

/** When the events of a type were recorded, in seconds since the start of the test. */
export const secondsOf = (path: string, type: string) =>
  Effect.map(read(path), (events) =>
    events.flatMap((event) => event.type === type ? [event.createdAt.epochMilliseconds / 1_000] : []))

/** What was said of due times, in order: the second and the outcome, and how many were missed or why it was refused. */
export const words = (path: string) =>
  Effect.map(read(path), (events) =>
    events.flatMap((event) => {
      const fired = ScheduleFired.decode(event)
      if (Option.isNone(fired)) return []
      const { due, missed, outcome } = fired.value.payload
      const word = `${Date.parse(due) / 1_000} ${outcome}`
      return [missed === undefined ? word : `${word}, missed ${missed}`]
    }))

/** Nobody is at work meanwhile. */
export const nobodyFor = (...[time]: Parameters<typeof TestClock.adjust>) => TestClock.adjust(time)

export const on = (body: Effect.Effect<void, unknown, Streams | TestHost>) => work(layer)(body)
