/** Hooks take turns: how many are under way at a time, and for how long. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Latch, Metric, Queue, Schedule } from "effect"
import { TestClock } from "effect/testing"
import type { TakeTurn } from "../../src/processor/HookTurns.ts"
import { HookTurns } from "../../src/processor/HookTurns.ts"
import { Answering } from "./Answering.ts"
import { summing, went } from "./Summing.ts"
import { append, Came, numbers, payloads, quiet, work } from "./Workshop.ts"

const gauge = (name: string) =>
  Effect.map(Metric.snapshot, (all) => {
    const found = all.find(({ id }) => id === name)
    return found?.type === "Gauge" ? Number(found.state.value) : 0
  })
const gauges = Effect.all([gauge("millstream_hooks_running"), gauge("millstream_hooks_waiting")])

/** Hooks that each end when they are told to. */
const hanging = () => {
  const begun: Array<string> = []
  const ends = new Map<string, Deferred.Deferred<void>>()
  return {
    begun,
    hang: Effect.fnUntraced(function*(takeTurn: TakeTurn, ...names: ReadonlyArray<string>) {
      for (const name of names) {
        const end = yield* Deferred.make<void>()
        ends.set(name, end)
        const hook = Effect.andThen(Effect.sync(() => begun.push(name)), Deferred.await(end))
        yield* Effect.forkChild(takeTurn(hook), { startImmediately: true })
      }
    }),
    /** What begins when some end. */
    end: Effect.fnUntraced(function*(...names: ReadonlyArray<string>) {
      const before = begun.length
      for (const name of names) yield* Deferred.succeed(ends.get(name) ?? (yield* Effect.die(name)), undefined)
      yield* settle
      return begun.slice(before)
    })
  }
}

/** Lets what was called take its turn. */
const settle = Effect.repeat(Effect.yieldNow, { times: 20 })

