/** Schedules as state: what is asked for, and what each event makes of it. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect } from "effect"
import { Schedule } from "../../../src/builtin/schedule/Schedule.ts"
import * as Entries from "../../../src/builtin/schedule/ScheduleEntry.ts"
import * as Plan from "../../../src/builtin/schedule/SchedulePlan.ts"
import { ScheduleCancelled, ScheduleConfigured, ScheduleFired } from "../../../src/domain/Schedule.ts"
import type { When } from "../../../src/domain/Schedule.ts"
import * as Scenario from "../../../src/testing/Scenario.ts"
import { StreamPath } from "../../../src/domain/StreamPath.ts"

const begin = DateTime.makeUnsafe("2026-11-22T08:00:00.000Z")
const millis = (seconds: number) => begin.epochMilliseconds + seconds * 1_000
const isoAt = (seconds: number) => new Date(millis(seconds)).toISOString()

type More = Omit<typeof ScheduleConfigured.payload.Type, "slug" | "schedule" | "append">
const configured = (slug: string, schedule: When, more: More = {}, payload: string = "hello", seconds = 0) => ({
  ...ScheduleConfigured.make({ slug, schedule, append: { event: { type: "said", payload } }, ...more }),
  createdAt: DateTime.add(begin, { seconds })
})
const fired = (slug: string, configured: number, seconds: number, outcome: typeof ScheduleFired.payload.Type.outcome) =>
  ScheduleFired.make({ slug, configured, due: isoAt(seconds), outcome })

const scenario = Scenario.make(Schedule)
/** By name, the offset of its configuration and its second. */
const asking = (...schedules: ReadonlyArray<readonly [string, number, number]>) => ({
  kind: "fire" as const,
  key: "next",
  input: {
    due: millis(schedules[0]?.[2] ?? 0),
    schedules: schedules.map(([slug, configured, seconds]) => ({ slug, configured, next: millis(seconds), waiting: 0 }))
  }
})

