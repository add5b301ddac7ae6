/** What a due time puts into the log, where a fiber does it that does not know the newest state. */
import { assert, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import type { Entry } from "../../../src/builtin/schedule/ScheduleEntry.ts"
import * as Append from "../../../src/builtin/schedule/ScheduleAppend.ts"
import { ScheduleClock } from "../../../src/builtin/schedule/ScheduleClock.ts"
import { maxWaiting } from "../../../src/builtin/schedule/SchedulePlan.ts"
import type { Step } from "../../../src/builtin/schedule/SchedulePlan.ts"
import { Paused } from "../../../src/domain/ControlEvent.ts"
import type { EventInput } from "../../../src/domain/Event.ts"
import type * as EventTypes from "../../../src/domain/EventType.ts"
import { EventType } from "../../../src/domain/EventType.ts"
import { ScheduleFired } from "../../../src/domain/Schedule.ts"
import type { Streams } from "../../../src/domain/Streams.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import { Processor } from "../../../src/processor/Processor.ts"
import type { TestHost } from "../../../src/testing/TestHost.ts"
import { append, payloads, quiet, types, Went, work } from "../../processor/Workshop.ts"

const emits: ReadonlyArray<EventTypes.Any> = [EventType.any, ScheduleFired]
/** Speaks as the schedules do. */
const Scheduling = Processor.make("schedule", { state: Schema.Int, initial: 0, consumes: [Went], emits })
  .reduce({ went: (_, { payload }) => payload.n })
  .fibers({ run: (n): { readonly [key: string]: number } => n === 0 ? {} : { all: n } })

const entry: Entry = {
  slug: "a", next: 1_000, waiting: [], rule: { everyMillis: 1_000, jitterMillis: 0 }, type: "said", payload: {},
  overlap: "skip", catchUp: "latest", configured: 2, configuredAt: 0, hops: 0, bytes: 1
}
const step = (due: number, missed = 0): Step => ({ due, outcome: "appended", missed })

/** Records one after the other, and what came of each. */
const recording = (entry: Entry, all: ReadonlyArray<ReadonlyArray<Step>>, ...more: ReadonlyArray<EventInput>) =>
  Effect.suspend(() => {
    const outcomes: Array<Append.Outcome> = []
    const clock = new ScheduleClock()
    const layer = Scheduling.toLayer(Effect.map(EventStore, (store) => ({
      fibers: {
        run: {
          whilePaused: true,
          run: (_: number, tools: Append.Tools) =>
            Effect.forEach(all, (steps) =>
              Effect.map(
                Append.record({ tools, store, clock }, entry, Append.fitting(entry, steps), maxWaiting),
                (outcome) => outcomes.push(outcome)
              ))
        }
      }
    })))
    const body: Effect.Effect<ReadonlyArray<Append.Outcome>, unknown, Streams | TestHost> = Effect.gen(function*() {
      yield* append("/s", Went.make({ n: 1 }), ...more)
      yield* quiet
      return outcomes
    })
    return Effect.gen(function*() {
      const found = yield* body
      return { found, said: yield* types("/s"), words: yield* payloads("/s", "schedule/fired") }
    }).pipe(work(layer))
  })

it.effect("is there once, though it is told of again with other words, or with others beside it", () =>
  Effect.gen(function*() {
    const { found, said } = yield* recording(entry, [
      [step(1_000, 3)],
      [step(1_000, 4)],
      [step(1_000), step(2_000)]
    ])
    assert.deepStrictEqual(found, ["told", "told", "told"])
    assert.deepStrictEqual(said, ["went", "said", "schedule/fired", "said", "schedule/fired"])
  }))

it.effect("is nothing while its own stream is paused", () =>
  Effect.gen(function*() {
    const { found, words } = yield* recording(entry, [[step(1_000)]], Paused.make({}))
    assert.deepStrictEqual([found, words], [["paused"], []])
  }))

it.effect("what is too large, or leads nowhere, is refused and told of", () =>
  Effect.gen(function*() {
    const large = { ...entry, payload: "x".repeat(1_100_000), bytes: 1_100_300 }
    const { found, words } = yield* recording(large, [[step(1_000), step(2_000)]])
    assert.deepStrictEqual(found, ["told"])
    const error = "An event has at most 1048576 bytes"
    assert.deepStrictEqual(words, [
      { slug: "a", configured: 2, due: "1970-01-01T00:00:01.000Z", outcome: "refused", error }
    ])
    const reserved = yield* recording({ ...entry, type: "stream/initialized" }, [[step(1_000), step(2_000)]])
    assert.lengthOf(reserved.words, 2)
  }))

it.effect("whose word's key a client took is told of by another one, once", () =>
  Effect.gen(function*() {
    const key = "schedule/a/1970-01-01T00:00:01.000Z/fired/2"
    const note = { type: "note", idempotencyKey: key }
    const { found, said } = yield* recording(entry, [[step(1_000)], [step(2_000)]], note)
    assert.deepStrictEqual(found, ["told", "told"])
    assert.deepStrictEqual(said, ["went", "note", "said", "schedule/fired", "said", "schedule/fired"])
  }))

it.effect("that would lead on a chain which is too long is refused and told of", () =>
  Effect.gen(function*() {
    const crossing = { ...entry, streamPath: "/elsewhere", hops: 256 }
    const { found, said, words } = yield* recording(crossing, [[step(1_000)]])
    assert.deepStrictEqual([found, said], [["told"], ["went", "schedule/fired"]])
    assert.deepStrictEqual(words, [{
      slug: "a", configured: 2, due: "1970-01-01T00:00:01.000Z", outcome: "refused",
      error: "Its chain of causes would cross more than 256 times between streams"
    }])
  }))
