/**
 * When a schedule is due: pure, so that every server comes to the same times. Times are milliseconds. Known limit: the
 * cron of effect leaves out some of the times that a time zone skips where its clocks go forward by more than an hour
 * at once, as on the Troll station.
 */
import { Cron, Result, Schema } from "effect"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as DurationText from "../../domain/DurationText.ts"
import type { When } from "../../domain/Schedule.ts"
import { parseCron } from "../../domain/Schedule.ts"

/** Of the times of a cron expression that were passed over so many are counted: each costs some 70 µs. */
export const countedCron = 100
/** Times of a cron expression are so far from each other at least, in milliseconds. */
const cronStep = 1_000

/** Milliseconds, in ISO 8601 where it is read. */
export const Time = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Finite,
    SchemaTransformation.transform({ decode: (iso) => Date.parse(iso), encode: (millis) => iso(millis) })
  )
)

/** As a due time stands in events and keys. */
export const iso = (millis: number): string => new Date(millis).toISOString()

/** What was configured, in one form: as comparing it needs, and a state. */
export const Rule = Schema.Union([
  Schema.Struct({ at: Time }),
  Schema.Struct({ afterMillis: Schema.Finite }),
  Schema.Struct({ everyMillis: Schema.Finite, jitterMillis: Schema.Finite }),
  Schema.Struct({ cron: Schema.String, timezone: Schema.String })
])
export type Rule = typeof Rule.Type

/** A jitter is less than what it is added to, so that times stay in order. */
export const ruleOf = (when: When): Rule => {
  if ("at" in when) return { at: when.at.epochMilliseconds }
  if ("after" in when) return { afterMillis: DurationText.toMillis(when.after) }
  if ("cron" in when) return { cron: when.cron, timezone: when.timezone ?? "UTC" }
  const everyMillis = DurationText.toMillis(when.every)
  return { everyMillis, jitterMillis: Math.min(DurationText.toMillis(when.jitter ?? 0), everyMillis) }
}

export interface Timing {
  readonly slug: string
  readonly rule: Rule
  /** When it was configured. */
  readonly configuredAt: number
}

/** The first time at all. */
export const first = (timing: Timing): number | null => {
  const { configuredAt, rule } = timing
  if ("at" in rule) return rule.at
  if ("afterMillis" in rule) return configuredAt + rule.afterMillis
  return "cron" in rule ? nextOfCron(rule, configuredAt) : timeOf(timing, rule, 1)
}

/** The next time behind one of them; none where that was the last. */
export const next = (timing: Timing, due: number): number | null => {
  const { rule } = timing
  if ("cron" in rule) return nextOfCron(rule, due)
  return "everyMillis" in rule ? timeOf(timing, rule, numberOf(timing, rule, due) + 1) : null
}

export interface Dues {
  /** The last of them, in order. */
  readonly last: ReadonlyArray<number>
  /** How many there were before; of a cron expression at most `countedCron` are counted. */
  readonly before: number
}

/** The times from one of them on until now, at most so many of the last. */
export const until = (timing: Timing, from: number, now: number, most: number): Dues => {
  const { rule } = timing
  if (from > now) return { last: [], before: 0 }
  if ("cron" in rule) return untilOfCron(rule, from, now, most)
  if (!("everyMillis" in rule)) return { last: [from], before: 0 }
  const begin = numberOf(timing, rule, from)
  const latest = numberOf(timing, rule, now)
  const end = timeOf(timing, rule, latest) > now ? latest - 1 : latest
  const start = Math.max(begin, end - most + 1)
  return {
    last: Array.from({ length: end - start + 1 }, (_, i) => timeOf(timing, rule, start + i)),
    before: start - begin
  }
}

type Every = Extract<Rule, { readonly everyMillis: number }>
type CronRule = Extract<Rule, { readonly cron: string }>

/** The n-th time of what comes again and again, from 1 on. */
const timeOf = ({ configuredAt, slug }: Timing, { everyMillis, jitterMillis }: Every, n: number): number =>
  configuredAt + n * everyMillis + Math.floor(fractionOf(`${slug}/${n}`) * jitterMillis)

/** Which of them it is: a jitter never reaches the next. */
const numberOf = ({ configuredAt }: Timing, { everyMillis }: Every, due: number): number =>
  Math.floor((due - configuredAt) / everyMillis)

/** From 0 to below 1, by FNV-1a with the last mixing of Murmur: neighbours are far from each other. */
const fractionOf = (text: string): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32
}

/** It was judged when it was configured. */
const cronOf = ({ cron, timezone }: CronRule): Cron.Cron =>
  Result.getOrThrowWith(parseCron(cron, timezone), (reason) => new Error(reason))

const nextOfCron = (rule: CronRule, after: number): number => Cron.next(cronOf(rule), after).getTime()

const untilOfCron = (rule: CronRule, from: number, now: number, most: number): Dues => {
  const bound = Math.max(most, countedCron + 1)
  const all = timesOfCron(rule, from, now, bound + 1)
  const [begin = from] = all
  if (all.length <= bound) return { last: all.slice(-most), before: Math.max(0, all.length - most) }
  // Too many to walk through them all: from now backwards.
  const last = [lastOfCron(rule, all.at(-1) ?? begin, now)]
  for (let due = last[0]; last.length < most && due !== undefined; last.push(due)) {
    due = previousOfCron(rule, begin, due)
  }
  return { last: last.toReversed(), before: countedCron }
}

/** The last time until now, by halving: `known` is one of its times before. */
const lastOfCron = (rule: CronRule, known: number, now: number): number => {
  let last = known
  let end = now
  while (end - last >= cronStep) {
    const middle = Math.floor((last + end) / 2)
    const due = nextOfCron(rule, middle)
    if (due <= now) last = due
    else end = middle
  }
  return last
}

/** The time before one of its times. Where clocks change, what effect finds backwards may not be what `next` finds. */
const previousOfCron = (rule: CronRule, begin: number, due: number): number => {
  const found = Cron.prev(cronOf(rule), due).getTime()
  const isTime = found >= begin && nextOfCron(rule, found - 1) === found && nextOfCron(rule, found) === due
  return isTime ? found : lastOfCron(rule, begin, due - 1)
}

/** Its times from one instant to another, both included, at most so many. */
const timesOfCron = (rule: CronRule, from: number, to: number, most: number): ReadonlyArray<number> => {
  const times: Array<number> = []
  let due = nextOfCron(rule, from - 1)
  for (; due <= to && times.length < most; due = nextOfCron(rule, due)) times.push(due)
  return times
}
