/** Work that a state calls for: when it runs, when it is interrupted, and how it ends. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Schedule } from "effect"
import { Paused, Resumed } from "../../src/domain/ControlEvent.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Supervisor } from "../../src/processor/Supervisor.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
import { asked, ended, noting } from "./Working.ts"
import { append, Came, change, during, numbers, pass, payloads, quiet, Went, work } from "./Workshop.ts"

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

  it.effect("starts anew where its input changed, after the old one is gone; called off in one go it does not start", () => {
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
      key === "a" ? Effect.fail("no luck") : append(Came.make({ n: input })))
    return Effect.gen(function*() {
      yield* append("/s", asked("a", 1), asked("b", 2))
      yield* quiet
      assert.deepStrictEqual((yield* since).filter((note) => note === "+a1").length, 3)
      assert.deepStrictEqual(yield* payloads("/s", "processor/parked"), [
        { name: "working", offset: 2, kind: "run", key: "a", error: "no luck" }
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
