/** How the processes that evaluate expressions start and end. */
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Logger, Scope } from "effect"
import { TestClock } from "effect/testing"
import { Jsonata } from "../../src/builtin/Jsonata.ts"
import { backtracking, children, ended, evaluateOne, isEnded, long, started, turn, value } from "./JsonataChildren.ts"

describe("the end of the scope", () => {
  it.effect("ends the processes, at work or not, and calls with them", () =>
    Effect.gen(function*() {
      const before = children.length
      const scope = yield* Scope.make()
      const context = yield* Layer.buildWithScope(Jsonata.layer, scope)
      const jsonata = Context.get(context, Jsonata)
      yield* jsonata.evaluate("1", ["1"])
      const hanging = yield* Effect.forkChild(
        Effect.forEach([1, 2, 3], (n) => jsonata.evaluate(`${backtracking} /* ${n} */`, [JSON.stringify(long)]), {
          concurrency: 3
        })
      )
      yield* started(before + 2)
      yield* Scope.close(scope, Exit.void)
      assert.lengthOf(children.slice(before), 2)
      for (const child of children) assert.isTrue(isEnded(child))
      assert.isTrue(Exit.isFailure(yield* Fiber.await(hanging)))
      assert.lengthOf(children.slice(before), 2)
    }))
})

describe("processes", () => {
  it.effect("end when they had nothing to do for a minute, and start again when they have", () =>
    Effect.gen(function*() {
      const before = children.length
      assert.deepStrictEqual(yield* evaluateOne("1"), value(1))
      const [child] = children.slice(before)
      if (child === undefined) return assert.fail("none was started")
      yield* TestClock.adjust("59 seconds")
      assert.isFalse(isEnded(child) || child.killed)
      // The watch begins some turns later than the answer comes.
      yield* Effect.repeat(Effect.andThen(TestClock.adjust("1 second"), turn), { until: () => child.killed, times: 10 })
      assert.isTrue(child.killed)
      yield* ended(child)
      assert.deepStrictEqual(yield* evaluateOne("1"), value(1))
      assert.lengthOf(children.slice(before), 2)
      // At work every half minute, it stays.
      for (let n = 0; n < 6; n++) {
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(yield* evaluateOne("1"), value(1))
      }
      assert.lengthOf(children.slice(before), 2)
    }).pipe(Effect.provide(Jsonata.layer)))

  it.effect("are tried to start again where the machine refuses, and that is told once", () =>
    Effect.gen(function*() {
      const path = process.execPath
      const told: Array<unknown> = []
      const logger = Logger.make(({ logLevel, message }) => {
        if (logLevel !== "Debug") told.push([logLevel, Array.isArray(message) ? message[0] : message])
      })
      yield* Effect.gen(function*() {
        const before = children.length
        process.execPath = "/nowhere/node"
        const waiting = yield* Effect.forkChild(evaluateOne("n", { n: 1 }))
        yield* Effect.repeat(Effect.andThen(TestClock.adjust("100 millis"), turn), {
          until: () => children.length >= before + 3 || waiting.pollUnsafe() !== undefined
        })
        assert.isUndefined(waiting.pollUnsafe())
        process.execPath = path
        yield* Effect.repeat(Effect.andThen(TestClock.adjust("1 second"), turn), {
          until: () => waiting.pollUnsafe() !== undefined
        })
        assert.deepStrictEqual(yield* Fiber.join(waiting), value(1))
      }).pipe(
        Effect.ensuring(Effect.sync(() => process.execPath = path)),
        Effect.provide(Layer.provideMerge(Jsonata.layer, Logger.layer([logger])))
      )
      assert.deepStrictEqual(told, [
        ["Warn", "Starting a process for JSONata failed: what needs expressions waits, trying again"],
        ["Info", "Starting a process for JSONata works again"]
      ])
    }))
})
