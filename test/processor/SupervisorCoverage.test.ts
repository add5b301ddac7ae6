/** Which streams a processor works on, and from which event on its hooks run. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestHost } from "../../src/testing/TestHost.ts"
import { answering, went } from "./Answering.ts"
import { append, Came, during, numbers, quiet, work, written } from "./Workshop.ts"

describe("hooks begin", () => {
  const before = Effect.andThen(append("/s", went(1), went(2)), append("/old", went(9)))

  it.effect("behind what the log held when the processor was registered", () =>
    Effect.gen(function*() {
      yield* before.pipe(during(Layer.empty))
      yield* Effect.gen(function*() {
        yield* append("/s", went(3))
        yield* append("/new", went(4))
        yield* quiet
      }).pipe(during(answering()))
      yield* Effect.gen(function*() {
        assert.deepStrictEqual(yield* numbers("/s", Came), [3])
        assert.deepStrictEqual(yield* numbers("/new", Came), [4])
        assert.deepStrictEqual(yield* numbers("/old", Came), [])
        assert.strictEqual((yield* written("answering", "/s"))?.state, "6")
      }).pipe(during(Layer.empty))
    }).pipe(Effect.provide(TestHost.layerLog())))

  it.effect("with the first event where it says so, and each event gets its hook once", () =>
    Effect.gen(function*() {
      yield* before.pipe(during(Layer.empty))
      yield* quiet.pipe(during(answering({ startFrom: "start" })))
      yield* Effect.andThen(append("/s", went(3)), quiet).pipe(during(answering({ startFrom: "start" })))
      const found = yield* Effect.all([numbers("/s", Came), numbers("/old", Came)]).pipe(during(Layer.empty))
      assert.deepStrictEqual(found, [[1, 2, 3], [9]])
    }).pipe(Effect.provide(TestHost.layerLog())))

  it.effect("where they began first, whatever is said later; what came while it was down gets its hooks", () =>
    Effect.gen(function*() {
      yield* before.pipe(during(Layer.empty))
      yield* quiet.pipe(during(answering()))
      yield* Effect.andThen(append("/s", went(3)), append("/down", went(4))).pipe(during(Layer.empty))
      yield* quiet.pipe(during(answering({ startFrom: "start" })))
      const paths = ["/s", "/down", "/old"]
      const found = yield* Effect.forEach(paths, (path) => numbers(path, Came)).pipe(during(Layer.empty))
      assert.deepStrictEqual(found, [[3], [4], []])
    }).pipe(Effect.provide(TestHost.layerLog())))

  it.effect("on streams that a changed pattern covers newly, with the change", () =>
    Effect.gen(function*() {
      yield* quiet.pipe(during(answering({ streams: "/s" })))
      yield* before.pipe(during(Layer.empty))
      yield* Effect.gen(function*() {
        yield* quiet
        yield* append("/old", went(10))
        yield* quiet
      }).pipe(during(answering({ streams: "/*" })))
      const found = yield* Effect.forEach(["/s", "/old"], (path) => numbers(path, Came)).pipe(during(Layer.empty))
      assert.deepStrictEqual(found, [[1, 2], [10]])
    }).pipe(Effect.provide(TestHost.layerLog())))
})

describe("a pattern", () => {
  for (
    const [streams, answered] of [
      ["/a/*", ["/a/b"]],
      ["/a/**", ["/a", "/a/b", "/a/b/c"]],
      ["/*/b/**", ["/a/b", "/a/b/c", "/x/b"]],
      ["/a", ["/a"]],
      [undefined, ["/", "/a", "/a/b", "/a/b/c", "/x/b"]]
    ] as const
  ) {
    it.effect(`${streams ?? "left out"} covers ${answered.join(" ")}`, () =>
      Effect.gen(function*() {
        const paths = ["/", "/a", "/a/b", "/a/b/c", "/x/b"]
        for (const path of paths) yield* append(path, went(1))
        yield* quiet
        const found = yield* Effect.forEach(paths, (path) => numbers(path, Came))
        assert.deepStrictEqual(paths.filter((_, index) => found[index]?.length === 1), [...answered])
      }).pipe(work(answering({ streams }))))
  }
})
