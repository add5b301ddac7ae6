/** Work that a state calls for: when it runs, when it is interrupted, and what is kept of it. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Record, Schedule, Schema } from "effect"
import { Paused, Resumed } from "../../src/domain/ControlEvent.ts"
import { EventType } from "../../src/domain/EventType.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import type { Fiber, Hooks } from "../../src/processor/Hooks.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { Supervisor } from "../../src/processor/Supervisor.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
import { append, Came, change, during, numbers, pass, payloads, quiet, read, thrice, types, Went, work, written } from "./Workshop.ts"

const Asked = EventType.make("asked", Schema.Struct({ key: Schema.String, input: Schema.Int }))
const Ended = EventType.make("ended", Schema.Struct({ key: Schema.String }))

const Working = Processor.make("working", {
  state: Schema.Struct({ all: Schema.Record(Schema.String, Schema.Int) }),
  initial: { all: {} },
  consumes: [Asked, Ended, Went],
  emits: [Came]
}).reduce({
  asked: ({ all }, { payload: { input, key } }) => ({ all: { ...all, [key]: input } }),
  ended: ({ all }, { payload }) => ({ all: Record.remove(all, payload.key) }),
  went: (state) => state
}).fibers({ run: ({ all }) => all })

const asked = (key: string, input: number) => Asked.make({ key, input })
const ended = (key: string) => Ended.make({ key })

type Tools = Fiber<typeof Working.state.Type, typeof Came>

/** Notes when each fiber starts and leaves; `body` is what it does in between, for ever by default. */
const noting = (
  body: (input: number, fiber: Tools) => Effect.Effect<unknown, unknown> = () => Effect.never,
  options: { readonly whilePaused?: boolean; readonly retry?: Schedule.Schedule<unknown, unknown> } = {}
) => {
  const notes: Array<string> = []
  const note = (text: string) => Effect.sync(() => notes.push(text))
  const run = (input: number, fiber: Tools) =>
    note(`+${fiber.key}${input}`).pipe(
      Effect.andThen(body(input, fiber)),
      Effect.onInterrupt(() => note(`-${fiber.key}${input}`))
    )
  const { retry = thrice, whilePaused = false } = options
  const hooks: Hooks<typeof Working.state.Type, typeof Asked | typeof Ended | typeof Went, typeof Came, { run: number }> = {
    fibers: { run: { run, whilePaused } }
  }
  const layer = Working.toLayer(hooks, { streams: "/s", retry })
  /** What was noted since the last look. */
  const since = Effect.sync(() => notes.splice(0))
  return { layer, since }
}

const statuses = Effect.map(Supervisor, ({ status }) =>
  (status("working", StreamPath.make("/s"))?.view?.().fibers ?? []).map((fiber) => `${fiber.key} ${fiber.status}`))

describe("a fiber", () => {
  it.effect("starts when the state asks for it, is left alone, and is interrupted when it asks no more", () => {
    const { layer, since } = noting()
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1))
      yield* quiet
      assert.deepStrictEqual(yield* since, ["+a1"])
      yield* append("/s", asked("b", 2), Went.make({ n: 1 }), asked("a", 1))
      yield* pass("1 hour")
      assert.deepStrictEqual(yield* since, ["+b2"])
      assert.deepStrictEqual(yield* statuses, ["a running", "b running"])
      yield* append("/s", ended("a"))
      yield* quiet
      assert.deepStrictEqual(yield* since, ["-a1"])
    }).pipe(work(layer))
  })

  it.effect("starts anew where its input changed, after the old one is gone; asked for and called off in one go it does not", () => {
    const { layer, since } = noting()
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1))
      yield* quiet
      yield* append("/s", asked("a", 2), asked("b", 1), ended("b"))
      yield* quiet
      assert.deepStrictEqual(yield* since, ["+a1", "-a1", "+a2"])
    }).pipe(work(layer))
  })

  it.effect("does not run for history that called it off", () => {
    const { layer, since } = noting()
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1), asked("b", 2), ended("b")).pipe(during(layer))
      yield* since
      yield* Effect.gen(function*() {
        yield* append("/s", ended("a"), asked("c", 3))
        yield* quiet
      }).pipe(during(layer))
      assert.deepStrictEqual((yield* since).filter((note) => !note.startsWith("-")), ["+c3"])
    }).pipe(Effect.provide(TestHost.layerLog()))
  })

  it.effect("that was asked for before the processor was registered runs when its stream wakes", () => {
    const { layer, since } = noting()
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1)).pipe(during(noting().layer))
      yield* append("/s", Went.make({ n: 1 })).pipe(Effect.andThen(quiet), during(layer))
      assert.deepStrictEqual(yield* since, ["+a1", "-a1"])
    }).pipe(Effect.provide(TestHost.layerLog()))
  })

  it.effect("starts again after each restart", () => {
    const { layer, since } = noting()
    return Effect.gen(function*() {
      yield* Effect.andThen(append("/s", asked("a", 1)), quiet).pipe(during(layer))
      for (let round = 0; round < 2; round++) {
        assert.deepStrictEqual(yield* since, ["+a1", "-a1"])
        yield* quiet.pipe(during(layer))
      }
    }).pipe(Effect.provide(TestHost.layerLog()))
  })
})

