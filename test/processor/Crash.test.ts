/**
 * A server is killed at each step of the loop, and another takes over: each event has exactly its facts, all of one
 * attempt, and no fact of a fiber is there twice.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Paused, Resumed } from "../../src/domain/ControlEvent.ts"
import { EventType } from "../../src/domain/EventType.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
import { Mortal } from "./Mortal.ts"
import { append, change, during, pass, payloads, quiet, thrice, Went, written } from "./Workshop.ts"

/** What an attempt at an event says, on its own stream and on another. */
const Fact = EventType.make("fact", Schema.Struct({ n: Schema.Int, attempt: Schema.Int }))
/** Folded without a hook. */
const Counted = EventType.make("counted", Schema.Struct({}))
const Step = EventType.make("step", Schema.Struct({ name: Schema.String }))

const Working = Processor.make("working", {
  state: Schema.Struct({ sum: Schema.Int, counted: Schema.Int }),
  initial: { sum: 0, counted: 0 },
  consumes: [Went, Counted],
  emits: [Fact, Step]
}).reduce({
  went: (state, { payload }) => ({ ...state, sum: state.sum + payload.n }),
  counted: (state) => ({ ...state, counted: state.counted + 1 })
}).fibers({ walk: ({ sum }) => sum === 0 ? {} : { all: "steps" } })

let attempts = 0

/** The processor in a server that may die at any of its steps. A payload of 100 and more fails. */
const working = ({ step }: Mortal) =>
  Working.toLayer({
    afterAppend: {
      went: ({ payload: { n } }, { emit }) =>
        Effect.gen(function*() {
          const fact = Fact.make({ n, attempt: ++attempts })
          yield* step("hook starts")
          yield* emit(fact)
          yield* step("hook has emitted")
          yield* emit(fact, { streamPath: "/other" })
          yield* step("hook ends")
          if (n >= 100) return yield* Effect.fail("too many")
        })
    },
    fibers: {
      walk: (_, { append, cursor, moveCursor }) =>
        Effect.gen(function*() {
          yield* step("fiber starts")
          const before = yield* cursor
          let at = typeof before === "number" ? before : 0
          for (; at < 2; at++) yield* append(Step.make({ name: String(at) }), { once: String(at), cursor: at + 1 })
          yield* moveCursor(3)
          yield* step("fiber ends")
        })
    }
  }, { streams: "/s", retry: thrice })

/** A server that was killed does not give its lease back; until then nobody acts. */
const leaseRunsOut = Effect.andThen(TestClock.adjust("10 seconds"), quiet)

const immortal = new Mortal("never")
const went = (n: number) => Went.make({ n })

/** What is on the log when everything is done for these numbers. */
const verify = Effect.fnUntraced(function*(...numbers: Array<number>) {
  const facts = Effect.map(Effect.all([payloads("/s", "fact"), payloads("/other", "fact")]), ([own, other]) => {
    assert.deepStrictEqual(own, other)
    return own.map((fact) => typeof fact === "object" && fact !== null && "n" in fact ? fact.n : fact)
  })
  assert.deepStrictEqual(yield* facts, numbers)
  assert.deepStrictEqual(yield* payloads("/s", "step"), [{ name: "0" }, { name: "1" }])
  const row = yield* written("working", "/s")
  const sum = numbers.reduce((sum, n) => sum + n, 0)
  assert.strictEqual(row?.state, JSON.stringify({ sum, counted: 2 }))
  assert.deepStrictEqual(row?.cursors.map(({ value }) => value), ["3"])
  assert.isFalse(row?.busy)
  assert.deepStrictEqual(yield* payloads("/s", "processor/parked"), [])
})

