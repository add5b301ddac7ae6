/** How long, as clients write it: `"90 seconds"`, `"5 minutes"`, or a number of milliseconds. */
import { Duration, Option, Schema } from "effect"

/** The longest that is taken, in days: some ten years, far below what a date can hold. */
const maxDays = 3_660
const longest = maxDays * 86_400_000

const units = "milliseconds, seconds, minutes, hours, days or weeks"

/** The same in milliseconds, `undefined` where the text names no time. */
const read = (value: string | number): number | undefined => {
  if (typeof value === "number") return value
  const [amount = "", unit, ...more] = value.trim().split(/\s+/)
  if (!/^\d+(?:\.\d+)?$/.test(amount) || unit === undefined || more.length > 0) return undefined
  const single = unit.replace(/s$/, "")
  if (!isUnit(single)) return undefined
  return Option.getOrUndefined(Option.map(Duration.fromInput(`${Number(amount)} ${named[single]}`), Duration.toMillis))
}

const named = {
  milli: "millis",
  millisecond: "millis",
  second: "seconds",
  minute: "minutes",
  hour: "hours",
  day: "days",
  week: "weeks"
} as const
const isUnit = (text: string): text is keyof typeof named => Object.hasOwn(named, text)

/** How units are abbreviated elsewhere. */
const abbreviated = new Map([
  ["ms", "millisecond"],
  ["s", "second"],
  ["sec", "second"],
  ["m", "minute"],
  ["min", "minute"],
  ["h", "hour"],
  ["hr", "hour"],
  ["d", "day"],
  ["w", "week"],
  ["wk", "week"]
])

/** What is taken in place of a text such as `5 min` or `1h`, with what leads to it. */
const hint = (value: string | number): string => {
  const [, amount, unit = ""] = /^\s*(\d+(?:\.\d+)?)\s*([a-z]+?)\s*$/i.exec(String(value)) ?? []
  const lower = unit.toLowerCase()
  const single = lower.replace(/(?<=..)s$/, "")
  const meant = isUnit(single) ? single : abbreviated.get(lower) ?? abbreviated.get(single)
  return amount === undefined || meant === undefined
    ? ""
    : `; write ${JSON.stringify(`${amount} ${meant}${amount === "1" ? "" : "s"}`)}`
}

const problem = (least: number) => (value: string | number): string | undefined => {
  const millis = read(value)
  if (millis === undefined || !Number.isFinite(millis)) {
    const form = `must be a number of milliseconds, or a text such as "90 seconds": a number and one of ${units}`
    return form + hint(value)
  }
  return millis < least || millis > longest
    ? `must be between ${least} milliseconds and ${maxDays} days`
    : undefined
}

/** A time of at least so many milliseconds, as it was written. */
export const atLeast = (least: number) =>
  Schema.Union([Schema.String, Schema.Finite]).pipe(
    Schema.check(Schema.makeFilter(problem(least)))
  ).annotate({ description: "Such as \"90 seconds\" or \"5 minutes\", or a number of milliseconds" })

/** The milliseconds of a time that was judged. */
export const toMillis = (value: string | number): number => Math.round(read(value) ?? 0)
