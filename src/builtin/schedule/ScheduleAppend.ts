/**
 * What a due time puts into the log: its event and a word on it on the schedule's own stream, together. Both have keys,
 * so that whoever is killed, and whoever tries again, each is there once. Known limit: where a client took the key of a
 * word, the word has another one, and is there once as far as the fiber knows the newest state.
 */
import { Effect, Option, Result, Schema } from "effect"
import { Offset } from "../../domain/Event.ts"
import * as EventText from "../../domain/EventText.ts"
import type * as EventTypes from "../../domain/EventType.ts"
import { EventType } from "../../domain/EventType.ts"
import { processor, ScheduleFired } from "../../domain/Schedule.ts"
import * as Sha256 from "../../domain/Sha256.ts"
import { StreamPath } from "../../domain/StreamPath.ts"
import type { EventStore } from "../../log/EventStore.ts"
import * as Outage from "../../log/Outage.ts"
import type { Addressed, Answered, Fiber } from "../../processor/Hooks.ts"
import * as DueTime from "./DueTime.ts"
import type { ScheduleClock } from "./ScheduleClock.ts"
import type { Entry } from "./ScheduleEntry.ts"
import type { Step } from "./SchedulePlan.ts"
import * as Plan from "./SchedulePlan.ts"

export type Tools = Fiber<unknown, EventTypes.Any>

/** What it records with. */
export interface Means {
  readonly tools: Tools
  readonly store: EventStore["Service"]
  readonly clock: ScheduleClock
}

/** Bound of the error that is told, in characters. */
const maxError = 2_048
/** Bounds of what one commit records of a schedule, in due times and in bytes. */
const maxSteps = 64
const maxSize = 1_048_576

/** How it stands: everything is told of, or a stream that is paused keeps it from that. */
export type Outcome = "told" | "paused"

/** As many of them as go into one commit. */
export const fitting = ({ bytes }: Entry, steps: ReadonlyArray<Step>): ReadonlyArray<Step> =>
  steps.slice(0, Math.max(1, Math.min(maxSteps, Math.floor(maxSize / bytes))))

/** Records them in one commit. `room` is that of what waits for a paused stream; none for what has its word already. */
export const record = Effect.fnUntraced(function*(
  { clock, store, tools }: Means,
  entry: Entry,
  steps: ReadonlyArray<Step>,
  room?: number
): Effect.fn.Return<Outcome> {
  const source = StreamPath.make(tools.streamPath)
  const answering = configurationOf(entry, source)
  const taken = new Set<string>()
  const other = crypto.randomUUID()
  let left = steps
  while (left.length > 0) {
    const appends = left.flatMap((step) => {
      const key = firedKey(entry, step)
      return appendsOf(entry, source, step, taken.has(key) ? `${key}/${other}` : key)
    })
    const appended = yield* tools.appendAll(appends, { answering }).pipe(
      // The runtime itself waits for a log that is away.
      Effect.catchTag("Unavailable", Effect.die),
      Effect.result
    )
    if (Result.isSuccess(appended)) {
      const [event] = appended.success.slice(-1)
      if (event !== undefined) yield* clock.hear(event.createdAt.epochMilliseconds)
      return "told"
    }
    const error = appended.failure
    if (error._tag === "StreamPaused") {
      // Where it is its own the fiber ends soon, and what is due then is for its policy.
      if (room === undefined || error.streamPath === source) return "paused"
      left = Plan.hold(entry, left, room)
    } else if (error._tag === "IdempotencyConflict") {
      const { idempotencyKey, offset } = error
      const word = left.find((step) => firedKey(entry, step) === idempotencyKey)
      if (word === undefined) {
        left = left.map((step) =>
          eventKey(entry, source, step) === idempotencyKey ? refused(step, error.message) : step)
      } else if (yield* isTold(store, source, entry, word, offset)) left = left.filter((step) => step !== word)
      else taken.add(idempotencyKey)
    } else {
      // They have the same content: what is refused of one is refused of all. The words on them are always taken.
      if (left.every(({ outcome }) => outcome !== "appended")) return yield* Effect.die(error)
      left = left.map((step) => step.outcome === "appended" ? refused(step, error.message) : step)
    }
  }
  return "told"
})

/** Whether an event is a word on that due time, if with other words: anyone may choose its key, but not its cause. */
const isTold = (store: EventStore["Service"], source: StreamPath, entry: Entry, step: Step, offset: number) =>
  Effect.map(
    Effect.orDie(Effect.retry(store.read(source, { after: offset - 1, before: offset + 1 }), Outage.pauses)),
    ({ lines }) =>
      lines.map(EventText.decode).some((event) => {
        const { cause } = event
        const isOwn = cause?.processor === processor && cause.streamPath === source && cause.offset === entry.configured
        const fired = ScheduleFired.decode(event)
        return isOwn && Option.isSome(fired) && fired.value.payload.slug === entry.slug &&
          Date.parse(fired.value.payload.due) === step.due &&
          (fired.value.payload.outcome === "waiting") === (step.outcome === "waiting")
      })
  )

const refused = ({ due, missed }: Step, error: string): Step => ({
  due,
  missed,
  outcome: "refused",
  error: error.slice(0, maxError)
})

/**
 * Of the appended event: many streams may have a schedule of that name for one target. No such key is one of a word: it
 * ends in a due time or in 43 signs.
 */
const eventKey = ({ slug, streamPath }: Entry, source: StreamPath, { due }: Step): string =>
  `${processor}/${slug}/${DueTime.iso(due)}` +
  (streamPath === undefined || streamPath === source ? "" : `/${Sha256.base64Url(source)}`)

/** Of the word on it: that it waits is one word, what comes of it in the end another. */
const firedKey = ({ configured, slug }: Entry, { due, outcome }: Step): string =>
  `${processor}/${slug}/${DueTime.iso(due)}/fired/${configured}${outcome === "waiting" ? "/waiting" : ""}`

const appendsOf = (
  entry: Entry,
  source: StreamPath,
  step: Step,
  wordKey: string
): ReadonlyArray<Addressed<EventTypes.Any>> => {
  const { configured, metadata, payload, slug, streamPath, type } = entry
  const { due, error, missed, outcome } = step
  const fired = ScheduleFired.make({
    slug,
    configured,
    due: DueTime.iso(due),
    outcome,
    ...(missed === 0 ? {} : { missed }),
    ...(error === undefined ? {} : { error })
  }, { idempotencyKey: wordKey })
  if (outcome !== "appended") return [{ event: fired, byServer: true }]
  const event = EventType.make(type, Schema.Json).make(payload, {
    idempotencyKey: eventKey(entry, source, step),
    ...(metadata === undefined ? {} : { metadata })
  })
  return [{ event, streamPath }, { event: fired, byServer: true }]
}

/** The event that is answered, as far as a cause needs it: so that each firing leads back to its configuration. */
const configurationOf = ({ configured, hops }: Entry, streamPath: StreamPath): Answered => {
  const offset = Offset.make(configured)
  return { streamPath, offset, cause: { streamPath, offset, hops } }
}
