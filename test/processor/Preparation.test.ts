/** What is prepared of a version: each instance as far as it is, bounded in what it holds and in the time it takes at once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch, Metric, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Checkpoints, keepEvery, pageInstances, preparedSeconds } from "../../src/log/Checkpoints.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import type { Options } from "../../src/processor/Preparation.ts"
import { Preparation } from "../../src/processor/Preparation.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
import { registered, until, went, written } from "./Servers.ts"
import { Went } from "./Workshop.ts"

const name = "summing"
const summing = (reduce = (sum: number, n: number) => sum + n) =>
  Processor.make(name, { version: 2, state: Schema.Int, initial: 0, consumes: [Went] })
    .reduce({ went: (sum, { payload: { n } }) => reduce(sum, n) })

/** Streams that version 1 has come through, with so many events each. */
const folded = Effect.fnUntraced(function*(streams: number, count: number) {
  const checkpoints = yield* Checkpoints
  const store = yield* EventStore
  yield* checkpoints.register({
    processor: name,
    version: 1,
    consumes: [Went.type],
    emits: [],
    streams: "/**",
    startFrom: "start"
  })
  const lease = Option.getOrThrow(yield* checkpoints.claim(name, "first", 3_600_000))
  const paths = Array.from({ length: streams }, (_, n) => `/${n}`)
  for (const path of paths) {
    for (let left = count; left > 0; left -= 1_000) {
      yield* went(path, ...Array.from({ length: Math.min(left, 1_000) }, () => 1))
    }
  }
  /** Writes that version 1 has come to the end of its stream, or to an offset. */
  const write = Effect.fnUntraced(function*(path: string, offset?: number) {
    const { head, life, revision } = Option.getOrThrow(yield* checkpoints.open(lease, StreamPath.make(path)))
    const checkpoint = { life, revision, version: 1, state: "1", fibers: "[]", busy: false, parked: undefined, keep: false }
    yield* store.commit({ lease, appends: [], checkpoint: { ...checkpoint, offset: offset ?? head } })
    return { life, offset: offset ?? head }
  })
  const instances = yield* Effect.forEach(paths, (path) => write(path))
  return { instances, lease, paths, write }
})

const make = (processor: Options["processor"], more: Partial<Options> = {}) =>
  Effect.gen(function*() {
    const [store, checkpoints] = [yield* EventStore, yield* Checkpoints]
    return new Preparation({ processor, streams: "/**", store, checkpoints, ...more })
  })

const stateAt = (life: bigint, offset: number) =>
  Effect.flatMap(Checkpoints, (checkpoints) =>
    Effect.map(checkpoints.snapshot(name, 2, life, offset), Option.getOrUndefined))

const left = Effect.map(Metric.snapshot, (all) => {
  const found = all.find(({ attributes, id }) =>
    id === "millstream_preparing_instances" && attributes?.["processor"] === name)
  return found?.type === "Gauge" ? Number(found.state.value) : undefined
})

const owned = Effect.provide(TestHost.layerLog({ breaker: "off" }))

