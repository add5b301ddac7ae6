/** With real processes: what each of them is waited for is its answer or its end, never time. */
import { assert, describe, it, vi } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Scope } from "effect"
import type { Schema } from "effect"
import { TestClock } from "effect/testing"
import { ChildProcess } from "node:child_process"
import { subscribe } from "node:diagnostics_channel"
import { isTrue, Jsonata } from "../../src/builtin/Jsonata.ts"
import type { Evaluated } from "../../src/builtin/Jsonata.ts"

/** All processes that were started here. */
const children: Array<ChildProcess> = []
let onChild = () => {}
subscribe("child_process", (message) => {
  if (typeof message !== "object" || message === null || !("process" in message)) return
  if (!(message.process instanceof ChildProcess)) return
  children.push(message.process)
  onChild()
})
const started = (count: number) =>
  Effect.callback<void>((resume) => {
    // The channel speaks while the process is being made: who made it goes on first.
    onChild = () => queueMicrotask(() => children.length >= count && resume(Effect.void))
    onChild()
  })
const isEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null
const ended = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (isEnded(child)) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
  })

const value = (of: Schema.Json | undefined): Evaluated => ({ _tag: "Value", value: of })
const messageOf = (result: Evaluated | undefined) =>
  result?._tag === "Failed" ? result.message : assert.fail(JSON.stringify(result))
const evaluate = (expression: string, ...inputs: ReadonlyArray<unknown>) =>
  Effect.flatMap(Jsonata, (jsonata) => jsonata.evaluate(expression, inputs.map((input) => JSON.stringify(input))))
const evaluateOne = (expression: string, input: unknown = {}) =>
  Effect.map(evaluate(expression, input), (results) => results[0])

/** Lets every other fiber take its turn. */
const turn = Effect.callback<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** Backtracks for years where the text is long. */
const backtracking = "$contains(text, /^(a+)+$/)"
const long = { text: `${"a".repeat(60)}!` }

