/** A registration is judged before anything is done about it: what is wrong is said at once. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Schema } from "effect"
import type { Any } from "../../src/domain/EventType.ts"
import { EventType } from "../../src/domain/EventType.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { answering, went } from "./Answering.ts"
import { append, pass, types, Went, work } from "./Workshop.ts"

const named = (name: string, version = 1, consumes: ReadonlyArray<Any> = []) =>
  Processor.make(name, { state: Schema.Int, initial: 0, version, consumes })
    .reduce(Object.fromEntries(consumes.map(({ type }) => [type, (state: number) => state]))).toLayer({})

const dies = (layer: ReturnType<typeof answering>) =>
  Effect.gen(function*() {
    const exit = yield* Effect.exit(Effect.void.pipe(work(layer)))
    return Exit.isFailure(exit) ? String(exit.cause) : "it runs"
  })

describe("a registration", () => {
  it.effect("under a name that is taken says so", () =>
    Effect.gen(function*() {
      assert.match(yield* dies(Layer.merge(answering(), named("answering"))), /answering can not run: it is registered twice/)
    }))

  it.effect("with streams that are no pattern says what is wrong", () =>
    Effect.gen(function*() {
      assert.match(yield* dies(answering({ streams: "games" })), /answering can not run: `streams` is no pattern/)
    }))

  for (
    const [what, layer, message] of [
      ["without a name", named(""), "its name must not be empty"],
      ["with a name that no database takes", named("a\0b"), "its name must hold neither U+0000 nor lone surrogates"],
      ["with a name that is too long", named("a".repeat(257)), "its name must have at most 256 characters"],
      ["with a slash in its name", named("a/b"), "its name must not hold a slash"],
      ["of half a version", named("a", 1.5), "its version must be a whole number from 1 to 2147483647, not 1.5"],
      ["of version 0", named("a", 0), "its version must be a whole number from 1 to 2147483647, not 0"],
      ["of too great a version", named("a", 2 ** 31), "from 1 to 2147483647, not 2147483648"],
      [
        "of a type that can not be",
        named("a", 1, [EventType.make("a\0", Schema.Json)]),
        String.raw`the type "a\u0000" must hold neither U+0000`
      ]
    ] as const
  ) {
    it.effect(`${what} says so`, () =>
      Effect.gen(function*() {
        assert.include(yield* dies(layer), message)
      }))
  }

  it.effect("consumes nothing at all and is left alone", () =>
    Effect.gen(function*() {
      yield* append("/s", went(1))
      yield* pass("1 minute")
      assert.deepStrictEqual(yield* types("/s"), [Went.type])
    }).pipe(work(named("nothing"))))
})