describe("on a server", () => {
  it.effect("a processor begins a hook while it has fewer under way than places are free, or none", () =>
    Effect.gen(function*() {
      const turns = new HookTurns(8)
      const { begun, end, hang } = hanging()
      const [a, b, c, d, e] = [turns.share(), turns.share(), turns.share(), turns.share(), turns.share()]
      yield* hang(a, "a1", "a2", "a3", "a4", "a5", "a6")
      yield* hang(b, "b1", "b2", "b3")
      yield* hang(c, "c1", "c2")
      assert.deepStrictEqual(begun, ["a1", "a2", "a3", "a4", "b1", "b2", "c1"])
      yield* hang(d, "d1")
      yield* hang(e, "e1", "e2")
      assert.deepStrictEqual(begun.slice(7), ["d1", "e1"])
      assert.deepStrictEqual(yield* gauges, [9, 5])
      assert.deepStrictEqual(yield* end("a1", "a2"), [])
      assert.deepStrictEqual(yield* end("b1", "c1", "d1"), ["b3", "c2", "e2"])
      assert.deepStrictEqual(yield* end("b2", "b3", "c2", "e1", "e2"), ["a5", "a6"])
      yield* end("a3", "a4", "a5", "a6")
      assert.deepStrictEqual(yield* gauges, [0, 0])
    }))

  it.effect("processors that wait are called in turn", () =>
    Effect.gen(function*() {
      const turns = new HookTurns(8)
      const { begun, end, hang } = hanging()
      yield* hang(turns.share(), "a1", "a2", "a3", "a4")
      yield* hang(turns.share(), "b1", "b2")
      yield* hang(turns.share(), "c1")
      yield* hang(turns.share(), "d1", "d2")
      yield* hang(turns.share(), "e1", "e2", "e3")
      yield* hang(turns.share(), "f1", "f2", "f3")
      assert.deepStrictEqual(begun.slice(7), ["d1", "e1", "f1"])
      assert.deepStrictEqual(yield* end("a1", "a2", "a3"), [])
      assert.deepStrictEqual(yield* end("a4"), ["d2"])
      assert.deepStrictEqual(yield* end("b1"), ["e2"])
      assert.deepStrictEqual(yield* end("b2"), ["f2"])
      assert.deepStrictEqual(yield* end("c1"), [])
      assert.deepStrictEqual(yield* end("d1"), ["e3"])
      assert.deepStrictEqual(yield* end("d2"), ["f3"])
    }))

  it.effect("a processor has a place for one hook after the other, however many others hang", () =>
    Effect.gen(function*() {
      const turns = new HookTurns(4)
      const { begun, end, hang } = hanging()
      for (let processor = 0; processor < 13; processor++) {
        const names = Array.from({ length: 5 }, (_, i) => `${processor}/${i}`)
        yield* hang(turns.share(), ...names)
      }
      const before = begun.length
      yield* hang(turns.share(), "first", "second")
      assert.deepStrictEqual(begun.slice(before), ["first"])
      assert.deepStrictEqual(yield* end("first"), ["second"])
    }))

  it.effect("one that is called off keeps no place, waiting or under way", () =>
    Effect.gen(function*() {
      const turns = new HookTurns(2)
      const { begun, end, hang } = hanging()
      const takeTurn = turns.share()
      yield* hang(takeTurn, "first")
      const waiting = yield* Effect.forkChild(takeTurn(Effect.never), { startImmediately: true })
      const called = yield* Effect.forkChild(takeTurn(Effect.never), { startImmediately: true })
      assert.deepStrictEqual(yield* gauges, [1, 2])
      yield* Fiber.interrupt(waiting)
      assert.deepStrictEqual(yield* gauges, [1, 1])
      yield* end("first")
      assert.deepStrictEqual(yield* gauges, [1, 0])
      yield* hang(takeTurn, "last")
      yield* Fiber.interrupt(called)
      yield* settle
      assert.deepStrictEqual(begun, ["first", "last"])
      yield* end("last")
      assert.deepStrictEqual(yield* gauges, [0, 0])
    }))

  it.effect("one that is called off as it is called passes its turn on", () =>
    Effect.gen(function*() {
      const takeTurn = new HookTurns(2).share()
      const { begun, hang } = hanging()
      const first = yield* Effect.forkChild(takeTurn(Effect.never), { startImmediately: true })
      const called = yield* Effect.forkChild(takeTurn(Effect.never), { startImmediately: true })
      yield* hang(takeTurn, "last")
      first.interruptUnsafe()
      called.interruptUnsafe()
      yield* settle
      assert.deepStrictEqual(begun, ["last"])
    }))

  it.effect("thousands that wait run one after the other", () =>
    Effect.gen(function*() {
      const takeTurn = new HookTurns(2).share()
      const gate = yield* Latch.make()
      let ran = 0
      yield* Effect.forkChild(takeTurn(gate.await), { startImmediately: true })
      const one = takeTurn(Effect.sync(() => ran += 1))
      const many = Array.from({ length: 20_000 }, () => one)
      const all = yield* Effect.forkChild(Effect.all(many, { concurrency: "unbounded" }))
      yield* settle
      assert.strictEqual(ran, 0)
      yield* gate.open
      yield* Fiber.join(all)
      assert.strictEqual(ran, 20_000)
      assert.deepStrictEqual(yield* gauges, [0, 0])
    }))

  it.effect("one processor whose hooks all hang does not stop another one's", () => {
    const paths = Array.from({ length: 2_100 }, (_, i) => `/hanging/${i}`)
    let hang = 0
    const never = Effect.andThen(Effect.sync(() => hang += 1), Effect.never)
    const hangs = summing(() => never, { streams: "/hanging/*" }).layer
    const answers = Answering.toLayer(
      { afterAppend: { went: ({ payload }, { emit }) => emit(Came.make(payload)) } },
      { streams: "/answered" }
    )
    return Effect.gen(function*() {
      yield* Effect.forEach(paths, (path) => append(path, ...went(1)), { concurrency: 64, discard: true })
      // Instances that hang let others begin after a second.
      for (let [, waiting] = yield* gauges; waiting < 52; [, waiting] = yield* gauges) {
        yield* TestClock.adjust("1 second")
      }
      assert.strictEqual(hang, 2_048)
      const [answer] = yield* append("/answered", ...went(7))
      assert.strictEqual(answer?.offset, 2)
      while ((yield* numbers("/answered", Came)).length === 0) yield* TestClock.adjust("10 millis")
      assert.deepStrictEqual(yield* gauges, [2_048, 52])
    }).pipe(work(Layer.merge(hangs, answers)))
  })
})

describe("a hook that takes long", () => {
  it.effect("has ten minutes, then has failed", () =>
    Effect.gen(function*() {
      const attempts = yield* Queue.unbounded<number>()
      const interrupted: Array<number> = []
      const { layer } = summing(
        (n, attempt) =>
          Queue.offer(attempts, attempt).pipe(
            Effect.andThen(n === 1 ? Effect.sleep("599 seconds") : Effect.never),
            Effect.onInterrupt(() => Effect.sync(() => interrupted.push(attempt)))
          ),
        { retry: Schedule.recurs(1) }
      )
      yield* Effect.gen(function*() {
        yield* append("/s", ...went(1, 2, 3))
        assert.strictEqual(yield* Queue.take(attempts), 1)
        yield* TestClock.adjust("599 seconds")
        assert.strictEqual(yield* Queue.take(attempts), 1)
        yield* TestClock.adjust("599 seconds")
        assert.strictEqual(yield* Queue.size(attempts), 0)
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Queue.take(attempts), 2)
        assert.deepStrictEqual(interrupted, [1])
        yield* TestClock.adjust("10 minutes")
        yield* quiet
        assert.deepStrictEqual(yield* numbers("/s", Came), [1])
        assert.deepStrictEqual(yield* payloads("/s", "processor/parked"), [{
          name: "summing",
          offset: 3,
          error: "Error: The hook was interrupted after 10 minutes: bound what it waits for, or leave it to a fiber"
        }])
        assert.deepStrictEqual(yield* gauges, [0, 0])
      }).pipe(work(layer))
    }))
})
