import { assert, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as Reminder from "../../src/examples/Reminder.ts"
import { Streams } from "../../src/millstream.ts"
import { TestHost } from "../../src/testing.ts"

const { ReminderCancelled, ReminderRang, ReminderSet } = Reminder

const rang = (path: string) =>
  Effect.flatMap(Streams, (streams) =>
    Effect.map(
      Stream.runCollect(streams.read(path, { types: [ReminderRang] })),
      (events) => events.map(({ payload }) => payload.id)
    ))

const inMinutes = (minutes: number) => Effect.map(DateTime.now, (now) => DateTime.add(now, { minutes }))

it.effect("rings once its time has come, and not before", () =>
  Effect.gen(function*() {
    const streams = yield* Streams
    const host = yield* TestHost
    const path = "/reminders/ada"
    yield* streams.append(path, ReminderSet.make({ id: "tea", at: yield* inMinutes(60) }))
    yield* streams.append(path, ReminderSet.make({ id: "egg", at: yield* inMinutes(5) }))
    yield* host.pass("59 minutes")
    assert.deepStrictEqual(yield* rang(path), ["egg"])
    yield* host.pass("1 minute")
    assert.deepStrictEqual(yield* rang(path), ["egg", "tea"])
    const { state } = yield* streams.state(path, { processor: Reminder.Reminder })
    assert.deepStrictEqual(state, { pending: {} })
  }).pipe(Effect.provide(Reminder.layer.pipe(Layer.provideMerge(TestHost.layer)))))

it.effect("set anew it rings at the new time only; cancelled it does not ring; set for the past it rings at once", () =>
  Effect.gen(function*() {
    const streams = yield* Streams
    const host = yield* TestHost
    const path = "/reminders/grace"
    yield* host.pass("1 hour")
    yield* streams.append(path, ReminderSet.make({ id: "tea", at: yield* inMinutes(10) }))
    yield* streams.append(path, ReminderSet.make({ id: "egg", at: yield* inMinutes(10) }))
    yield* streams.append(path, ReminderSet.make({ id: "late", at: yield* inMinutes(-10) }))
    yield* host.pass("5 minutes")
    assert.deepStrictEqual(yield* rang(path), ["late"])
    yield* streams.append(path, ReminderSet.make({ id: "tea", at: yield* inMinutes(10) }))
    yield* streams.append(path, ReminderCancelled.make({ id: "egg" }))
    yield* host.pass("9 minutes")
    assert.deepStrictEqual(yield* rang(path), ["late"])
    yield* host.pass("1 minute")
    assert.deepStrictEqual(yield* rang(path), ["late", "tea"])
    yield* host.pass("1 hour")
    assert.deepStrictEqual(yield* rang(path), ["late", "tea"])
  }).pipe(Effect.provide(Reminder.layer.pipe(Layer.provideMerge(TestHost.layer)))))

it.effect("survives a restart, and rings for what came due meanwhile", () => {
  const working = Reminder.layer.pipe(Layer.provideMerge(TestHost.layerOver()))
  const path = "/reminders/lin"
  return Effect.gen(function*() {
    yield* Effect.gen(function*() {
      const streams = yield* Streams
      yield* streams.append(path, ReminderSet.make({ id: "tea", at: yield* inMinutes(10) }))
      yield* (yield* TestHost).pass("2 minutes")
      assert.deepStrictEqual(yield* rang(path), [])
    }).pipe(Effect.provide(working, { local: true }))
    yield* TestClock.adjust("10 minutes")
    yield* Effect.gen(function*() {
      yield* (yield* TestHost).quiet
      assert.deepStrictEqual(yield* rang(path), ["tea"])
    }).pipe(Effect.provide(working, { local: true }))
  }).pipe(Effect.provide(TestHost.layerLog()))
})
