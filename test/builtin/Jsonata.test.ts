/** What expressions give, in real processes. */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Schema } from "effect"
import { isTrue, Jsonata } from "../../src/builtin/Jsonata.ts"
import { children, evaluate, evaluateOne, isEnded, messageOf, numberOf, value } from "./JsonataChildren.ts"

/** By other files in this process. */
const startedBefore = children.length

it.layer(Jsonata.layer)("Jsonata", (it) => {
  it.effect("starts nothing before it is used", () => Effect.sync(() => assert.lengthOf(children, startedBefore)))

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

  it.effect("begins with the next input when what a failed one left behind has ended", () =>
    Effect.gen(function*() {
      // The second member goes on for its 100 ms when the first one has failed.
      const left = "{ 'a': $error('no'), 'b': ($f := function($x){ $f($x) }; $f(1)) }"
      const jsonata = yield* Jsonata
      const expression = `n = 0 ? ${left} : $millis()`
      yield* evaluateOne(expression, { n: 1 })
      const [before, failed, behind] = yield* jsonata.evaluate(expression, ["{\"n\":1}", "{\"n\":0}", "{\"n\":2}"])
      assert.strictEqual(messageOf(failed), "no")
      assert.isAtLeast(numberOf(behind) - numberOf(before), 100)
    }))

  it.effect("answers large results in several turns", () =>
    Effect.gen(function*() {
      const expression = "$pad('', 200000, 'x')"
      const alone = yield* evaluateOne(expression)
      const lengths: Array<number> = []
      const heard = (message: unknown) => lengths.push(JSON.stringify(message).length)
      const alive = children.filter((child) => !isEnded(child))
      for (const child of alive) child.on("message", heard)
      const results = yield* evaluate(expression, ...Array.from({ length: 40 }, () => ({})))
      for (const result of results) assert.deepStrictEqual(result, alone)
      assert.lengthOf(results, 40)
      for (const child of alive) child.off("message", heard)
      assert.isAtLeast(lengths.length, 1)
      assert.isAtMost(Math.max(...lengths), 1_048_576 + 300_000)
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
      // It is the name of a member like any other, and no way to a prototype.
      const named = { "a": { "b": 1, ["__proto__"]: { "x": 1 } } }
      assert.deepStrictEqual(
        yield* evaluateOne("$ ~> |a|{ '__proto__': { 'x': 1 } }|", { a: { b: 1 } }),
        value(named)
      )
      // What an expression binds ends with its evaluation.
      assert.deepStrictEqual(yield* evaluate("($seen := $seen ?? n; $seen)", { n: 1 }, { n: 2 }), [value(1), value(2)])
      assert.deepStrictEqual(yield* evaluate("($string := 1; $sum := 2; n)", { n: 1 }), [value(1)])
      assert.deepStrictEqual(yield* evaluate("$string($sum([1, 2]))", {}), [value("3")])
      assert.deepStrictEqual(yield* evaluateOne("$", input), value(input))
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