describe("its state", () => {
  it.effect("asks for one fiber, whatever is configured: for the first due time and those that follow", () =>
    scenario.given(configured("late", { after: "1 hour" }), configured("b", { every: "1 minute" }))
      .when(configured("a", { every: 60_000 }))
      .then({ asked: [asking(["a", 4, 60], ["b", 3, 60], ["late", 2, 3_600])], emitted: [] }))

  it.effect("counts from the configuration, and goes on from the time that was told of", () =>
    scenario.given(configured("a", { every: "1 minute" })).when(fired("a", 2, 180, "appended"))
      .then({ asked: [asking(["a", 2, 240])] }))

  it.effect("an identical configuration changes nothing, however its durations are written", () =>
    scenario.given(configured("a", { every: "1 minute" }), fired("a", 2, 60, "appended"))
      .when(configured("a", { every: 60_000 }, { overlap: "skip", catchUp: "latest" }, "hello", 90))
      .then({ asked: [asking(["a", 2, 120])] }))

  it.effect("another configuration replaces it and counts anew", () =>
    scenario.given(configured("a", { every: "1 minute" })).when(configured("a", { every: 60_000 }, {}, "bye", 30))
      .then({ asked: [asking(["a", 3, 90])] }))

  it.effect("what is said of a configuration that was replaced changes nothing", () =>
    scenario.given(configured("a", { every: "1 minute" }), configured("a", { at: begin }))
      .when(fired("a", 2, 60, "appended")).then({ asked: [asking(["a", 3, 0])] }))

  it.effect("what is done, and what is cancelled, is gone", () =>
    Effect.gen(function*() {
      const one = scenario.given(configured("a", { after: 1_000 }))
      yield* one.when(fired("a", 2, 1, "appended")).then({ state: { schedules: [] }, asked: [] })
      yield* one.when(ScheduleCancelled.make({ slug: "a" })).then({ state: { schedules: [] }, asked: [] })
      yield* one.when(ScheduleCancelled.make({ slug: "b" })).then({ asked: [asking(["a", 2, 1])] })
    }))

  it.effect("what waits is asked for by target until it is told of, replaced or cancelled", () =>
    Effect.gen(function*() {
      const append = { streamPath: StreamPath.make("/other"), event: { type: "said" } }
      const late = ScheduleConfigured.make({ slug: "a", schedule: { after: 1_000 }, append })
      const waiting = scenario.given({ ...late, createdAt: begin })
      const word = { ...fired("a", 2, 1, "waiting"), createdAt: DateTime.add(begin, { seconds: 2 }) }
      const asked = {
        kind: "late" as const,
        key: "/other",
        input: { since: millis(2), events: [{ slug: "a", configured: 2, due: millis(1) }] }
      }
      yield* waiting.when(word).then({ asked: [asked] })
      yield* waiting.given(word).when({ ...late, createdAt: begin }).then({ asked: [asked] })
      yield* waiting.given(word).when(fired("a", 2, 1, "appended")).then({ state: { schedules: [] } })
      yield* waiting.given(word).when(ScheduleCancelled.make({ slug: "a" })).then({ asked: [] })
      yield* waiting.given(word).when(configured("a", { after: 9_000 })).then({ asked: [asking(["a", 4, 9])] })
    }))

  it.effect("any name is a name", () =>
    scenario.given(configured("__proto__", { after: 1_000 }), configured("constructor", { after: 2_000 }))
      .when(fired("__proto__", 2, 1, "appended")).then({ asked: [asking(["constructor", 3, 2])] }))

  it.effect("those beyond a bound in number or bytes are not kept, and are asked for to be told of", () =>
    Effect.gen(function*() {
      const many = Array.from({ length: Entries.maxSchedules }, (_, i) => configured(`s${i}`, { after: 1_000 + i }))
      const full = scenario.given(...many)
      const { asked, state } = yield* full.when(configured("more", { after: 1 }))
      assert.lengthOf(state.schedules, Entries.maxSchedules)
      assert.deepStrictEqual(asked.filter(({ kind }) => kind === "refuse"), [{
        kind: "refuse", key: "last", input: { count: 1, last: [{ slug: "more", configured: Entries.maxSchedules + 2 }] }
      }])
      const replaced = yield* full.when(configured("s7", { after: 1 }))
      assert.deepStrictEqual([replaced.state.refused, replaced.state.schedules[0]?.slug], [undefined, "s7"])
      const large = (slug: string, bytes = 900_000) => configured(slug, { after: 1 }, {}, "x".repeat(bytes))
      const four = scenario.given(...["a", "b", "c", "d"].map((slug) => large(slug)))
      assert.deepStrictEqual((yield* four.when(large("e"))).state.refused?.last, [{ slug: "e", configured: 6 }])
      assert.deepStrictEqual((yield* four.when(large("d"))).state.refused, undefined)
      // One that is replaced makes room for itself only.
      const smaller = four.given(configured("d", { after: 1 }, {}, "x"))
      assert.deepStrictEqual((yield* smaller.when(large("e"))).state.refused, undefined)
      assert.deepStrictEqual((yield* smaller.given(large("e")).when(large("d"))).state.schedules.length, 5)
    }), { timeout: 60_000 })

  it.effect("of those that find no room the last names are kept, and how many there were", () =>
    Effect.gen(function*() {
      const large = (i: number) => configured(`s${i}`, { after: 1 }, {}, "x".repeat(900_000))
      const { state } = yield* scenario.given(...Array.from({ length: 30 }, (_, i) => large(i))).when(large(30))
      assert.deepStrictEqual([state.schedules.length, state.refused?.count], [4, 27])
      const names = Array.from({ length: 20 }, (_, i) => `s${i + 11}`)
      assert.deepStrictEqual(state.refused?.last.map(({ slug }) => slug), names)
    }))
})

