/** What goes wrong in a fiber, or in the log under it, and whom it may concern: no fact is lost, doubled or another's. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Unavailable } from "../../src/domain/StreamError.ts"
import type { Commit } from "../../src/log/EventStore.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import { Supervisor } from "../../src/processor/Supervisor.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
import { asked, noting, Working } from "./Working.ts"
import { append, Came, during, numbers, pass, payloads, quiet, thrice, types, Went, work } from "./Workshop.ts"

const away = Effect.fail(new Unavailable({ reason: "away", retryAfterSeconds: 1 }))
const isFibers = ({ cursors }: Commit): boolean => cursors !== undefined

/** A log in memory to which `fate` happens when a fiber commits. */
const faulty = (fate: <A, E>(landing: Effect.Effect<A, E>) => Effect.Effect<A, E | Unavailable>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    effect.pipe(
      Effect.updateService(EventStore, (store) => ({
        ...store,
        commit: (commit) => isFibers(commit) ? fate(store.commit(commit)) : store.commit(commit)
      })),
      Effect.provide(TestHost.layerLog())
    )

const statuses = Effect.map(Supervisor, ({ status }) =>
  (status("working", StreamPath.make("/s"))?.view?.().fibers ?? []).map((fiber) => `${fiber.key} ${fiber.status}`))

describe("a fact of a fiber", () => {
  it.effect("is its own stream's: another one's with the same key and input is another, on whatever stream", () => {
    const keys: Array<string> = []
    const layer = Working.toLayer({
      fibers: {
        run: (n, { append, idempotencyKey }) => {
          keys.push(idempotencyKey)
          return append(Came.make({ n }), { streamPath: "/audit", once: "came" })
        }
      }
    }, { streams: "/s/*" })
    return Effect.gen(function*() {
      const store = yield* EventStore
      for (const path of ["/s/1", "/s/2"]) yield* append(path, asked("a", 1))
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/audit", Came), [1, 1])
      // And so is that of a stream that takes the path of a deleted one.
      yield* store.remove(StreamPath.make("/s/1"), { recursive: false })
      yield* append("/s/1", asked("a", 1))
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/audit", Came), [1, 1, 1])
      assert.strictEqual(new Set(keys).size, 3)
    }).pipe(work(layer))
  })

  it.effect("is recorded once where the log's answer is lost, and its cursor is known", () => {
    let lost = 0
    const seen: Array<unknown> = []
    const { layer } = noting((_, { append, cursor }) =>
      Effect.gen(function*() {
        while (true) {
          const before = yield* cursor
          seen.push(before)
          if (before === 3) return
          const next = typeof before === "number" ? before + 1 : 1
          yield* append(Came.make({ n: next }), { cursor: next })
        }
      }))
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1))
      yield* pass("10 seconds")
      assert.deepStrictEqual(yield* numbers("/s", Came), [1, 2, 3])
      assert.deepStrictEqual(seen, [undefined, 1, 2, 3])
    }).pipe(during(layer), faulty((landing) => Effect.andThen(landing, (answer) => ++lost % 2 === 0 ? Effect.succeed(answer) : away)))
  })

  it.effect("waits while the log is away, and is neither lost nor parked", () => {
    let isAway = false
    const { layer, since } = noting((n, { append, moveCursor }) =>
      Effect.sleep("1 minute").pipe(Effect.andThen(moveCursor(n)), Effect.andThen(append(Came.make({ n })))))
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1))
      yield* quiet
      isAway = true
      yield* pass("80 seconds")
      assert.deepStrictEqual(yield* types("/s"), ["asked"])
      isAway = false
      yield* pass("1 second")
      assert.deepStrictEqual(yield* types("/s"), ["asked", "came"])
      assert.deepStrictEqual(yield* since, ["+a1"])
    }).pipe(during(layer), faulty((landing) => Effect.andThen(Effect.suspend(() => isAway ? away : Effect.void), landing)))
  })

  it.effect("that was called off while the log is away is known to the next one with its key", () => {
    let isLost = true
    const { layer } = noting((n, { append, cursor }) =>
      Effect.flatMap(cursor, (before) =>
        append(Came.make({ n: typeof before === "number" ? before : 0 }), { cursor: n })))
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1))
      yield* quiet
      yield* append("/s", asked("a", 2))
      yield* pass("5 seconds")
      isLost = false
      yield* pass("2 seconds")
      assert.deepStrictEqual(yield* numbers("/s", Came), [0, 1])
    }).pipe(during(layer), faulty((landing) => Effect.tap(landing, () => isLost ? away : Effect.void)))
  })

  it.effect("does not hold up the end of its server", () => {
    let isAway = true
    const { layer } = noting((n, { append }) => append(Came.make({ n })))
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1)).pipe(Effect.andThen(pass("5 seconds")), during(layer))
      isAway = false
      yield* Effect.andThen(append("/s", Went.make({ n: 1 })), quiet).pipe(during(layer))
      assert.deepStrictEqual(yield* types("/s").pipe(during(layer)), ["asked", "went", "came"])
    }).pipe(faulty((landing) => Effect.andThen(Effect.suspend(() => isAway ? away : Effect.void), landing)))
  })
})

describe("a fiber that", () => {
  const parksAlone = (error: string, body: () => Effect.Effect<unknown>) => {
    const runs: Array<string> = []
    const run = (_: number, { key }: { readonly key: string }) => {
      runs.push(key)
      return key === "b" ? body() : Effect.never
    }
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1), asked("b", 2))
      yield* pass("1 minute")
      assert.deepStrictEqual(yield* payloads("/s", "processor/parked"), [
        { name: "working", offset: 3, kind: "run", key: "b", error }
      ])
      assert.deepStrictEqual(yield* statuses, ["a running", "b parked"])
      return runs
    }).pipe(work(Working.toLayer({ fibers: { run } }, { streams: "/s", retry: thrice })))
  }

  it.effect("throws instead of failing is tried again and parked alone", () =>
    Effect.gen(function*() {
      const runs = yield* parksAlone("Error: broken", () => {
        throw new Error("broken")
      })
      assert.deepStrictEqual(runs, ["a", "b", "b", "b"])
    }))

  it.effect("interrupts itself was not called off: it is tried again and parked", () =>
    Effect.gen(function*() {
      const runs = yield* parksAlone("Error: It interrupted itself", () => Effect.interrupt)
      assert.deepStrictEqual(runs, ["a", "b", "b", "b"])
      yield* parksAlone("Error: It interrupted itself", () => Effect.withFiber((fiber) => Fiber.interrupt(fiber)))
    }))

  it.effect("fails now and then after long work is tried again without end, and runs in between", () => {
    const { layer, since } = noting(() => Effect.andThen(Effect.sleep("2 minutes"), Effect.fail("a short outage")), {
      retry: Schedule.spaced("1 minute").pipe(Schedule.upTo({ times: 2 }))
    })
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1))
      yield* pass("1 minute")
      for (let round = 1; round <= 5; round++) {
        assert.deepStrictEqual(yield* statuses, ["a running"])
        yield* pass("90 seconds")
        assert.deepStrictEqual(yield* statuses, ["a retrying"])
        yield* pass("90 seconds")
      }
      assert.strictEqual((yield* since).length, 6)
      assert.deepStrictEqual(yield* payloads("/s", "processor/parked"), [])
    }).pipe(work(layer))
  })
})