it.layer(Jsonata.layer)("Jsonata", (it) => {
  it.effect("starts nothing before it is used", () => Effect.sync(() => assert.lengthOf(children, 0)))

  it.effect("filters", () =>
    Effect.gen(function*() {
      const filter = "type = 'order/placed' and payload.total > 100"
      const results = yield* evaluate(
        filter,
        { type: "order/placed", payload: { total: 101 } },
        { type: "order/placed", payload: { total: 100 } },
        { type: "order/paid", payload: { total: 101 } },
        { type: "order/placed", payload: {} }
      )
      assert.deepStrictEqual(results, [value(true), value(false), value(false), value(false)])
    }))

  it.effect("transforms, and gives plain JSON", () =>
    Effect.gen(function*() {
      const input = { a: [{ b: 1 }, { b: 2 }], c: { d: null } }
      const cases: ReadonlyArray<readonly [string, Schema.Json | undefined]> = [
        ["a.b", [1, 2]],
        ["a[0].b", 1],
        ["a.b[]", [1, 2]],
        ["nothing", undefined],
        ["c.d", null],
        ["{ 'sum': $sum(a.b), 'none': nothing }", { sum: 3 }],
        ["$ ~> |a|{ 'b': b + 1 }|", { a: [{ b: 2 }, { b: 3 }], c: { d: null } }],
        ["[nothing]", []],
        ["$merge([a, { 'z': 1 }])", { b: 2, z: 1 }],
        ["nothing ?? 'default'", "default"]
      ]
      for (const [expression, expected] of cases) {
        assert.deepStrictEqual(yield* evaluateOne(expression, input), value(expected), expression)
      }
    }))

  it.effect("keeps the order of many and large inputs", () =>
    Effect.gen(function*() {
      const numbers = Array.from({ length: 2_000 }, (_, n) => n)
      assert.deepStrictEqual(yield* evaluate("n + 1", ...numbers.map((n) => ({ n }))), numbers.map((n) => value(n + 1)))
      const large = Array.from({ length: 8 }, (_, n) => ({ n, text: "x".repeat(900_000) }))
      const results = yield* evaluate("$", ...large)
      assert.deepStrictEqual(results, large.map((input) => value(input)))
      assert.deepStrictEqual(yield* evaluate("n"), [])
    }))

  it.effect("fails, and says of what", () =>
    Effect.gen(function*() {
      const cases: ReadonlyArray<readonly [expression: string, says: string]> = [
        ["$sum(", "is no JSONata expression"],
        ["$eval('(')", "Syntax error in expression"],
        ["$error('out of tea')", "out of tea"],
        ["1 + 'a'", "must evaluate to a number"],
        ["$sum", "a function in it"],
        ["{ 'f': [function($x){ $x }] }", "a function in it"],
        ["/a/", "a function in it"],
        ["1 / 0", "is not finite"],
        ["$pad('a', 1048577)", "more than 1048576 characters"],
        ["[1..100001]", "maximum sequence length"],
        ["($f := function($n, $x){ $n = 0 ? $x : $f($n - 1, { 'a': $x }) }; $f(600, 1))", "too deeply"],
        ["($f := function($x){ $f($x) }; $f(1))", "timeout"],
        ["($f := function($x){ 1 + $f($x) }; $f(1))", "Stack overflow"]
      ]
      for (const [expression, says] of cases) {
        const results = yield* evaluate(expression, {}, {})
        for (const result of results) assert.include(messageOf(result), says, expression)
      }
      const [bad, good] = yield* Effect.flatMap(Jsonata, (jsonata) => jsonata.evaluate("a", ["{", "{\"a\":1}"]))
      assert.include(messageOf(bad), "JSON")
      assert.deepStrictEqual(good, value(1))
    }))

  it.effect("does not take the time of the next input for what a failed one left behind", () =>
    Effect.gen(function*() {
      // The second member goes on when the first one has failed.
      const expression =
        "n = 0 ? { 'a': $error('no'), 'b': ($f := function($x){ $f($x) }; $f(1)) } : $sum([1..1000].($ * 1))"
      const [failed, ...others] = yield* evaluate(expression, { n: 0 }, { n: 1 }, { n: 2 })
      assert.strictEqual(messageOf(failed), "no")
      assert.deepStrictEqual(others, [value(500_500), value(500_500)])
    }))

  it.effect("gives no way out", () =>
    Effect.gen(function*() {
      const input = JSON.parse(
        `{ "__proto__": { "x": 1 }, "a": { "b": 1 }, "f": { "_jsonata_lambda": true, "arguments": [] } }`
      )
      for (
        const expression of [
          "constructor", "a.constructor", "a.toString", "$string.constructor", "a.__proto__",
          "$lookup(a, '__proto__')",
          "$lookup(a, 'constructor')", "$f.environment", "($f := function(){1}; $f.environment)", "process", "$process",
          "$globalThis", "($f := function(){1}; $lookup($f, 'environment'))",
          "$spread(a).constructor", "'a'.constructor"
        ]
      ) assert.deepStrictEqual(yield* evaluateOne(expression, input), value(undefined), expression)
      for (
        const expression of [
          "$ ~> |a|{ '__proto__': { 'polluted': true } }|",
          "$merge([a, { '__proto__': { 'polluted': true } }])",
          "($clone := function($x){ $x }; $ ~> |__proto__|{ 'polluted': true }|)",
          "a{ '__proto__': { 'polluted': true } }",
          "$each($, function($v, $k){ $v ~> |$|{ 'constructor': { 'prototype': { 'polluted': true } } }| })",
          "f()", "f(1, 2)", "$map([1], f)", "$eval('constructor.constructor(\"return process\")()')",
          "($__proto__ := { 'polluted': true }; $constructor := 1; $toString := 2; 1)"
        ]
      ) yield* evaluate(expression, input, input)
      assert.deepStrictEqual(
        yield* evaluate("[polluted, a.polluted, {}.polluted, $polluted, [].polluted, $exists(polluted)]", input, {}),
        [value([false]), value([false])]
      )
      // What an expression binds ends with its evaluation.
      assert.deepStrictEqual(yield* evaluate("($seen := $seen ?? n; $seen)", { n: 1 }, { n: 2 }), [value(1), value(2)])
      assert.deepStrictEqual(yield* evaluate("($string := 1; $sum := 2; n)", { n: 1 }), [value(1)])
      assert.deepStrictEqual(yield* evaluate("$string($sum([1, 2]))", {}), [value("3")])
      assert.deepStrictEqual(yield* evaluateOne("$", input), value(input))
    }))

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
      const all = yield* Effect.forkChild(evaluate(`${backtracking} /* all */`, long, long, { text: "a" }))
      // The first death does not say which input it was; the third one makes it wait.
      yield* Effect.repeat(turn, { until: () => deaths() === before + 3 })
      assert.deepStrictEqual(yield* evaluateOne("n", { n: 1 }), value(1))
      assert.isUndefined(all.pollUnsafe())
      // Its sleep begins some turns later.
      yield* Effect.repeat(Effect.andThen(TestClock.adjust("10 seconds"), turn), {
        until: () => all.pollUnsafe() !== undefined
      })
      const results = yield* Fiber.join(all)
      for (const result of results.slice(0, 2)) assert.match(messageOf(result), /stopped/)
      assert.deepStrictEqual(results[2], value(true))
    }))

  it.effect("outlives what wants too much memory", () =>
    Effect.gen(function*() {
      const bombs = [
        "bomb ? $length($pad('a', 500000000)) : 1",
        "bomb ? $length($uppercase($reduce([1..28], function($a, $b){ $a & $a }, 'x'))) : 1",
        "bomb ? ($f := function($x){ $f([$x, $x]) }; $f([1..1000])) : 1",
        "bomb ? $count($split($pad('a', 50000000, 'b'), '')) : 1"
      ]
      for (const bomb of bombs) {
        const results = yield* evaluate(bomb, { bomb: false }, { bomb: true }, { bomb: false })
        assert.deepStrictEqual([results[0], results[2]], [value(1), value(1)], bomb)
        messageOf(results[1])
      }
    }))

  it.effect("frees the place of a caller that is interrupted", () =>
    Effect.gen(function*() {
      // Both places have a process of their own, which is at work for years.
      yield* Effect.forEach([1, 2], () => evaluateOne("1"), { concurrency: 2 })
      const atWork = children.filter((child) => !isEnded(child) && !child.killed)
      assert.lengthOf(atWork, 2)
      const sends = atWork.map((child) => vi.spyOn(child, "send"))
      const expressions = [1, 2].map((n) => `${backtracking} /* interrupted ${n} */`)
      const hanging = yield* Effect.forEach(expressions, (each) => Effect.forkChild(evaluateOne(each, long)))
      const queued = yield* Effect.forkChild(evaluateOne("1"))
      yield* Effect.promise(() => vi.waitFor(() => assert.isTrue(sends.every(({ mock }) => mock.calls.length > 0))))
      yield* Effect.forEach([queued, ...hanging], Fiber.interrupt)
      for (const child of atWork) yield* ended(child)
      assert.deepStrictEqual(yield* evaluateOne("n", { n: 1 }), value(1))
      // It was not the expressions' fault.
      for (const each of expressions) assert.deepStrictEqual(yield* evaluateOne(each, { text: "a" }), value(true))
    }))
})

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

describe("truth", () => {
  it.each<readonly [Schema.Json | undefined, boolean]>([
    [undefined, false], [null, false], [false, false], [true, true], [0, false], [-1, true], ["", false],
    ["false", true], [[], false], [[0], false], [[0, ""], false], [[0, 1], true],
    [[[], [[]]], false], [[{}], false], [{}, false],
    [{ a: 0 }, true]
  ])("of %j is %s", (of, is) => assert.strictEqual(isTrue(of), is))
})
