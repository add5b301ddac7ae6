/**
 * Fires what is due, each time once. What comes due while the server is away, or its stream is paused, follows the
 * policy of its schedule when the fiber begins again. Known limits: where a schedule changes in the very moment at
 * which another one fires that is late, the times that the latter missed may be counted in two of its firings; and one
 * that is cancelled or replaced in the very moment at which it is due may still fire.
 */
import { Clock, Effect, Option, Schema } from "effect"
import * as Control from "../../domain/ControlEvent.ts"
import { processor } from "../../domain/Schedule.ts"
import { StreamPath } from "../../domain/StreamPath.ts"
import { EventStore } from "../../log/EventStore.ts"
import { sleepUntil } from "../Until.ts"
import type { Late, Next, Refused } from "./Schedule.ts"
import { maxAtOnce, Schedule } from "./Schedule.ts"
import type { Means, Tools } from "./ScheduleAppend.ts"
import * as Append from "./ScheduleAppend.ts"
import { ScheduleClock } from "./ScheduleClock.ts"
import type { Entries, Entry } from "./ScheduleEntry.ts"
import { find, maxBytes, maxSchedules } from "./ScheduleEntry.ts"
import * as Pace from "./SchedulePace.ts"
import type { Step } from "./SchedulePlan.ts"
import * as Plan from "./SchedulePlan.ts"

/** What was done is seen in the state, and this fiber is interrupted; where it is not, it looks again. */
const lookAgain = "1 second"
/** The same where more is to be made up for than may go at once. */
const goOn = "100 millis"
/** Pauses between tries of what waits, in milliseconds, and how they grow: by a part of the time that it waited. */
const leastPause = 100
const longestPause = 10_000
const pausePart = 8

/** Pause between two words on what finds no room, in milliseconds. */
const tellAgain = 60_000

/** The input names it with all that changes of it, so that the state in which the fiber was started has it as it is. */
const entryOf = (entries: Entries, slug: string, configured: number): Entry | undefined => {
  const entry = find(entries, slug)
  return entry?.configured === configured ? entry : undefined
}

/** A schedule with what is recorded of it in one commit. */
interface Firing {
  readonly entry: Entry
  readonly steps: ReadonlyArray<Step>
}

/** What a schedule does now. None of it where what it missed has to wait. */
const firingOf = Effect.fnUntraced(function*(
  entry: Entry,
  own: string,
  now: number,
  pace: Pace.SchedulePace,
  room: number
): Effect.fn.Return<Firing | undefined> {
  const { next, streamPath = own } = entry
  if (next === null || next > now) return undefined
  if (!Plan.isMissed(next, now)) return { entry, steps: Append.fitting(entry, Plan.make(entry, now, room)) }
  const target = StreamPath.make(streamPath)
  const most = yield* pace.room(target)
  if (most === 0) return undefined
  // Looking for what was missed may take long, and there may be many.
  yield* Effect.yieldNow
  const steps = Append.fitting(entry, Plan.within(Plan.make(entry, now, room), most, now))
  pace.take(target, Plan.missedIn(steps, now))
  return { entry, steps }
})

const fire = Effect.fnUntraced(function*(
  { due, schedules }: Next,
  entries: Entries,
  means: Means,
  pace: Pace.SchedulePace
) {
  const { clock, tools } = means
  const known = schedules.flatMap(({ configured, slug }) => entryOf(entries, slug, configured) ?? [])
  yield* clock.hearLate(Math.max(...known.map(({ configuredAt }) => configuredAt)))
  const room = Plan.roomOfEach(entries, maxAtOnce)
  while (true) {
    yield* sleepUntil(due, clock.now)
    const now = yield* clock.now
    const firings: Array<Firing> = []
    for (const entry of known) {
      const firing = yield* firingOf(entry, tools.streamPath, now, pace, room)
      if (firing !== undefined) firings.push(firing)
    }
    // Together they go into one transaction of the log's, or few.
    yield* Effect.forEach(firings, ({ entry, steps }) => Append.record(means, entry, steps, room), {
      concurrency: "unbounded",
      discard: true
    })
    const isWhole = known.every((entry) =>
      entry.next === null || entry.next > now || firings.some((firing) => firing.entry === entry))
    yield* Effect.sleep(isWhole ? lookAgain : goOn)
  }
})

const deliver = Effect.fnUntraced(function*(
  { events, since }: Late,
  target: StreamPath,
  entries: Entries,
  means: Means,
  pace: Pace.SchedulePace
) {
  while (true) {
    const most = yield* pace.room(target)
    for (const { configured, due, slug } of events.slice(0, Math.min(most, events.length))) {
      const entry = entryOf(entries, slug, configured)
      if (entry === undefined) continue
      // First: what is recorded ends this fiber.
      pace.take(target, 1)
      const outcome = yield* Append.record(means, entry, [{ due, outcome: "appended", missed: 0 }])
      if (outcome === "paused") break
    }
    const waited = (yield* means.clock.now) - since
    yield* Effect.sleep(Math.min(longestPause, Math.max(leastPause, waited / pausePart)))
  }
})

/** How many were told of, and when that was. */
const Told = Schema.Struct({ count: Schema.Int, at: Schema.Finite })
const decodeTold = Schema.decodeUnknownOption(Told)

/** The first at once, then together: whoever configures too many learns of it, and the stream does not grow as much. */
const refuse = Effect.fnUntraced(function*({ count, last }: Refused, tools: Tools) {
  const told = Option.getOrElse(decodeTold(yield* tools.cursor), () => ({ count: 0, at: Number.NEGATIVE_INFINITY }))
  yield* sleepUntil(told.at + tellAgain)
  const untold = count - told.count
  const some = last.slice(-untold)
  const [newest] = some.slice(-1)
  if (untold <= 0 || newest === undefined) return
  yield* tools.append(Control.ErrorOccurred.make({
    message: `A stream has at most ${maxSchedules} schedules, of ${maxBytes} bytes together: these are not kept. ` +
      "Cancel others first, or use another stream",
    source: processor,
    slug: newest.slug,
    configured: newest.configured,
    count: untold,
    slugs: some.map(({ slug }) => slug)
  }), { byServer: true, cursor: { count, at: yield* Clock.currentTimeMillis } })
})

export const layer = Schedule.toLayer(Effect.gen(function*() {
  const store = yield* EventStore
  const pace = yield* Pace.make
  const clock = new ScheduleClock()
  const means = (tools: Tools): Means => ({ tools, store, clock })
  return Schedule.of({
    fibers: {
      fire: (next, { state, ...tools }) => fire(next, state.schedules, means({ ...tools, state }), pace),
      late: (late, { state, ...tools }) =>
        deliver(late, StreamPath.make(tools.key), state.schedules, means({ ...tools, state }), pace),
      refuse: (refused, tools) => refuse(refused, tools)
    }
  })
}), { startFrom: "start" })
