/**
 * What a due time puts into the log: its event and a word on it on the schedule's own stream, together. Both have keys,
 * so that whoever is killed, and whoever tries again, each is there once.
 */
import { DateTime, Effect, Result, Schema } from "effect"
import type { Event } from "../../domain/Event.ts"
import { Offset } from "../../domain/Event.ts"
import type * as EventTypes from "../../domain/EventType.ts"
import { EventType } from "../../domain/EventType.ts"
import { ScheduleConfigured, ScheduleFired } from "../../domain/Schedule.ts"
import { StreamPath } from "../../domain/StreamPath.ts"
import type { Addressed, Fiber } from "../../processor/Hooks.ts"
import * as DueTime from "./DueTime.ts"
import type { Entry } from "./ScheduleEntry.ts"
import type { Step } from "./SchedulePlan.ts"
import * as Plan from "./SchedulePlan.ts"

export type Tools = Fiber<unknown, EventTypes.Any>

/** Bound of the error that is told, in characters. */
const maxError = 2_048
/** Bounds of what one commit records of a schedule, in due times and in characters. */
const maxSteps = 64
const maxSize = 1_048_576

/** How it stands: everything is told of, or a stream that is paused keeps it from that. */
export type Outcome = "told" | "paused"

/** Records as much of this as goes into one commit; what is late has its word already where its stream is paused. */
export const record = Effect.fnUntraced(function*(
  tools: Tools,
  entry: Entry,
  steps: ReadonlyArray<Step>,
  isLate = false
): Effect.fn.Return<Outcome> {
  let left: ReadonlyArray<Step> = steps.slice(0, Math.max(1, Math.min(maxSteps, Math.floor(maxSize / sizeOf(entry)))))
  while (left.length > 0) {
    const appended = yield* Effect.result(
      tools.appendAll(left.flatMap((step) => appendsOf(entry, step)), {
        answering: configurationOf(entry, tools.streamPath)
      })
    )
    if (Result.isSuccess(appended)) return "told"
    const error = appended.failure
    // The runtime itself waits for a log that is away.
    if (error._tag === "Unavailable") return yield* Effect.die(error)
    if (error._tag === "StreamPaused") {
      // Where it is its own the fiber ends soon, and what is due then is for its policy.
      if (isLate || error.streamPath === tools.streamPath) return "paused"
      left = Plan.hold(entry, left)
      continue
    }
    if (error._tag === "IdempotencyConflict") {
      const { idempotencyKey } = error
      // That was told already, if with other words.
      if (left.some((step) => firedKey(entry, step) === idempotencyKey)) {
        left = left.filter((step) => firedKey(entry, step) !== idempotencyKey)
        continue
      }
      left = left.map((step) => eventKey(entry, step) === idempotencyKey ? refused(step, error.message) : step)
      continue
    }
    // They have the same content: what is refused of one is refused of all. The words on them are always taken.
    if (left.every(({ outcome }) => outcome !== "appended")) return yield* Effect.die(error)
    left = left.map((step) => step.outcome === "appended" ? refused(step, error.message) : step)
  }
  return "told"
})

const refused = ({ due, missed }: Step, error: string): Step => ({
  due,
  missed,
  outcome: "refused",
  error: error.slice(0, maxError)
})

const sizeOf = ({ metadata, payload }: Entry): number => JSON.stringify([payload, metadata]).length

const eventKey = ({ slug }: Entry, { due }: Step): string => `schedule/${slug}/${DueTime.iso(due)}`

/** That it waits is one word, what comes of it in the end another. */
const firedKey = ({ configured, slug }: Entry, { due, outcome }: Step): string =>
  `schedule/fired/${slug}/${configured}/${DueTime.iso(due)}${outcome === "waiting" ? "/waiting" : ""}`

const appendsOf = (entry: Entry, step: Step): ReadonlyArray<Addressed<EventTypes.Any>> => {
  const { configured, metadata, payload, slug, streamPath, type } = entry
  const { due, error, missed, outcome } = step
  const fired = ScheduleFired.make({
    slug,
    configured,
    due: DueTime.iso(due),
    outcome,
    ...(missed === 0 ? {} : { missed }),
    ...(error === undefined ? {} : { error })
  }, { idempotencyKey: firedKey(entry, step) })
  if (outcome !== "appended") return [{ event: fired, byServer: true }]
  const event = EventType.make(type, Schema.Json).make(payload, {
    idempotencyKey: eventKey(entry, step),
    ...(metadata === undefined ? {} : { metadata })
  })
  return [{ event, streamPath }, { event: fired, byServer: true }]
}

/** The event that is answered, as far as a cause needs it: so that each firing leads back to its configuration. */
const configurationOf = ({ configured, configuredAt, hops }: Entry, path: string): Event => {
  const streamPath = StreamPath.make(path)
  const offset = Offset.make(configured)
  return {
    type: ScheduleConfigured.type,
    payload: {},
    streamPath,
    offset,
    createdAt: DateTime.makeUnsafe(configuredAt),
    cause: { streamPath, offset, hops }
  }
}
