/** Due times against what is counted one by one; the days on which clocks change in full. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Schema } from "effect"
import * as fc from "fast-check"
import * as DueTime from "../../../src/builtin/schedule/DueTime.ts"
import { When } from "../../../src/domain/Schedule.ts"

const at = (iso: string) => Date.parse(iso)
const timing = (rule: DueTime.Rule, configuredAt = at("2026-01-01T00:00:00.000Z"), slug = "s"): DueTime.Timing =>
  ({ slug, rule, configuredAt })
const cron = (cron: string, timezone = "UTC"): DueTime.Rule => ({ cron, timezone })

/** All times from the first on until an end, one by one. */
const walk = (of: DueTime.Timing, end: number, begin = DueTime.first(of)): ReadonlyArray<number> => {
  const times: Array<number> = []
  for (let due = begin; due !== null && due <= end; due = DueTime.next(of, due)) times.push(due)
  return times
}

/** When a cron expression fires from one time to another. */
const fires = (expression: string, zone: string, from: string, to: string) =>
  walk(timing(cron(expression, zone), at(from) - 1), at(to)).map(DueTime.iso)

describe("once", () => {
  it("at a time, be it past, or so long after the configuration", () => {
    const past = timing({ at: 5 })
    assert.strictEqual(DueTime.first(past), 5)
    assert.isNull(DueTime.next(past, 5))
    const after = timing({ afterMillis: 90_000 }, 10)
    assert.strictEqual(DueTime.first(after), 90_010)
    assert.isNull(DueTime.next(after, 90_010))
    assert.deepStrictEqual(DueTime.until(after, 90_010, 90_009, 1), { last: [], before: 0 })
    assert.deepStrictEqual(DueTime.until(after, 90_010, 90_010, 1), { last: [90_010], before: 0 })
  })
})

describe("every", () => {
  const Timing = fc.record({
    slug: fc.string({ minLength: 1, maxLength: 8 }),
    everyMillis: fc.integer({ min: 100, max: 1_000_000 }),
    jitter: fc.integer({ min: 0, max: 2_000_000 }),
    configuredAt: fc.integer({ min: 0, max: 2_000_000_000_000 })
  })

  it("each time is in its turn, later by less than the jitter, and the last of many are those of all", () =>
    fc.assert(fc.property(Timing, fc.integer({ min: 1, max: 80 }), fc.nat(), fc.integer({ min: 1, max: 90 }), (
      { configuredAt, everyMillis, jitter, slug },
      count,
      part,
      most
    ) => {
      const of = timing(DueTime.ruleOf({ every: everyMillis, jitter }), configuredAt, slug)
      const now = configuredAt + everyMillis * count + part % everyMillis
      const all = walk(of, now)
      assert.isAtLeast(all.length, count - 1)
      all.forEach((due, index) => {
        const late = due - configuredAt - everyMillis * (index + 1)
        assert.isTrue(late >= 0 && late < Math.max(1, Math.min(jitter, everyMillis)), `${late}`)
      })
      const [begin] = all
      if (begin === undefined) return
      const { before, last } = DueTime.until(of, begin, now, most)
      assert.deepStrictEqual(last, all.slice(-most))
      assert.strictEqual(before, Math.max(0, all.length - most))
    })))

  it("a jitter spreads evenly, differs from time to time and from one name to another", () => {
    const lates = (slug: string) => {
      const of = timing({ everyMillis: 1_000, jitterMillis: 1_000 }, 0, slug)
      return walk(of, 400_000).map((due) => due % 1_000)
    }
    const some = lates("a")
    const quarters = [0, 1, 2, 3].map((n) => some.filter((late) => Math.floor(late / 250) === n).length)
    for (const quarter of quarters) assert.isTrue(quarter > 70 && quarter < 130, quarters.join(" "))
    assert.isAbove(some.filter((late, i) => Math.abs(late - (some[i + 1] ?? 0)) > 100).length, 280)
    assert.notDeepEqual(some.slice(0, 10), lates("b").slice(0, 10))
    assert.deepStrictEqual(some, lates("a"))
  })

  it("a year of it is not walked through", () => {
    const of = timing({ everyMillis: 100, jitterMillis: 0 }, 0)
    assert.deepStrictEqual(DueTime.until(of, 100, 31_536_000_000, 2), {
      last: [31_535_999_900, 31_536_000_000],
      before: 315_359_998
    })
  })
})

