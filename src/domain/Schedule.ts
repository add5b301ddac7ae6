/** Events in the future: what is appended, where and when. The rules of due times are in `builtin/schedule/DueTime`. */
import { Cron, Result, Schema } from "effect"
import type { Control } from "./Control.ts"
import { Slug } from "./Control.ts"
import * as DurationText from "./DurationText.ts"
import { Metadata, Type } from "./Event.ts"
import { EventType } from "./EventType.ts"
import { StreamPath } from "./StreamPath.ts"

/** The name of the processor that keeps them. */
export const processor = "schedule"

/** The shortest time between two, in milliseconds. */
const leastEvery = 100
/** Bound of a cron expression, in characters. */
const maxCron = 256

const cronProblem = ({ cron, timezone }: { readonly cron: string; readonly timezone?: string }): string | undefined => {
  const parsed = parseCron(cron, timezone)
  return Result.isFailure(parsed) ? parsed.failure : undefined
}

const parse = (cron: string, timezone: string): Result.Result<Cron.Cron, string> => {
  const parse = (onDstOverlap: Cron.DstOverlapPolicy) => Cron.parse(cron, timezone, { onDstOverlap })
  const parsed = parse("earlier").pipe(
    Result.flatMap((parsed) => parsed.hours.size === 0 ? parse("both") : Result.succeed(parsed)),
    Result.mapError(({ input, message }) => `${message}: ${JSON.stringify(input ?? cron)}`)
  )
  if (Result.isFailure(parsed)) return parsed
  try {
    Cron.next(parsed.success, 0)
    return parsed
  } catch {
    return Result.fail(`no day fits ${JSON.stringify(cron)}`)
  }
}

/** Bound of the expressions that are kept parsed: the common ones of a server. */
const maxParsed = 1_000
const parsed = new Map<string, Result.Result<Cron.Cron, string>>()

/**
 * The times of a cron expression in a time zone, UTC where none is named; or why there are none. A time of day that
 * clocks skip comes once, as much later as they were put forward; one that they show twice comes once, the first time,
 * but where every hour is meant the hour comes twice.
 */
export const parseCron = (cron: string, timezone = "UTC"): Result.Result<Cron.Cron, string> => {
  const name = JSON.stringify([cron, timezone])
  const known = parsed.get(name)
  if (known !== undefined) return known
  if (parsed.size >= maxParsed) parsed.clear()
  const made = parse(cron, timezone)
  parsed.set(name, made)
  return made
}

/** When: once, at a time or so long after the configuration; or again and again. */
export const When = Schema.Union([
  Schema.Struct({ at: Schema.DateTimeUtcFromString }),
  Schema.Struct({ after: DurationText.atLeast(0) }),
  Schema.Struct({
    /** Counted from the configuration. */
    every: DurationText.atLeast(leastEvery),
    /** Each time is late by a part of this that differs from time to time, but is the same on every server. */
    jitter: Schema.optionalKey(DurationText.atLeast(0))
  }),
  Schema.Struct({
    /** Five fields, or six with the seconds first. */
    cron: Schema.String.pipe(Schema.check(Schema.isMaxLength(maxCron))),
    /** Of the IANA, such as Europe/Berlin; UTC where it is left out. */
    timezone: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isMaxLength(maxCron))))
  }).pipe(Schema.check(Schema.makeFilter(cronProblem)))
])
export type When = typeof When.Type

/** What is appended. */
export const Scheduled = Schema.Struct({
  type: Type,
  payload: Schema.optionalKey(Schema.Json),
  metadata: Schema.optionalKey(Metadata)
})

export const ScheduleConfigured = EventType.make(
  "schedule/configured",
  Schema.Struct({
    slug: Slug,
    schedule: When,
    append: Schema.Struct({
      /** Its own stream where it is left out. */
      streamPath: Schema.optionalKey(StreamPath),
      event: Scheduled
    }),
    /** While an event waits for its paused stream, the next times are left out, or wait too; `skip` by default. */
    overlap: Schema.optionalKey(Schema.Literals(["skip", "allow"])),
    /** Which of the times are made up for that were missed; `latest` by default. */
    catchUp: Schema.optionalKey(Schema.Literals(["latest", "all", "none"]))
  })
)

export const ScheduleCancelled = EventType.make("schedule/cancelled", Schema.Struct({ slug: Slug }))

/** What became of a due time. */
export const ScheduleFired = EventType.make(
  "schedule/fired",
  Schema.Struct({
    slug: Slug,
    /** The offset of its configuration. */
    configured: Schema.Int,
    /** ISO 8601 with milliseconds; the appended event has the key `schedule/<slug>/<due>`. */
    due: Schema.String,
    /**
     * `appended`; `skipped`, by its policy; `waiting` for a paused stream, with a second word on it later; or `refused`
     * for good by the stream, and why.
     */
    outcome: Schema.Literals(["appended", "skipped", "waiting", "refused"]),
    /** How many due times before this one were passed over together with it; of a cron expression some 100 are counted. */
    missed: Schema.optionalKey(Schema.Int),
    error: Schema.optionalKey(Schema.String)
  })
)

export const controls: ReadonlyArray<Control> = [
  {
    eventType: ScheduleConfigured,
    appendedBy: "client",
    description: "Appends an event in the future, once or again and again, here or to another stream",
    example: {
      slug: "heartbeat",
      schedule: { every: "1 minute" },
      append: { event: { type: "heartbeat", payload: {} } },
      overlap: "skip",
      catchUp: "latest"
    }
  },
  {
    eventType: ScheduleCancelled,
    appendedBy: "client",
    description: "A schedule ends",
    example: { slug: "heartbeat" }
  },
  {
    eventType: ScheduleFired,
    appendedBy: "server",
    processors: [processor],
    description: "A due time came, and this became of it",
    example: { slug: "heartbeat", configured: 2, due: "2026-11-22T08:00:00.000Z", outcome: "appended" }
  }
]