/** Each step, and how often it is passed at least. */
const steps: ReadonlyArray<readonly [string, number]> = [
  ["before register", 1],
  ["after register", 1],
  ["before claim", 2],
  ["after claim", 2],
  ["before undone", 1],
  ["after undone", 1],
  ["before advance", 2],
  ["after advance", 2],
  ["before open", 1],
  ["after open", 1],
  ["before read", 2],
  ["after read", 2],
  ["hook starts", 2],
  ["hook has emitted", 2],
  ["hook ends", 2],
  ["before commit", 2],
  ["after commit", 2],
  ["before checkpoint", 1],
  ["after checkpoint", 1],
  ["fiber starts", 1],
  ["before append", 2],
  ["after append", 2],
  ["before cursor", 1],
  ["after cursor", 1],
  ["fiber ends", 1],
  ["before end", 1],
  ["after end", 1]
]

describe("a server that is killed", () => {
  for (const [step, times] of steps) {
    for (let turn = 1; turn <= times; turn++) {
      it.effect(`${step}${turn === 1 ? "" : ", the second time"}`, () =>
        Effect.gen(function*() {
          // The place behind which hooks run is known before the first event.
          if (step.endsWith("register")) yield* Effect.void.pipe(during(working(immortal)))
          const first = new Mortal(step, turn)
          yield* first.live(working(first))
          yield* Effect.gen(function*() {
            yield* pass("1 second")
            yield* append("/s", Counted.make({}))
            yield* pass("2 seconds")
            yield* append("/s", went(1))
            yield* pass("2 seconds")
            yield* append("/s", went(2), went(3))
            yield* append("/s", Counted.make({}))
            yield* pass("3 seconds")
          }).pipe(during(Layer.empty))
          assert.isTrue(first.isDead, "it was not killed")
          yield* Effect.gen(function*() {
            yield* leaseRunsOut
            yield* append("/s", went(4))
            yield* pass("3 seconds")
            yield* verify(1, 2, 3, 4)
          }).pipe(during(working(immortal)))
          // And once more, where nothing is left to do.
          yield* Effect.andThen(leaseRunsOut, verify(1, 2, 3, 4)).pipe(during(working(immortal)))
        }).pipe(Effect.provide(TestHost.layerLog())))
    }
  }

  for (const step of ["before park", "after park"]) {
    it.effect(`${step}: it is parked once, and a person's resumption brings it on`, () =>
      Effect.gen(function*() {
        const first = new Mortal(step)
        yield* first.live(working(first))
        yield* Effect.gen(function*() {
          yield* pass("1 second")
          yield* append("/s", went(100))
          yield* pass("3 seconds")
        }).pipe(during(Layer.empty))
        assert.isTrue(first.isDead)
        yield* Effect.gen(function*() {
          yield* leaseRunsOut
          assert.lengthOf(yield* payloads("/s", "processor/parked"), 1)
          assert.deepStrictEqual(yield* payloads("/other", "fact"), [])
          yield* change("working", "/s", { _tag: "Skip" })
          yield* append("/s", went(1))
          yield* pass("3 seconds")
          assert.lengthOf(yield* payloads("/s", "fact"), 1)
          assert.lengthOf(yield* payloads("/other", "fact"), 1)
        }).pipe(during(working(immortal)))
      }).pipe(Effect.provide(TestHost.layerLog())))
  }

  it.effect("while a commit waits for a paused stream: the facts are those of the attempt that was recorded", () =>
    Effect.gen(function*() {
      const first = new Mortal("never")
      yield* first.live(working(first))
      yield* Effect.gen(function*() {
        yield* pass("1 second")
        yield* append("/other", Paused.make({}))
        yield* append("/s", went(1))
        yield* pass("3 seconds")
      }).pipe(during(Layer.empty))
      first.isDead = true
      yield* Effect.gen(function*() {
        yield* leaseRunsOut
        assert.deepStrictEqual(yield* payloads("/s", "fact"), [])
        yield* append("/other", Resumed.make({}))
        yield* pass("1 second")
        const own = yield* payloads("/s", "fact")
        assert.lengthOf(own, 1)
        assert.deepStrictEqual(yield* payloads("/other", "fact"), own)
      }).pipe(during(working(immortal)))
    }).pipe(Effect.provide(TestHost.layerLog())))
})