describe("cron where clocks change", () => {
  it("a time of day that is skipped comes once, as much later", () => {
    assert.deepStrictEqual(fires("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z"), [
      "2026-03-28T01:30:00.000Z", "2026-03-29T01:30:00.000Z", "2026-03-30T00:30:00.000Z"
    ])
    assert.deepStrictEqual(fires("30 2 * * *", "America/New_York", "2026-03-07T00:00:00Z", "2026-03-09T12:00:00Z"), [
      "2026-03-07T07:30:00.000Z", "2026-03-08T07:30:00.000Z", "2026-03-09T06:30:00.000Z"
    ])
  })

  it("a time of day that is shown twice comes once, the first time", () => {
    assert.deepStrictEqual(fires("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z"), [
      "2026-10-25T00:30:00.000Z", "2026-10-26T01:30:00.000Z"
    ])
    assert.deepStrictEqual(fires("30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z", "2026-11-02T12:00:00Z"), [
      "2026-11-01T05:30:00.000Z", "2026-11-02T06:30:00.000Z"
    ])
  })

  for (const zone of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]) {
    it(`what comes every few minutes knows no such days in ${zone}`, () => {
      for (const day of ["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01"]) {
        const from = at(`${day}T00:00:00.000Z`) - 43_200_000
        const all = walk(timing(cron("*/15 * * * *", zone), from - 1), from + 2 * 86_400_000)
        assert.deepStrictEqual(all, Array.from({ length: 193 }, (_, i) => from + i * 900_000))
      }
    })
  }

  /** The instants of a year at which clocks show a time of day, minute by minute; without a second showing. */
  const shown = (zone: string, year: number, hour: number, minute: number) => {
    const clock = new Intl.DateTimeFormat("en-US", {
      timeZone: zone, hourCycle: "h23", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric"
    })
    const days = new Map<string, number>()
    // Offsets are whole quarters of an hour.
    for (let now = Date.UTC(year, 0, 2); now < Date.UTC(year, 11, 31); now += 900_000) {
      const parts = new Map(clock.formatToParts(now).map(({ type, value }) => [type, Number(value)]))
      const day = `${parts.get("month")}-${parts.get("day")}`
      if (parts.get("hour") === hour && parts.get("minute") === minute && !days.has(day)) days.set(day, now)
    }
    return [...days.values()]
  }

  for (const zone of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]) {
    it(`over a year it fires when the clocks of ${zone} say so, and once on each day`, () => {
      for (const [hour, minute] of [[0, 0], [1, 30], [2, 15], [2, 30], [3, 0]] as const) {
        const expression = `${minute} ${hour} * * *`
        const all = walk(timing(cron(expression, zone), Date.UTC(2026, 0, 2) - 1), Date.UTC(2026, 11, 31) - 1)
        const found = new Set(all)
        assert.strictEqual(found.size, all.length)
        for (const instant of shown(zone, 2026, hour, minute)) assert.isTrue(found.delete(instant), DueTime.iso(instant))
        // What is left are the days on which nobody's clock showed it.
        assert.isAtMost(found.size, 2, expression)
        assert.isAtLeast(all.length, 362)
        all.slice(1).forEach((due, i) => {
          const pause = due - (all[i] ?? 0)
          assert.isTrue(pause > 82_000_000 && pause < 91_000_000, `${expression} at ${DueTime.iso(due)}`)
        })
      }
    })
  }
})

