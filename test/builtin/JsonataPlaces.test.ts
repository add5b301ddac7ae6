/** Expressions that have to be stopped, and those beside them, in real processes. */
import { assert, it, vi } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { ChildProcess } from "node:child_process"
import { Jsonata } from "../../src/builtin/Jsonata.ts"
import {
  backtracking, children, evaluate, evaluateOne, isEnded, long, messageOf, turn, value
} from "./JsonataChildren.ts"

it.layer(Jsonata.layer)("Jsonata", (it) => {
  it.effect("stops a regular expression, and the others get their answers", () =>
    Effect.gen(function*() {
      const other = yield* Effect.forkChild(Effect.forEach([1, 2, 3], (n) => evaluateOne("n", { n })))
      const results = yield* evaluate(backtracking, { text: "aaa" }, long, { text: "b" }, { text: "aa" })
      assert.deepStrictEqual([results[0], results[2], results[3]], [value(true), value(false), value(true)])
      assert.include(messageOf(results[1]), "was stopped")
      assert.deepStrictEqual(yield* Fiber.join(other), [value(1), value(2), value(3)])

      // It waits for a while before it is tried again, so that it does not keep the processes from others.
      const before = children.length
      const again = yield* Effect.forEach(["a", "b"], (text) => Effect.forkChild(evaluateOne(backtracking, { text })))
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(yield* evaluateOne("n", { n: 1 }), value(1))
      assert.deepStrictEqual(again.map((fiber) => fiber.pollUnsafe()), [undefined, undefined])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Effect.forEach(again, Fiber.join), [value(true), value(false)])
      assert.isAtMost(children.length, before + 1)
    }))

  it.effect("finds out of each input that it is too much, and waits between some of them", () =>
    Effect.gen(function*() {
      const deaths = () => children.filter(isEnded).length
      const before = deaths()
      const all = yield* Effect.forkChild(evaluate(`${backtracking} /* all */`, long, long, long, { text: "a" }))
      // The first death only says that it is not quick; the third one behind it makes it wait.
      yield* Effect.repeat(turn, { until: () => deaths() === before + 4 })
      assert.deepStrictEqual(yield* evaluateOne("n", { n: 1 }), value(1))
      assert.isUndefined(all.pollUnsafe())
      // Its sleep begins some turns later.
      yield* Effect.repeat(Effect.andThen(TestClock.adjust("10 seconds"), turn), {
        until: () => all.pollUnsafe() !== undefined
      })
      const results = yield* Fiber.join(all)
      for (const result of results.slice(0, 3)) assert.match(messageOf(result), /stopped/)
      assert.deepStrictEqual(results[3], value(true))
    }))

  it.effect("outlives what wants too much memory, of which its process dies by itself", () =>
    Effect.gen(function*() {
      const bombs = [
        "bomb ? $length($pad('a', 500000000)) : 1",
        "bomb ? $length($uppercase($reduce([1..28], function($a, $b){ $a & $a }, 'x'))) : 1",
        "bomb ? $count($split($pad('a', 50000000, 'b'), '')) : 1"
      ]
      const outlived = Effect.fnUntraced(function*(bomb: string) {
        const results = yield* evaluate(bomb, { bomb: false }, { bomb: true }, { bomb: false })
        assert.deepStrictEqual([results[0], results[2]], [value(1), value(1)], bomb)
        return messageOf(results[1])
      })
      for (const bomb of bombs) yield* outlived(bomb)
      const before = children.filter(isEnded)
      // With more memory it would be done in a moment.
      assert.include(yield* outlived("bomb ? $length($uppercase($pad('a', 60000000, 'b'))) : 1"), "was stopped")
      const dead = children.filter((child) => isEnded(child) && !before.includes(child))
      assert.includeMembers(dead.map(({ signalCode }) => signalCode), ["SIGABRT"])
    }))

  it.effect("keeps the process of a caller that is interrupted", () =>
    Effect.gen(function*() {
      const sum = "$sum([1..n].($ * 1))"
      for (const each of [sum, "n"]) assert.deepStrictEqual(yield* evaluateOne(each, { n: 1 }), value(1))
      yield* Effect.forEach([1, 2], (n) => evaluateOne("n", { n }), { concurrency: 2 })
      const alive = children.filter((child) => !isEnded(child) && !child.killed)
      const before = children.length
      const sends = alive.map((child) => vi.spyOn(child, "send"))
      const sent = () => sends.reduce((count, { mock }) => count + mock.calls.length, 0)
      const busy = yield* Effect.forkChild(evaluateOne(sum, { n: 1_000 }))
      yield* Effect.repeat(turn, { until: () => sent() > 0 })
      const waiting = yield* Effect.forkChild(evaluateOne("1 + 1"))
      yield* Fiber.interrupt(waiting)
      yield* Fiber.interrupt(busy)
      assert.deepStrictEqual(yield* evaluateOne("n", { n: 1 }), value(1))
      assert.deepStrictEqual(yield* evaluateOne("n + 1", { n: 1 }), value(2))
      assert.strictEqual(children.length, before)
      assert.isTrue(alive.every((child) => !child.killed))
    }))

  it.effect("frees the place of a caller that is interrupted and whose turn does not end", () =>
    Effect.gen(function*() {
      const expressions = [1, 2].map((n) => `${backtracking} /* interrupted ${n} */`)
      for (const each of expressions) assert.deepStrictEqual(yield* evaluateOne(each, { text: "a" }), value(true))
      yield* Effect.forEach([1, 2], () => evaluateOne("1"), { concurrency: 2 })
      const atWork = children.filter((child) => !isEnded(child) && !child.killed)
      const sends = atWork.map((child) => vi.spyOn(child, "send"))
      const hanging = yield* Effect.forEach(expressions, (each) => Effect.forkChild(evaluateOne(each, long)))
      yield* Effect.promise(() => vi.waitFor(() => assert.isTrue(sends.every(({ mock }) => mock.calls.length > 0))))
      const before = children.length
      yield* Effect.forEach(hanging, Fiber.interrupt)
      assert.deepStrictEqual(yield* evaluateOne("n", { n: 1 }), value(1))
      // It is not asked again, and was never stopped: it waits for nothing.
      for (const each of expressions) assert.deepStrictEqual(yield* evaluateOne(each, { text: "a" }), value(true))
      assert.isAtMost(children.length, before + 2)
    }))

  it.effect("lets neither a quick nor a new expression wait for many bad ones", () =>
    Effect.gen(function*() {
      const deaths = () => children.filter(isEnded).length
      const quick = (n: number) => evaluateOne("n > 0 /* quick */", { n })
      assert.deepStrictEqual(yield* quick(1), value(true))
      const bad = yield* Effect.forEach(Array.from({ length: 6 }, (_, n) => n), (n) =>
        Effect.forkChild(evaluateOne(`${backtracking} /* bad ${n} */`, long)))
      const start = deaths()
      let serving: ChildProcess | undefined
      // Once while they are unknown, and once while all are known to be slow.
      for (const seen of [1, 7]) {
        yield* Effect.repeat(turn, { until: () => deaths() >= start + seen })
        // The process that was left to the quick ones is not one of those that died.
        assert.isFalse(serving !== undefined && isEnded(serving))
        assert.deepStrictEqual(yield* quick(1), value(true))
        const alive = children.filter((child) => !isEnded(child) && !child.killed)
        const sends = alive.map((child) => vi.spyOn(child, "send"))
        const before = deaths()
        for (let n = 1; n <= 10; n++) {
          assert.deepStrictEqual(yield* quick(n), value(true))
          // Its place is free by now.
          yield* Effect.andThen(turn, turn)
        }
        assert.isAtMost(deaths(), before + 1, "of the quick one")
        const isQuick = ([message]: ReadonlyArray<unknown>) => JSON.stringify(message).includes("quick")
        serving = alive.find((_, i) => sends[i]?.mock.calls.some(isQuick))
        assert.isDefined(serving)
        assert.deepStrictEqual(yield* evaluateOne(`n + ${seen} /* new */`, { n: 1 }), value(1 + seen))
        assert.isAtMost(deaths(), before + 3, "of the new one")
      }
      assert.isAtLeast(bad.filter((fiber) => fiber.pollUnsafe() === undefined).length, 2)
      yield* Effect.forEach(bad, Fiber.interrupt, { discard: true })
    }))

  it.effect("lets a quick expression not wait for many that one event makes hang", () =>
    Effect.gen(function*() {
      const deaths = () => children.filter(isEnded).length
      const expressions = Array.from({ length: 10 }, (_, n) => `${backtracking} /* until now ${n} */`)
      for (const each of expressions) assert.deepStrictEqual(yield* evaluateOne(each, { text: "a" }), value(true))
      assert.deepStrictEqual(yield* evaluateOne("n", { n: 1 }), value(1))
      const before = deaths()
      const input = { text: `${"a".repeat(50)}?` }
      const bad = yield* Effect.forEach(expressions, (each) => Effect.forkChild(evaluateOne(each, input)))
      yield* turn
      assert.deepStrictEqual(yield* evaluateOne("n", { n: 1 }), value(1))
      // Each place had tried one of them.
      assert.isAtMost(deaths(), before + 3)
      // Nor does a new one wait for them.
      assert.deepStrictEqual(yield* evaluateOne("n /* new */", { n: 1 }), value(1))
      assert.isAtMost(deaths(), before + 5)
      yield* Effect.forEach(bad, Fiber.interrupt, { discard: true })
    }))
})

