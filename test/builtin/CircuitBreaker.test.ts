/** What the circuit breaker paused resumes by itself where that is configured, and nothing else does. */
import { assert, describe, it, layer } from "@effect/vitest"
import { DateTime, Effect, Latch, Layer, Metric, Stream } from "effect"
import { CircuitBreaker } from "../../src/builtin/CircuitBreaker.ts"
import * as CircuitBreakerHooks from "../../src/builtin/CircuitBreakerHooks.ts"
import { CircuitBreakerConfigured, Paused, Resumed } from "../../src/domain/ControlEvent.ts"
import type { Proposed } from "../../src/domain/EventText.ts"
import { propose } from "../../src/domain/EventText.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Streams } from "../../src/domain/Streams.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import * as Scenario from "../../src/testing/Scenario.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { append, during, pass, quiet, read, stateOf, types, work } from "../processor/Workshop.ts"

const path = StreamPath.make("/s")

const configured = (resumeAfter?: string | number) =>
  CircuitBreakerConfigured.make({
    capacity: 10,
    refillPerSecond: 0.001,
    ...(resumeAfter === undefined ? {} : { resumeAfter })
  })

const breaker = { breaker: { capacity: 10, refillPerSecond: 0.001 } }

/** So many events at once; with eleven or more the breaker trips. */
const burst = (count: number) => append(path, ...Array.from({ length: count }, () => ({ type: "tick" })))

const isPaused = Effect.flatMap(Streams, (streams) =>
  Effect.map(streams.state(path), ({ paused }) => paused?.by ?? paused?.reason))

const lifecycle = Effect.map(types(path), (all) => all.filter((type) => type !== "tick"))

const counted = (id: string) =>
  Effect.map(Metric.snapshot, (all) =>
    all.flatMap((each) => each.id === id && each.type === "Counter" ? [Number(each.state.count)] : []).at(0) ?? 0)

describe("its state", () => {
  const at = DateTime.makeUnsafe("2026-01-01T00:00:00.000Z")
  const tripped = { ...Paused.make({ reason: "too much", by: "circuit-breaker" }), createdAt: at }
  const scenario = Scenario.make(CircuitBreaker)

  it.effect("asks for the resumption of a pause of the breaker's own, counted from the pause", () =>
    scenario.given(configured("5 seconds")).when(tripped).then({
      state: { resumeAfterMillis: 5_000, paused: { offset: 3, at } },
      asked: [{ kind: "resume", key: "stream", input: { offset: 3, at, resumeAfterMillis: 5_000 } }]
    }))

  it.effect("counts from the pause though it is configured afterwards", () =>
    scenario.given(tripped).when(configured(700)).then({
      asked: [{ kind: "resume", key: "stream", input: { offset: 2, at, resumeAfterMillis: 700 } }]
    }))

  it.effect("asks for nothing where none is configured, or not any more", () =>
    Effect.gen(function*() {
      yield* scenario.given(configured()).when(tripped).then({ state: { paused: { offset: 3, at } }, asked: [] })
      yield* scenario.given(configured(700), configured()).when(tripped).then({ asked: [] })
      yield* scenario.given(configured(700), tripped).when(CircuitBreakerConfigured.make({ enabled: false }))
        .then({ asked: [] })
    }))

  it.effect("asks for nothing once somebody resumed it, or where a person paused it", () =>
    Effect.gen(function*() {
      yield* scenario.given(configured(700), tripped).when(Resumed.make({}))
        .then({ state: { resumeAfterMillis: 700 }, asked: [] })
      yield* scenario.given(configured(700)).when(Paused.make({ reason: "maintenance" })).then({ asked: [] })
      yield* scenario.given(configured(700), tripped, Resumed.make({})).when(Paused.make({})).then({ asked: [] })
    }))
})

it.effect("resumes after its time, with a full bucket, and does so each time it has tripped", () =>
  Effect.gen(function*() {
    const before = yield* Effect.all([
      counted("millstream_circuit_breaker_trips_total"),
      counted("millstream_circuit_breaker_resumptions_total")
    ])
    yield* append(path, configured("90 seconds"))
    for (let round = 0; round < 3; round++) {
      yield* burst(11)
      yield* pass("89 seconds")
      assert.strictEqual(yield* isPaused, "circuit-breaker")
      yield* pass("1 second")
      assert.isUndefined(yield* isPaused)
      // All that a full bucket holds, and no more.
      yield* burst(10)
      assert.isUndefined(yield* isPaused)
    }
    const [last] = (yield* read(path)).filter(({ type }) => type === "stream/resumed").slice(-1)
    assert.deepStrictEqual(last?.payload, { reason: "resumeAfter: 1m 30s", by: "circuit-breaker" })
    assert.strictEqual(last?.cause?.processor, "circuit-breaker")
    assert.deepStrictEqual(yield* stateOf(CircuitBreaker, path), { resumeAfterMillis: 90_000 })
    const after = yield* Effect.all([
      counted("millstream_circuit_breaker_trips_total"),
      counted("millstream_circuit_breaker_resumptions_total")
    ])
    assert.deepStrictEqual(after.map((count, i) => count - (before[i] ?? 0)), [3, 3])
  }).pipe(work(CircuitBreakerHooks.layer)))