describe("what becomes of due times", () => {
  const entry = (more: Partial<Entries.Entry> = {}): Entries.Entry => ({
    slug: "a", next: 1_000, waiting: [], rule: { everyMillis: 1_000, jitterMillis: 0 }, type: "said", payload: {},
    overlap: "skip", catchUp: "latest", configured: 2, configuredAt: 0, hops: 0, bytes: 1, ...more
  })
  const plan = (now: number, more: Partial<Entries.Entry> = {}) =>
    Plan.make(entry(more), now).map(({ due, missed, outcome }) => [due, outcome, missed])

  it("is nothing before the time, and one event at it", () => {
    assert.deepStrictEqual(plan(999), [])
    assert.deepStrictEqual(plan(1_000), [[1_000, "appended", 0]])
    assert.deepStrictEqual(plan(1_000, { next: null }), [])
  })

  it("latest: the last of them, which counts the others", () => {
    assert.deepStrictEqual(plan(86_400_500), [[86_400_000, "appended", 86_399]])
  })

  it("all: each, but no more than the last 1,000", () => {
    assert.deepStrictEqual(plan(3_500, { catchUp: "all" }), [1, 2, 3].map((n) => [n * 1_000, "appended", 0]))
    assert.lengthOf(plan(1_000_000, { catchUp: "all" }), 1_000)
    const long = plan(5_000_000, { catchUp: "all" })
    assert.deepStrictEqual([long.length, ...long.slice(0, 2)], [
      1_001, [4_000_000, "skipped", 3_999], [4_001_000, "appended", 0]
    ])
  })

  it("none: the last where it is 5 seconds old or less", () => {
    const every = { catchUp: "none", rule: { everyMillis: 60_000, jitterMillis: 0 }, next: 60_000 } as const
    assert.deepStrictEqual(plan(125_000, every), [[120_000, "appended", 1]])
    assert.deepStrictEqual(plan(125_001, every), [[120_000, "skipped", 1]])
    const past = { catchUp: "none", rule: { at: 7 }, next: 7, configuredAt: 90_000 } as const
    assert.deepStrictEqual(plan(90_500, past), [[7, "appended", 0]])
  })

  it("while its stream is paused one waits and the rest is left out, or each waits, within a bound", () => {
    const some = (count: number) => Array.from({ length: count }, (_, i) => ({ due: -1 - i, since: 0 }))
    assert.deepStrictEqual(plan(1_000, { waiting: some(1) }), [[1_000, "skipped", 0]])
    assert.deepStrictEqual(plan(1_000, { waiting: some(1), overlap: "allow" }), [[1_000, "waiting", 0]])
    assert.deepStrictEqual(plan(4_000, { waiting: some(98), overlap: "allow", catchUp: "all" }), [
      [1_000, "waiting", 0], [2_000, "waiting", 0], [4_000, "skipped", 1]
    ])
    const steps = Plan.make(entry({ catchUp: "all" }), 4_000)
    assert.deepStrictEqual(Plan.hold(entry(), steps).map(({ due, missed, outcome }) => [due, outcome, missed]), [
      [1_000, "waiting", 0], [4_000, "skipped", 2]
    ])
  })

  it("what was refused stays so, with its reason, while the rest waits", () => {
    const refused = { due: 1_000, outcome: "refused", missed: 0, error: "too large" } as const
    const due = Plan.make(entry({ next: 2_000 }), 2_000)
    assert.deepStrictEqual(Plan.hold(entry({ overlap: "allow" }), [refused, ...due]), [
      refused, { due: 2_000, outcome: "waiting", missed: 0 }
    ])
  })

  it("what waits is bounded for all schedules of a stream together", () => {
    const some = (count: number) => Array.from({ length: count }, (_, i) => ({ due: -1 - i, since: 0 }))
    const many = (count: number) => Array.from({ length: count }, () => entry({ waiting: some(100) }))
    assert.strictEqual(Plan.roomOfEach(many(90), 64), 15)
    assert.strictEqual(Plan.roomOfEach(many(100), 64), 0)
    assert.strictEqual(Plan.roomOfEach(many(110), 64), 0)
    const steps = Plan.make(entry({ waiting: some(1), overlap: "allow", catchUp: "all" }), 4_000, 2)
    assert.deepStrictEqual(steps.map(({ due, missed, outcome }) => [due, outcome, missed]), [
      [1_000, "waiting", 0], [2_000, "waiting", 0], [4_000, "skipped", 1]
    ])
  })

  it("what was missed goes in parts, and what is not missed is not held back", () => {
    const steps = Plan.make(entry({ catchUp: "all" }), 5_500)
    assert.strictEqual(Plan.missedIn(steps, 5_500), 4)
    assert.deepStrictEqual(Plan.within(steps, 2, 5_500).map(({ due }) => due), [1_000, 2_000])
    assert.deepStrictEqual(Plan.within(steps, 4, 5_500), steps)
  })
})