describe("one that ends", () => {
  it.effect("stays ended while the state asks for the same, over restarts and refolds, and is not spun", () => {
    const { layer, since } = noting(() => Effect.void)
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        yield* append("/s", asked("a", 1))
        yield* quiet
        assert.deepStrictEqual(yield* since, ["+a1"])
        assert.deepStrictEqual(yield* statuses, ["a done"])
        yield* append("/s", Went.make({ n: 1 }), asked("b", 1))
        yield* pass("1 hour")
        assert.deepStrictEqual(yield* since, ["+b1"])
        yield* change("working", "/s", { _tag: "Refold" })
        yield* pass("2 seconds")
        assert.deepStrictEqual(yield* since, [])
      }).pipe(during(layer))
      yield* Effect.andThen(append("/s", Went.make({ n: 2 })), pass("1 minute")).pipe(during(layer))
      assert.deepStrictEqual(yield* since, [])
    }).pipe(Effect.provide(TestHost.layerLog()))
  })

  it.effect("runs again where the state stopped asking and asks anew, or asks with another input", () => {
    const { layer, since } = noting(() => Effect.void)
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1))
      yield* quiet
      yield* append("/s", asked("a", 2))
      yield* quiet
      yield* append("/s", ended("a"))
      yield* quiet
      yield* append("/s", asked("a", 2))
      yield* quiet
      // Even in one go.
      yield* append("/s", ended("a"), asked("a", 2))
      yield* quiet
      assert.deepStrictEqual(yield* since, ["+a1", "+a2", "+a2", "+a2"])
    }).pipe(work(layer))
  })
})

