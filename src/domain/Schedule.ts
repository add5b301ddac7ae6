/** Events in the future: what is appended, where and when. The rules of due times are in `builtin/schedule/DueTime`. */
import { Cron, Option, Result, Schema } from "effect"
import * as SchemaTransformation from "effect/SchemaTransformation"
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

/** How many days a month may have, from January on. */
const longestMonths = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]

/** Whether the calendar has any of its days: what looks for one that never comes looks for long. */
const hasDay = (cron: Cron.Cron): boolean => {
  const { days, months, weekdays } = cron
  // Otherwise a day of the week is enough.
  const needsBoth = Cron.equals(cron, Cron.make({ ...cron, tz: Option.getOrUndefined(cron.tz), and: true }))
  if (days.size === 0 || (weekdays.size > 0 && !needsBoth)) return true
  const firstDay = Math.min(...days)
  return longestMonths.some((length, index) => firstDay <= length && (months.size === 0 || months.has(index + 1)))
}

const parse = (cron: string, timezone: string): Result.Result<Cron.Cron, string> => {
  const parseWith = (onDstOverlap: Cron.DstOverlapPolicy) => Cron.parse(cron, timezone, { onDstOverlap })
  const made = parseWith("earlier").pipe(
    Result.flatMap((once) => once.hours.size === 0 ? parseWith("both") : Result.succeed(once)),
    Result.mapError(({ input, message }) => `${message}: ${JSON.stringify(input ?? cron)}`)
  )
  return Result.isSuccess(made) && !hasDay(made.success) ? Result.fail(`no day fits ${JSON.stringify(cron)}`) : made
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
  const made = parsed.get(name) ?? parse(cron, timezone)
  // The one that was asked for longest ago is the first.
  parsed.delete(name)
  parsed.set(name, made)
  const [oldest] = parsed.keys()
  if (parsed.size > maxParsed && oldest !== undefined) parsed.delete(oldest)
  return made
}

/** What other systems call by names. */
const nicknames = new Map([
  ["@yearly", "0 0 1 1 *"],
  ["@annually", "0 0 1 1 *"],
  ["@monthly", "0 0 1 * *"],
  ["@weekly", "0 0 * * 0"],
  ["@daily", "0 0 * * *"],
  ["@midnight", "0 0 * * *"],
  ["@hourly", "0 * * * *"]
])

const cronProblem = (cron: string, timezone: string | undefined): string | undefined => {
  const meant = nicknames.get(cron.trim().toLowerCase())
  if (meant !== undefined) return `nicknames are not taken: write ${JSON.stringify(meant)}`
  const judged = parseCron(cron, timezone)
  return Result.isFailure(judged) ? judged.failure : undefined
}

const At = Schema.DateTimeUtcFromString
const After = DurationText.atLeast(0)
/** Counted from the configuration. */
const Every = DurationText.atLeast(leastEvery)
/** Each time is late by a part of this that differs from time to time, but is the same on every server. */
const Jitter = DurationText.atLeast(0)
/** Five fields, or six with the seconds first. */
const CronText = Schema.String.pipe(Schema.check(Schema.isMaxLength(maxCron)))
/** Of the IANA, such as Europe/Berlin; UTC where it is left out. */
const Timezone = Schema.String.pipe(Schema.check(Schema.isMaxLength(maxCron)))

/** The ways to say when, by the field that only one of them has, and the fields that may go with it. */
const ways = { at: [], after: [], every: ["jitter"], cron: ["timezone"] } as const

/** As it is written: in one piece, so that what is wrong with it is told of the way that was chosen only. */
const Written = Schema.Struct({
  at: Schema.optionalKey(At),
  after: Schema.optionalKey(After),
  every: Schema.optionalKey(Every),
  jitter: Schema.optionalKey(Jitter),
  cron: Schema.optionalKey(CronText),
  timezone: Schema.optionalKey(Timezone)
})

const writtenProblem = (written: typeof Written.Type): Schema.FilterOutput => {
  const names = Object.keys(written)
  const chosen = Object.entries(ways).filter(([way]) => names.includes(way))
  const [way, ...more] = chosen
  if (way === undefined || more.length > 0) return `must have exactly one of ${Object.keys(ways).join(", ")}`
  const [name, companions] = way
  const odd = names.find((each) => each !== name && !companions.some((companion) => companion === each))
  if (odd !== undefined) return { path: [odd], issue: `does not go with ${JSON.stringify(name)}` }
  const issue = written.cron === undefined ? undefined : cronProblem(written.cron, written.timezone)
  return issue === undefined ? undefined : { path: ["cron"], issue }
}

const oneWay = {
  oneOf: Object.keys(ways).map((way) => {
    const others = Object.entries(ways).flatMap(([other, theirs]) => other === way ? [] : [other, ...theirs])
    return { required: [way], properties: Object.fromEntries(others.map((name) => [name, false])) }
  })
}

const Ways = Schema.Union([
  Schema.Struct({ at: Schema.toType(At) }),
  Schema.Struct({ after: After }),
  Schema.Struct({ every: Every, jitter: Schema.optionalKey(Jitter) }),
  Schema.Struct({ cron: CronText, timezone: Schema.optionalKey(Timezone) })
])

/** When: once, at a time or so long after the configuration; or again and again. */
export const When = Written.pipe(
  Schema.check(Schema.makeFilter(writtenProblem, { toJsonSchema: () => oneWay })),
  Schema.decodeTo(Ways, SchemaTransformation.transform<typeof Ways.Encoded, typeof Written.Type>({
    decode: ({ after, at, cron, every, jitter, timezone }) => {
      if (at !== undefined) return { at }
      if (cron !== undefined) return { cron, ...(timezone === undefined ? {} : { timezone }) }
      if (every !== undefined) return { every, ...(jitter === undefined ? {} : { jitter }) }
      return { after: after ?? 0 }
    },
    encode: (way) => way
  }))
)
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
    /**
     * ISO 8601 with milliseconds; the appended event has the key `schedule/<slug>/<due>`, and on another stream than
     * the schedule's `schedule/<slug>/<due>/<SHA-256 of the schedule's path, in base64url>`.
     */
    due: Schema.String,
    /**
     * `appended`; `skipped`, by its policy; `waiting` for a paused stream, with a second word on it later; or `refused`
     * for good by the stream, and why.
     */
    outcome: Schema.Literals(["appended", "skipped", "waiting", "refused"]),
    /** How many due times before this one were passed over together with it; of a cron expression up to 100. */
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