describe("a preparation", () => {
  it.effect("keeps the state of each instance as far as it is, and one in ten thousand events", () =>
    Effect.gen(function*() {
      const { instances: [one, two] } = yield* folded(2, keepEvery + 50)
      assert.isDefined(one)
      assert.isDefined(two)
      const preparation = yield* make(summing())
      yield* preparation.run
      assert.deepInclude(preparation, { instances: 2, events: 2 * (keepEvery + 50), failed: 0 })
      for (const { life, offset } of [one, two]) {
        // The first event of a stream is not of this type.
        assert.deepStrictEqual(yield* stateAt(life, offset), { offset, state: String(keepEvery + 50), fibers: "[]" })
        assert.deepStrictEqual(yield* stateAt(life, offset - 1), {
          offset: keepEvery - 1,
          state: String(keepEvery - 2),
          fibers: "[]"
        })
      }
    }).pipe(owned))

  it.effect("leaves out the streams that the new version does not run on", () =>
    Effect.gen(function*() {
      yield* folded(3, 1)
      const preparation = yield* make(summing(), { streams: "/1" })
      yield* preparation.run
      assert.deepInclude(preparation, { instances: 1, events: 1 })
      assert.deepStrictEqual((yield* registered(name))?.preparing, [{ version: 2, left: 1 }])
    }).pipe(owned))

  it.effect("goes round again over those that have moved on, from where they were, until a round is short", () =>
    Effect.gen(function*() {
      const { paths: [path = ""], write } = yield* folded(1, 3)
      let rounds = 0
      const checkpoints = yield* Checkpoints
      const store = yield* EventStore
      const preparation = yield* make(summing(), {
        checkpoints: {
          ...checkpoints,
          // Rounds of four, two and two seconds, and in each the instance moves on.
          snapshot: (...asked) =>
            Effect.gen(function*() {
              rounds += 1
              yield* Effect.sleep(rounds === 1 ? "4 seconds" : "2 seconds")
              const found = yield* checkpoints.snapshot(...asked)
              yield* Effect.orDie(Effect.andThen(went(path, 1, 1), write(path))).pipe(
                Effect.provideService(EventStore, store)
              )
              return found
            })
        }
      })
      const running = yield* Effect.forkChild(preparation.run)
      for (let second = 0; second < 12; second++) yield* TestClock.adjust("1 second")
      yield* Fiber.join(running)
      assert.strictEqual(rounds, 3)
      assert.deepInclude(preparation, { instances: 3, events: 3 + 2 + 2 })
    }).pipe(owned))

  it.effect("ends a round though each instance that it folds has another one come behind it", () =>
    Effect.gen(function*() {
      const { write } = yield* folded(pageInstances, 1)
      const checkpoints = yield* Checkpoints
      const store = yield* EventStore
      let made = 0
      const preparation = yield* make(summing(), {
        checkpoints: {
          ...checkpoints,
          // Without a bound it would go on until no more come.
          snapshot: (...asked) => {
            const path = `/later/${String(++made).padStart(9, "0")}`
            const comes = Effect.orDie(Effect.andThen(went(path, 1), write(path)))
            return Effect.andThen(
              made > 3 * pageInstances ? Effect.void : Effect.provideService(comes, EventStore, store),
              checkpoints.snapshot(...asked)
            )
          }
        }
      })
      yield* preparation.run
      assert.strictEqual(preparation.instances, pageInstances)
    }).pipe(owned))

  it.effect("does not say how many are left until it has counted them", () =>
    Effect.gen(function*() {
      yield* folded(2, 1)
      const checkpoints = yield* Checkpoints
      const gate = Latch.makeUnsafe(false)
      let tells = 0
      const preparation = yield* make(summing(), {
        checkpoints: {
          ...checkpoints,
          prepare: (...said) => Effect.tap(checkpoints.prepare(...said), () => Effect.sync(() => tells += 1)),
          unprepared: (...asked) => Effect.andThen(gate.await, checkpoints.unprepared(...asked)),
          snapshot: () => Effect.never
        }
      })
      const preparing = Effect.map(registered(name), (known) => known?.preparing)
      const running = yield* Effect.forkChild(preparation.run)
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual(tells, 1)
      assert.deepStrictEqual(yield* preparing, [{ version: 2 }])
      yield* gate.open
      yield* until(Effect.sync(() => tells), (count) => count === 2).pipe(TestClock.withLive)
      assert.deepStrictEqual(yield* preparing, [{ version: 2, left: 2 }])
      yield* Fiber.interrupt(running)
    }).pipe(owned))

  it.effect("leaves an instance whose reducer throws, or whose state is too large, or is none, and goes on", () =>
    Effect.gen(function*() {
      const { instances, paths: [, bad = "", large = "", odd = ""], write } = yield* folded(5, 3)
      for (const [index, path] of [bad, large, odd].entries()) {
        yield* went(path, -1 - index)
        yield* write(path)
      }
      const strings = Processor.make(name, { version: 2, state: Schema.String, initial: "", consumes: [Went] }).reduce({
        went: (text, { payload: { n } }) => {
          if (n === -1) throw new Error("no")
          return n === -2 ? "x".repeat(9_000_000) : n === -3 ? JSON.parse("1") : `${text}${n}`
        }
      })
      const preparation = yield* make(strings)
      yield* preparation.run
      assert.deepInclude(preparation, { instances: 2, failed: 3 })
      const states = yield* Effect.forEach(instances, ({ life }) => Effect.map(stateAt(life, 99), (kept) => kept?.state))
      // Of the one that threw, what came before is kept.
      assert.deepStrictEqual(states, ["\"111\"", "\"111\"", undefined, undefined, "\"111\""])
    }).pipe(owned))

  it.effect("passes over what a person passed over, where the reducer throws at it", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const store = yield* EventStore
      const { lease, paths: [path = ""], write } = yield* folded(1, 1)
      yield* went(path, -1, 5)
      const { life } = yield* write(path, 2)
      const { revision } = Option.getOrThrow(yield* checkpoints.open(lease, StreamPath.make(path)))
      const parked = { offset: 3, error: "no" }
      const checkpoint = { life, revision, version: 1, offset: 2, state: "1", fibers: "[]", busy: false, parked, keep: false }
      yield* store.commit({ lease, appends: [], checkpoint })
      yield* checkpoints.change(name, StreamPath.make(path), { _tag: "Skip" })
      yield* write(path, 4)
      const preparation = yield* make(summing((sum, n) => {
        if (n < 0) throw new Error("no")
        return sum + n
      }))
      yield* preparation.run
      assert.deepInclude(preparation, { instances: 1, failed: 0 })
      assert.strictEqual((yield* stateAt(life, 4))?.state, "6")
    }).pipe(owned))

  it.effect("folds two streams at a time, lets others have their turn, and tells how many are left", () =>
    Effect.gen(function*() {
      const { paths } = yield* folded(4, 50)
      const store = yield* EventStore
      let reading = 0
      let most = 0
      const gate = Latch.makeUnsafe(false)
      const preparation = yield* make(
        summing((sum, n) => {
          for (const end = performance.now() + 2; performance.now() < end;);
          return sum + n
        }),
        {
          store: {
            ...store,
            read: (...asked) =>
              Effect.gen(function*() {
                most = Math.max(most, ++reading)
                yield* gate.await
                const page = yield* store.read(...asked)
                reading -= 1
                return page
              })
          }
        }
      )
      const running = yield* Effect.forkChild(preparation.run)
      yield* until(Effect.sync(() => reading), (now) => now === 2).pipe(TestClock.withLive)
      assert.strictEqual(yield* left, paths.length)
      assert.deepStrictEqual((yield* registered(name))?.preparing, [{ version: 2, left: 4 }])
      let turns = 0
      const others = yield* Effect.forkChild(
        Effect.forever(Effect.andThen(Effect.yieldNow, Effect.sync(() => turns++)))
      )
      yield* gate.open
      yield* Fiber.join(running)
      yield* Fiber.interrupt(others)
      assert.strictEqual(most, 2)
      // 400 ms of folding, 5 ms at a time.
      assert.isAtLeast(turns, 12)
      assert.strictEqual(yield* left, 0)
    }).pipe(owned))

  it.effect("that was given up is told of no more, and what it kept is forgotten after ten minutes", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const { instances: [one] } = yield* folded(1, 3)
      yield* (yield* make(summing())).run
      const kept = Effect.suspend(() => stateAt(one?.life ?? 0n, 99))
      // As the owner does that acts.
      const renew = checkpoints.claim(name, "first", 3_600_000)
      yield* TestClock.adjust("14 seconds")
      assert.lengthOf((yield* registered(name))?.preparing ?? [], 1)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual((yield* registered(name))?.preparing, [])
      yield* renew
      assert.isDefined(yield* kept)
      yield* TestClock.adjust(preparedSeconds * 1_000)
      yield* renew
      assert.isUndefined(yield* kept)
      assert.strictEqual((yield* written(name, "/0"))?.state, "1")
    }).pipe(owned))
})