it.effect("survives a restart, and resumes at once what is overdue", () =>
  Effect.gen(function*() {
    yield* Effect.gen(function*() {
      yield* append(path, configured("1 hour"))
      yield* burst(11)
      yield* pass("59 minutes")
      assert.strictEqual(yield* isPaused, "circuit-breaker")
    }).pipe(during(CircuitBreakerHooks.layer))
    yield* pass("2 minutes").pipe(during(Layer.empty))
    yield* Effect.gen(function*() {
      yield* quiet
      assert.isUndefined(yield* isPaused)
    }).pipe(during(CircuitBreakerHooks.layer))
  }).pipe(Effect.provide(TestHost.layerLog())))

it.effect("does not count what tripped before it began", () =>
  Effect.gen(function*() {
    const before = yield* counted("millstream_circuit_breaker_trips_total")
    yield* Effect.andThen(burst(11), pass("1 second")).pipe(during(Layer.empty, breaker))
    yield* Effect.gen(function*() {
      yield* quiet
      assert.strictEqual(yield* isPaused, "circuit-breaker")
      assert.strictEqual((yield* counted("millstream_circuit_breaker_trips_total")) - before, 0)
      yield* append(path, Resumed.make({}))
      yield* burst(11)
      yield* quiet
      assert.strictEqual((yield* counted("millstream_circuit_breaker_trips_total")) - before, 1)
    }).pipe(during(CircuitBreakerHooks.layer, breaker))
  }).pipe(Effect.provide(TestHost.layerLog(breaker))))

it.effect("leaves a pause alone that a person made, and one that nobody configured an end for", () =>
  Effect.gen(function*() {
    yield* append(path, configured("1 second"), Paused.make({ reason: "maintenance" }))
    yield* pass("1 hour")
    assert.strictEqual(yield* isPaused, "maintenance")
    yield* append(path, Resumed.make({}), configured())
    yield* burst(11)
    yield* pass("1 hour")
    assert.strictEqual(yield* isPaused, "circuit-breaker")
  }).pipe(work(CircuitBreakerHooks.layer)))

/**
 * A log in which something is recorded between the fiber's last look and its resumption, once; the instance reads of it
 * when the fiber has looked again, as it may be with what another server recorded.
 */
const intruded = (target: StreamPath, ...events: ReadonlyArray<Proposed>) =>
  Layer.effect(EventStore, Effect.gen(function*() {
    const store = yield* EventStore
    const looked = yield* Latch.make(true)
    let isDue = true
    const intrude = Effect.suspend(() => {
      if (!isDue) return Effect.void
      isDue = false
      looked.closeUnsafe()
      return store.append({ path: target, events })
    })
    return EventStore.of({
      ...store,
      commit: (commit) => {
        const isResumption = commit.appends.some((append) => append.events.some(({ type }) => type === Resumed.type))
        return isResumption ? Effect.andThen(intrude, store.commit(commit)) : store.commit(commit)
      },
      read: (path, options) =>
        options.types?.length === 1
          ? Effect.tap(store.read(path, options), () => looked.open)
          : Effect.andThen(looked.await, store.read(path, options)),
      recent: () => undefined
    })
  })).pipe(Layer.provideMerge(TestHost.layerLog()))

const tripped = Effect.gen(function*() {
  yield* append(path, configured("1 second"))
  yield* burst(11)
  yield* pass("1 minute")
})

it.effect("does not end the pause of a person who resumed it and paused it by hand in the same moment", () => {
  const byHand = [Resumed.make({}), Paused.make({ reason: "by hand" })].map(propose)
  return Effect.gen(function*() {
    yield* tripped
    assert.strictEqual(yield* isPaused, "by hand")
    assert.deepStrictEqual((yield* lifecycle).slice(1), ["stream/paused", "stream/resumed", "stream/paused"])
  }).pipe(during(CircuitBreakerHooks.layer), Effect.provide(intruded(path, ...byHand)))
})

it.effect("resumes though the server recorded something of its own meanwhile", () => {
  const below = intruded(StreamPath.make("/s/below"), propose({ type: "tick" }))
  return Effect.gen(function*() {
    yield* tripped
    assert.isUndefined(yield* isPaused)
    assert.deepStrictEqual((yield* lifecycle).slice(1), ["stream/paused", "stream/child-created", "stream/resumed"])
  }).pipe(during(CircuitBreakerHooks.layer), Effect.provide(below))
})

layer(TestPostgres.log, { excludeTestServices: true, timeout: "60 seconds" })("on Postgres", (it) => {
  it.effect("it resumes too, though the server recorded something of its own while it was paused", () =>
    Effect.gen(function*() {
      const streams = yield* Streams
      yield* append(path, configured(200))
      yield* burst(11)
      yield* append("/s/below", { type: "tick" })
      const resumed = yield* streams.tail(path, { types: [Resumed] }).pipe(Stream.take(1), Stream.runCollect)
      assert.deepStrictEqual(resumed.map(({ payload }) => payload.by), ["circuit-breaker"])
      yield* burst(10)
      assert.isUndefined(yield* isPaused)
    }).pipe(during(CircuitBreakerHooks.layer)))
})
