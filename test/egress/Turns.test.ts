import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Latch } from "effect"
import * as Turns from "../../src/egress/Turns.ts"

/** Those that have begun in their order, and what lets one of them end. */
const work = (bounds: Turns.Bounds) => {
  const turns = Turns.make(bounds)
  const begun: Array<string> = []
  const latches = new Map<string, Latch.Latch>()
  /** `a1` is one of the origin `a`. */
  const start = (name: string) => {
    const latch = Latch.makeUnsafe()
    latches.set(name, latch)
    const run = Effect.andThen(Effect.sync(() => begun.push(name)), latch.await)
    return Effect.forkChild(turns.take(name.slice(0, 1))(run), { startImmediately: true })
  }
  const end = (name: string, fiber: Fiber.Fiber<unknown>) =>
    Effect.andThen(latches.get(name)?.open ?? Effect.void, Fiber.await(fiber))
  return { begun, turns, start, end }
}

describe("turns", () => {
  it.effect("are bounded to an origin, which its others do not notice", () =>
    Effect.gen(function*() {
      const { begun, end, start } = work({ perOrigin: 2, whole: 10 })
      const first = yield* start("a1")
      for (const name of ["a2", "a3", "a4", "b1"]) yield* start(name)
      assert.deepStrictEqual(begun, ["a1", "a2", "b1"])
      yield* end("a1", first)
      assert.deepStrictEqual(begun, ["a1", "a2", "b1", "a3"])
    }))

  it.effect("go round the origins where all is taken", () =>
    Effect.gen(function*() {
      const { begun, end, start } = work({ perOrigin: 2, whole: 2 })
      const fibers = new Map<string, Fiber.Fiber<unknown>>()
      for (const name of ["a1", "a2", "a3", "a4", "b1", "b2", "c1"]) fibers.set(name, yield* start(name))
      assert.deepStrictEqual(begun, ["a1", "a2"])
      for (let n = 0; n < fibers.size; n++) {
        const name = begun[n] ?? ""
        const fiber = fibers.get(name)
        if (fiber !== undefined) yield* end(name, fiber)
      }
      assert.deepStrictEqual(begun, ["a1", "a2", "b1", "c1", "a3", "b2", "a4"])
    }))

  it.effect("are left by who is interrupted, waiting or not", () =>
    Effect.gen(function*() {
      const { begun, start } = work({ perOrigin: 1, whole: 1 })
      const first = yield* start("a1")
      const second = yield* start("a2")
      yield* start("a3")
      const other = yield* start("b1")
      yield* Fiber.interruptAll([second, other])
      assert.deepStrictEqual(begun, ["a1"])
      yield* Fiber.interrupt(first)
      assert.deepStrictEqual(begun, ["a1", "a3"])
    }))

  it.effect("come to all, however many end at once", () =>
    Effect.gen(function*() {
      const { end, start, turns } = work({ perOrigin: 1, whole: 1 })
      const first = yield* start("a1")
      let ended = 0
      const many = yield* Effect.forEach(
        Array.from({ length: 20_000 }),
        () => Effect.forkChild(turns.take("a")(Effect.sync(() => ended++)), { startImmediately: true })
      )
      yield* end("a1", first)
      yield* Fiber.awaitAll(many)
      assert.strictEqual(ended, 20_000)
    }))
})