describe("one that fails", () => {
  it.effect("is tried again, and then parked by itself and visibly; the others and the hooks go on", () => {
    const { layer, since } = noting((input, { append, key }) =>
      key === "a" ? Effect.fail(new Error("no luck")) : append(Came.make({ n: input })))
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1), asked("b", 2))
      yield* quiet
      assert.deepStrictEqual((yield* since).filter((note) => note === "+a1").length, 3)
      assert.deepStrictEqual(yield* payloads("/s", "processor/parked"), [
        { name: "working", offset: 2, kind: "run", key: "a", error: "Error: no luck" }
      ])
      assert.deepStrictEqual(yield* numbers("/s", Came), [2])
      assert.deepStrictEqual(yield* statuses, ["a parked", "b done"])
      yield* append("/s", asked("c", 3))
      yield* pass("1 minute")
      assert.deepStrictEqual(yield* since, ["+c3"])
      assert.deepStrictEqual(yield* numbers("/s", Came), [2, 3])
    }).pipe(work(layer))
  })

  it.effect("shows that it is tried again", () => {
    const { layer, since } = noting(() => Effect.fail("not yet"), { retry: Schedule.spaced("1 minute") })
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1))
      yield* quiet
      assert.deepStrictEqual(yield* statuses, ["a retrying"])
      yield* pass("1 minute")
      assert.deepStrictEqual(yield* since, ["+a1", "+a1"])
    }).pipe(work(layer))
  })

  it.effect("by a defect is parked too, stays so over a restart, and a person resumes it alone", () => {
    let isMended = false
    const { layer, since } = noting((_, { key }) =>
      key === "a" ? isMended ? Effect.never : Effect.die(new Error("broken")) : Effect.never)
    return Effect.gen(function*() {
      yield* Effect.andThen(append("/s", asked("a", 1), asked("b", 1)), quiet).pipe(during(layer))
      yield* since
      yield* Effect.gen(function*() {
        yield* append("/s", Went.make({ n: 1 }))
        yield* quiet
        assert.deepStrictEqual(yield* since, ["+b1"])
        isMended = true
        yield* change("working", "/s", { _tag: "ResumeFiber", kind: "run", key: "a" })
        yield* quiet
        assert.include(yield* since, "+a1")
        assert.deepStrictEqual((yield* statuses).toSorted(), ["a running", "b running"])
        assert.deepStrictEqual(yield* payloads("/s", "processor/resumed"), [
          { name: "working", offset: 2, kind: "run", key: "a" }
        ])
        const again = change("working", "/s", { _tag: "ResumeFiber", kind: "run", key: "a" })
        assert.strictEqual((yield* Effect.flip(again))._tag, "NotFound")
      }).pipe(during(layer))
    }).pipe(Effect.provide(TestHost.layerLog()))
  })

  it.effect("and was parked starts with another input", () => {
    const { layer, since } = noting((input) => input === 1 ? Effect.fail("no") : Effect.never)
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1))
      yield* quiet
      yield* since
      yield* append("/s", asked("a", 2))
      yield* quiet
      assert.deepStrictEqual(yield* since, ["+a2"])
    }).pipe(work(layer))
  })
})

describe("while its stream is paused", () => {
  it.effect("a fiber is interrupted, and starts again on resumption", () => {
    const { layer, since } = noting()
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1))
      yield* quiet
      yield* append("/s", Paused.make({}))
      yield* pass("1 minute")
      assert.deepStrictEqual(yield* since, ["+a1", "-a1"])
      yield* append("/s", Resumed.make({}))
      yield* quiet
      assert.deepStrictEqual(yield* since, ["+a1"])
    }).pipe(work(layer))
  })

  it.effect("none starts after a restart either", () => {
    const { layer, since } = noting()
    return Effect.gen(function*() {
      yield* Effect.andThen(append("/s", asked("a", 1), Paused.make({})), pass("1 minute")).pipe(during(layer))
      yield* Effect.gen(function*() {
        yield* pass("1 minute")
        assert.deepStrictEqual(yield* since, [])
        yield* append("/s", Resumed.make({}))
        yield* quiet
        assert.deepStrictEqual(yield* since, ["+a1"])
      }).pipe(during(layer))
    }).pipe(Effect.provide(TestHost.layerLog()))
  })

  it.effect("one whose kind says so goes on", () => {
    const { layer, since } = noting(() => Effect.never, { whilePaused: true })
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1))
      yield* quiet
      yield* append("/s", Paused.make({}))
      yield* pass("1 minute")
      assert.deepStrictEqual(yield* since, ["+a1"])
    }).pipe(work(layer))
  })
})

describe("what a fiber appends", () => {
  it.effect("is recorded at once, on its stream or another, and its cause is the event at which the state asked", () => {
    const { layer } = noting((input, { append }) =>
      Effect.gen(function*() {
        const event = yield* append(Came.make({ n: input }))
        yield* append(Came.make({ n: event.offset }), { streamPath: "/other" })
        return yield* Effect.never
      }))
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 7), asked("a", 7))
      yield* quiet
      assert.deepStrictEqual(yield* types("/s"), ["asked", "asked", "came"])
      assert.deepStrictEqual(yield* numbers("/other", Came), [4])
      const causes = [...yield* read("/s"), ...yield* read("/other")].flatMap(({ cause }) => cause === undefined ? [] : [cause])
      assert.deepStrictEqual(causes.map(({ hops, offset, processor, streamPath }) => [streamPath, offset, hops, processor]), [
        ["/s", 2, 0, "working"],
        ["/s", 2, 1, "working"]
      ])
    }).pipe(work(layer))
  })

  it.effect("`once` is recorded once, whatever the attempt; with another input it is another fact", () => {
    let attempts = 0
    const { layer } = noting((_, { append }) =>
      Effect.suspend(() => {
        attempts += 1
        const first = append(Came.make({ n: attempts }), { once: "first" })
        const second = append(Came.make({ n: 100 + attempts }), { once: "second" })
        return Effect.andThen(first, Effect.andThen(second, attempts < 3 ? Effect.fail("again") : Effect.never))
      }))
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        yield* append("/s", asked("a", 1))
        yield* quiet
        assert.strictEqual(attempts, 3)
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 101])
        yield* append("/s", asked("b", 1))
        yield* quiet
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 101, 4, 104])
      }).pipe(during(layer))
      yield* Effect.gen(function*() {
        yield* quiet
        yield* append("/s", asked("a", 2))
        yield* quiet
        // Both ran again after the restart, and then one with another input.
        assert.strictEqual(attempts, 7)
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 101, 4, 104, 7, 107])
      }).pipe(during(layer))
    }).pipe(Effect.provide(TestHost.layerLog()))
  })
})

