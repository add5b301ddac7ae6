/** Schedules as they are written: what is taken, and what is said of what is not. */
import { assert, describe, it } from "@effect/vitest"
import { Cron, Result, Schema } from "effect"
import * as fc from "fast-check"
import { judge } from "../../src/domain/Judgement.ts"
import { parseCron, When } from "../../src/domain/Schedule.ts"

const refusal = (schedule: unknown): string | undefined =>
  judge({
    type: "schedule/configured",
    payload: JSON.stringify({ slug: "a", schedule, append: { event: { type: "x" } } })
  })?.reason.replace("The payload of schedule/configured does not fit: ", "")

describe("when", () => {
  it.each([
    { at: "2026-11-22T08:00:00+01:00" },
    { after: "90 seconds" },
    { after: 0 },
    { every: "5 minutes" },
    { every: 100, jitter: "1.5 seconds" },
    { cron: "0 8 * * *" },
    { cron: "*/10 0 8 29 2 *", timezone: "Europe/Berlin" }
  ])("is %j", (schedule) => assert.isUndefined(refusal(schedule)))

  it("is of one way only, which the type says too", () => {
    const decoded: When = Schema.decodeSync(When)({ every: "1 minute", jitter: 5 })
    assert.deepStrictEqual(decoded, { every: "1 minute", jitter: 5 })
    const codec = Schema.toCodecJson(When)
    for (const written of [{ at: "2026-11-22T07:00:00.000Z" }, { after: 7 }, { cron: "0 8 * * *", timezone: "UTC" }]) {
      assert.deepStrictEqual(Schema.encodeSync(codec)(Schema.decodeSync(codec)(written)), written)
    }
  })

  const numbers = "must be a number of milliseconds, or a text such as \"90 seconds\": a number and one of " +
    "milliseconds, seconds, minutes, hours, days or weeks"
  it.each([
    [{ cron: "bad" }, "Invalid number of segments in cron expression: \"bad\" at [\"schedule\"][\"cron\"]"],
    [{ cron: "@daily" }, "nicknames are not taken: write \"0 0 * * *\" at [\"schedule\"][\"cron\"]"],
    [{ cron: "0 0 30 2 *" }, "no day fits \"0 0 30 2 *\" at [\"schedule\"][\"cron\"]"],
    [{ cron: "0 0 * * *", timezone: "Mars" }, `Invalid time zone in cron expression: "Mars" at ["schedule"]["cron"]`],
    [{ every: "5 min" }, `${numbers}; write "5 minutes" at ["schedule"]["every"]`],
    [{ every: "1h" }, `${numbers}; write "1 hour" at ["schedule"]["every"]`],
    [{ after: "2 Secs" }, `${numbers}; write "2 seconds" at ["schedule"]["after"]`],
    [{ after: "5minutes" }, `${numbers}; write "5 minutes" at ["schedule"]["after"]`],
    [{ after: "soon" }, `${numbers} at ["schedule"]["after"]`],
    [{ after: "3 s s" }, `${numbers} at ["schedule"]["after"]`],
    [{ every: 50 }, "must be between 100 milliseconds and 3660 days at [\"schedule\"][\"every\"]"],
    [{ at: "tomorrow" }, "Expected a valid UTC DateTime string at [\"schedule\"][\"at\"]"],
    [{}, "must have exactly one of at, after, every, cron at [\"schedule\"]"],
    [{ after: 1, every: 100 }, "must have exactly one of at, after, every, cron at [\"schedule\"]"],
    [{ every: 100, timezone: "UTC" }, "does not go with \"every\" at [\"schedule\"][\"timezone\"]"],
    [{ after: 100, jitter: 5 }, "does not go with \"after\" at [\"schedule\"][\"jitter\"]"],
    [{ every: 100, slug: "b" }, "Expected no excess property at [\"schedule\"][\"slug\"]"],
    ["daily", "Expected object at [\"schedule\"]"]
  ])("is not %j", (schedule, reason) => assert.strictEqual(refusal(schedule), reason))

  it("each way stands in its JSON Schema, without what belongs to the others", () => {
    const { schema } = Schema.toJsonSchemaDocument(When)
    assert.include(JSON.stringify(schema), JSON.stringify({
      required: ["every"], properties: { at: false, after: false, cron: false, timezone: false }
    }))
  })
})

describe("cron", () => {
  const Days = fc.constantFrom("*", "31", "30", "29", "28-31", "30,31", "*/31")
  const Months = fc.constantFrom("*", "2", "4", "2,4,6,9,11", "1", "2-4")
  const Weekdays = fc.constantFrom("*", "1", "*/2", "*/7", "0-6")

  it("is refused exactly where the calendar has no such day", () =>
    fc.assert(fc.property(Days, Months, Weekdays, (days, months, weekdays) => {
      const expression = `0 0 ${days} ${months} ${weekdays}`
      const naive = Result.try(() => Cron.next(Result.getOrThrow(Cron.parse(expression, "UTC")), 0))
      assert.strictEqual(Result.isSuccess(parseCron(expression)), Result.isSuccess(naive), expression)
    }), { numRuns: 300 }))

  it("that never comes is refused at once", () => {
    const began = performance.now()
    for (let i = 0; i < 20; i++) assert.isTrue(Result.isFailure(parseCron(`${i} 0 30 2 *`, "Europe/Berlin")))
    assert.isBelow(performance.now() - began, 1_000)
  })

  it("that is used stays parsed, however many others come", () => {
    const used = parseCron("1 2 3 4 *")
    for (let i = 0; i < 3_000; i++) {
      parseCron(`${i % 60} ${Math.floor(i / 60) % 24} ${1 + Math.floor(i / 1_440)} 5 *`)
      if (i % 500 === 0) assert.strictEqual(parseCron("1 2 3 4 *"), used)
    }
  })
})
