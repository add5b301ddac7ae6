/** The log's time as it is heard of: nothing is recorded before it was due, whoever's clock is ahead. */
import { assert, it, layer } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as ScheduleHooks from "../../../src/builtin/schedule/ScheduleHooks.ts"
import { ScheduleClock } from "../../../src/builtin/schedule/ScheduleClock.ts"
import { Streams } from "../../../src/domain/Streams.ts"
import * as TestPostgres from "../../TestPostgres.ts"
import { append, during } from "../../processor/Workshop.ts"
import { configured, other } from "./Scheduling.ts"

it.effect("is taken to be a little behind until an event is heard of", () =>
  Effect.gen(function*() {
    yield* TestClock.setTime(100_000)
    const clock = new ScheduleClock()
    assert.strictEqual(yield* clock.now, 99_980)
    yield* clock.hearLate(40_000)
    assert.strictEqual(yield* clock.now, 99_980)
    yield* clock.hearLate(99_990)
    assert.strictEqual(yield* clock.now, 99_990)
  }))

it.effect("is what the event told that came quickest, among the last ones, and not one of long ago", () =>
  Effect.gen(function*() {
    yield* TestClock.setTime(100_000)
    const clock = new ScheduleClock()
    yield* Effect.forEach([99_400, 99_497, 99_300, 90_000], (createdAt) => clock.hear(createdAt))
    assert.strictEqual(yield* clock.now, 99_497)
    for (let i = 0; i < 8; i++) yield* clock.hear(99_200)
    assert.strictEqual(yield* clock.now, 99_200)
    yield* clock.hear(103_000)
    yield* TestClock.adjust("1 second")
    assert.strictEqual(yield* clock.now, 104_000)
  }))

layer(TestPostgres.log, { excludeTestServices: true, timeout: 60_000 })("on Postgres", (it) => {
  it.effect("nothing is recorded before it was due", () =>
    Effect.gen(function*() {
      const { tail } = yield* Streams
      const count = 30
      const begin = Date.now() + 400
      const schedules = Array.from({ length: count }, (_, i) => {
        const at = new Date(begin + i * 57).toISOString()
        return { type: "schedule/configured", payload: {
          slug: `s${i}`, schedule: { at }, append: { streamPath: other, event: { type: "rang", payload: { at } } }
        } }
      })
      yield* append("/s", configured("later", { after: "1 hour" }), ...schedules)
      const events = yield* Stream.runCollect(Stream.take(tail("/other", { after: 1 }), count))
      const late = events.map(({ createdAt, payload }) =>
        createdAt.epochMilliseconds - Date.parse(JSON.parse(JSON.stringify(payload)).at))
      assert.isAtLeast(Math.min(...late), 0, late.join(" "))
      assert.isAtMost(late.toSorted((a, b) => a - b)[count / 2] ?? 0, 100, late.join(" "))
    }).pipe(during(ScheduleHooks.layer, { leaseMillis: 2_000 }), Effect.scoped))
})