describe("cron", () => {
  it("knows leap days, ends of months, and seconds", () => {
    assert.deepStrictEqual(fires("0 12 29 2 *", "UTC", "2026-01-01T00:00:00Z", "2033-01-01T00:00:00Z"), [
      "2028-02-29T12:00:00.000Z", "2032-02-29T12:00:00.000Z"
    ])
    assert.deepStrictEqual(fires("0 0 31 * *", "UTC", "2026-01-01T00:00:00Z", "2026-06-30T00:00:00Z"), [
      "2026-01-31T00:00:00.000Z", "2026-03-31T00:00:00.000Z", "2026-05-31T00:00:00.000Z"
    ])
    assert.deepStrictEqual(fires("*/20 59 23 31 12 *", "Asia/Kathmandu", "2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z"), [
      "2026-12-31T18:14:00.000Z", "2026-12-31T18:14:20.000Z", "2026-12-31T18:14:40.000Z"
    ])
  })

  it("the last of many times are found without a walk through all of them", () => {
    const of = timing(cron("0 * * * *", "Europe/Berlin"))
    const from = at("2026-01-01T01:00:00.000Z")
    const day = DueTime.until(of, from, from + 86_400_000, 3)
    assert.deepStrictEqual(day.last.map(DueTime.iso), [
      "2026-01-01T23:00:00.000Z", "2026-01-02T00:00:00.000Z", "2026-01-02T01:00:00.000Z"
    ])
    assert.strictEqual(day.before, 22)
    const decade = DueTime.until(of, from, at("2036-01-01T00:30:00.000Z"), 1)
    assert.deepStrictEqual(decade.last.map(DueTime.iso), ["2036-01-01T00:00:00.000Z"])
    assert.strictEqual(decade.before, DueTime.countedCron)
    const many = DueTime.until(timing(cron("* * * * *")), from, from + 86_400_000 * 3, 1_001)
    assert.strictEqual(many.last.length, 1_001)
    assert.deepStrictEqual([many.last[0], many.last.at(-1)], [from + 86_400_000 * 3 - 60_000_000, from + 86_400_000 * 3])
  })

  const sparse: ReadonlyArray<readonly [string, string, string, string, string]> = [
    ["* * * 1 * *", "UTC", "2026-11-01T00:00:05Z", "2026-11-15T00:00:00Z", "2026-11-01T23:59:59.000Z"],
    ["* * * 1 * *", "Europe/Berlin", "2026-11-01T00:00:05Z", "2026-11-15T00:00:00Z", "2026-11-01T22:59:59.000Z"],
    ["* * 9 * * *", "Europe/Berlin", "2026-11-01T08:00:05Z", "2026-11-02T07:00:00Z", "2026-11-01T08:59:59.000Z"],
    ["* * * * 11 *", "Europe/Berlin", "2026-11-01T08:00:05Z", "2027-06-02T07:00:00Z", "2026-11-30T22:59:59.000Z"],
    ["* * * 29 2 *", "UTC", "2028-02-29T00:00:00Z", "2031-06-02T07:00:00Z", "2028-02-29T23:59:59.000Z"],
    ["* * 2 * 3,10 7", "Europe/Berlin", "2026-10-25T00:00:00Z", "2027-02-02T07:00:00Z", "2026-10-25T00:59:59.000Z"]
  ]
  for (const [expression, zone, begin, now, last] of sparse) {
    it(`${expression} in ${zone}: the last of a dense stretch long ago are found at once`, () => {
      const of = timing(cron(expression, zone))
      const from = at(begin)
      const began = performance.now()
      const one = DueTime.until(of, from, at(now), 1)
      const some = DueTime.until(of, from, at(now), 50)
      // Tens of milliseconds; a walk takes seconds.
      assert.isBelow(performance.now() - began, 1_000)
      assert.deepStrictEqual([one.last.map(DueTime.iso), one.before], [[last], DueTime.countedCron])
      assert.deepStrictEqual(some.last, Array.from({ length: 50 }, (_, i) => at(last) - (49 - i) * 1_000))
    })
  }

  it("the last of many are those of a walk where clocks change", () => {
    for (const zone of ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"]) {
      for (const expression of ["*/10 * * * *", "*/5 1-3 * * *"]) {
        for (const day of ["2026-03-08", "2026-03-29", "2026-04-05", "2026-10-04", "2026-10-25", "2026-11-01"]) {
          const of = timing(cron(expression, zone), at(`${day}T00:00:00Z`) - 3 * 86_400_000)
          const from = DueTime.first(of) ?? 0
          const now = at(`${day}T22:00:00Z`)
          const all = walk(of, now)
          assert.deepStrictEqual(DueTime.until(of, from, now, 15).last, all.slice(-15), `${expression} ${zone} ${day}`)
        }
      }
    }
  }, 60_000)
})

it("what is configured is one of four rules, however its durations are written", () => {
  const decode = Schema.decodeUnknownSync(When)
  assert.deepStrictEqual(DueTime.ruleOf(decode({ at: "2026-11-22T08:00:00+01:00" })), { at: at("2026-11-22T07:00:00Z") })
  assert.deepStrictEqual(DueTime.ruleOf(decode({ after: "90 seconds" })), { afterMillis: 90_000 })
  assert.deepStrictEqual(DueTime.ruleOf({ every: "1 minute", jitter: "5 minutes" }), {
    everyMillis: 60_000,
    jitterMillis: 60_000
  })
  assert.deepStrictEqual(DueTime.ruleOf({ cron: "0 8 * * *" }), { cron: "0 8 * * *", timezone: "UTC" })
  assert.strictEqual(DueTime.first(timing(DueTime.ruleOf({ at: DateTime.makeUnsafe(7) }))), 7)
})
