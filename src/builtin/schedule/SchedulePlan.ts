/**
 * What becomes of the times at which a schedule is due by now: a pure function of it and the time, by its policies for
 * what was missed and for what waits.
 */
import * as DueTime from "./DueTime.ts"
import type { Entries, Entry } from "./ScheduleEntry.ts"

/** Bound of the missed times that are made up for where all are wanted: a longer absence is not worth a flood. */
const maxCaughtUp = 1_000
/** Where none are made up for, a time this long ago still counts as met, in milliseconds: a restart takes that long. */
const onTimeMillis = 5_000
/** Bound of one schedule's events that wait for a paused stream. */
export const maxWaiting = 100
/** The same of all schedules of a stream: their times are in its state. */
const maxWaitingInAll = 10_000
/** What is this late was missed, in milliseconds, and is made up for at a pace. */
const missedMillis = 1_000

/** One word on a due time, and on the `missed` ones before it. */
export interface Step {
  readonly due: number
  readonly outcome: "appended" | "skipped" | "waiting" | "refused"
  readonly missed: number
  readonly error?: string
}

/** In order; nothing where it is not due. `room` is that of what waits. */
export const make = (entry: Entry, now: number, room = maxWaiting): ReadonlyArray<Step> => {
  const steps = wanted(entry, now)
  return entry.waiting.length === 0 ? steps : hold(entry, steps, room)
}

/** The same where the stream that they go to is paused. */
export const hold = (entry: Entry, steps: ReadonlyArray<Step>, room = maxWaiting): ReadonlyArray<Step> => {
  let left = Math.min(room, (entry.overlap === "allow" ? maxWaiting : 1) - entry.waiting.length)
  const held: Array<Step> = []
  for (const step of steps) {
    if (step.outcome === "appended" && left > 0) {
      left -= 1
      held.push({ ...step, outcome: "waiting" })
    } else if (step.outcome === "appended" || step.outcome === "skipped") {
      const skipped = held.at(-1)?.outcome === "skipped" ? held.pop() : undefined
      const missed = step.missed + (skipped === undefined ? 0 : skipped.missed + 1)
      held.push({ due: step.due, outcome: "skipped", missed })
    } else held.push(step)
  }
  return held
}

/** How many more each of so many schedules may let wait. */
export const roomOfEach = (entries: Entries, schedules: number): number => {
  const waiting = entries.reduce((sum, entry) => sum + entry.waiting.length, 0)
  return Math.max(0, Math.floor((maxWaitingInAll - waiting) / schedules))
}

/** Whether a due time was missed. */
export const isMissed = (due: number, now: number): boolean => now - due > missedMillis

/** How many events make up for what was missed. */
export const missedIn = (steps: ReadonlyArray<Step>, now: number): number =>
  steps.filter(({ due, outcome }) => outcome === "appended" && isMissed(due, now)).length

/** The first of them, with so many at most that make up for what was missed. */
export const within = (steps: ReadonlyArray<Step>, most: number, now: number): ReadonlyArray<Step> => {
  let missed = 0
  const end = steps.findIndex((step) => {
    missed += missedIn([step], now)
    return missed > most
  })
  return end < 0 ? steps : steps.slice(0, end)
}

const wanted = (entry: Entry, now: number): ReadonlyArray<Step> => {
  const { catchUp, configuredAt, next } = entry
  if (next === null || next > now) return []
  // One more than are wanted: what was missed before them is told of at that one.
  const { before, last } = DueTime.until(entry, next, now, catchUp === "all" ? maxCaughtUp + 1 : 1)
  const due = last.at(-1) ?? next
  if (catchUp === "all") {
    return last.map((due, index) =>
      index === 0 && last.length > maxCaughtUp
        ? { due, outcome: "skipped", missed: before }
        : { due, outcome: "appended", missed: 0 })
  }
  // A time in the past that was configured only now was not missed.
  const isOnTime = catchUp === "latest" || now - Math.max(due, configuredAt) <= onTimeMillis
  return [{ due, outcome: isOnTime ? "appended" : "skipped", missed: before }]
}