describe("a fiber's cursor", () => {
  it.effect("is a durable value of its kind and key, which outlives a changed input and a restart", () => {
    const seen: Array<unknown> = []
    const { layer } = noting((input, { cursor, key, moveCursor }) =>
      Effect.gen(function*() {
        seen.push([key, input, yield* cursor])
        yield* moveCursor({ at: input })
        return yield* Effect.never
      }))
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        yield* append("/s", asked("a", 1), asked("b", 9))
        yield* quiet
        yield* append("/s", asked("a", 2))
        yield* quiet
        assert.deepStrictEqual(seen.splice(0), [["a", 1, undefined], ["b", 9, undefined], ["a", 2, { at: 1 }]])
      }).pipe(during(layer))
      yield* quiet.pipe(during(layer))
      assert.deepStrictEqual(seen, [["a", 2, { at: 2 }], ["b", 9, { at: 9 }]])
      const row = yield* written("working", "/s")
      assert.deepStrictEqual(row?.cursors.map(({ key, value }) => [key, value]).toSorted(), [
        ["a", `{"at":2}`],
        ["b", `{"at":9}`]
      ])
    }).pipe(Effect.provide(TestHost.layerLog()))
  })

  it.effect("moves with an append, both or neither, and behind a fact that was recorded before", () => {
    const seen: Array<unknown> = []
    const { layer } = noting((input, { append, cursor, key }) =>
      Effect.gen(function*() {
        const before = yield* cursor
        const n = typeof before === "number" ? before + 1 : 1
        const to = key === "away" ? { streamPath: "/paused" } : {}
        const exit = yield* Effect.exit(append(Came.make({ n: input * 10 + n }), { ...to, once: "fact", cursor: n }))
        seen.push([key, exit._tag, yield* cursor])
        return yield* Effect.never
      }))
    return Effect.gen(function*() {
      yield* Effect.gen(function*() {
        yield* append("/paused", Paused.make({}))
        yield* append("/s", asked("here", 1), asked("away", 1))
        yield* quiet
        assert.deepStrictEqual(seen.splice(0), [["here", "Success", 1], ["away", "Failure", undefined]])
      }).pipe(during(layer))
      yield* quiet.pipe(during(layer))
      assert.deepStrictEqual(seen, [["here", "Success", 2], ["away", "Failure", undefined]])
      assert.deepStrictEqual(yield* numbers("/s", Came).pipe(during(noting().layer)), [11])
    }).pipe(Effect.provide(TestHost.layerLog()))
  })
})

it.effect("a fiber that is called off appends nothing any more", () =>
  Effect.gen(function*() {
    const go = yield* Deferred.make<void>()
    const { layer, since } = noting((input, { append }) =>
      Effect.andThen(Deferred.await(go), append(Came.make({ n: input }))))
    yield* Effect.gen(function*() {
      yield* append("/s", asked("a", 1))
      yield* quiet
      yield* append("/s", ended("a"))
      yield* quiet
      assert.deepStrictEqual(yield* since, ["+a1", "-a1"])
      yield* Deferred.succeed(go, undefined)
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [])
    }).pipe(work(layer))
  }))
