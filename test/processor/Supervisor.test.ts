/** Instances over time: asleep and awake, stopped and started, here and on another server, deleted and made anew. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Layer, Option, Schema, Scope } from "effect"
import { TestClock } from "effect/testing"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Streams } from "../../src/domain/Streams.ts"
import type { Lease } from "../../src/log/Checkpoints.ts"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import { Growth } from "../../src/log/Growth.ts"
import type { LayerOptions } from "../../src/processor/Processor.ts"
import { Processor } from "../../src/processor/Processor.ts"
import { Supervisor } from "../../src/processor/Supervisor.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
import { append, Came, during, numbers, pass, quiet, stateOf, thrice, Went, work, written } from "./Workshop.ts"

const Summing = Processor.make("summing", { state: Schema.Int, initial: 0, consumes: [Went], emits: [Came] })
  .reduce({ went: (sum, { payload }) => sum + payload.n })
/** Answers each number with the sum up to it. */
const summing = (options?: LayerOptions) =>
  Summing.toLayer({ afterAppend: { went: (_, { emit, state }) => emit(Came.make({ n: state })) } }, {
    retry: thrice,
    ...options
  })

const went = (...all: ReadonlyArray<number>) => all.map((n) => Went.make({ n }))
const statusOf = (path: string) =>
  Effect.map(Supervisor, ({ status }) => status("summing", StreamPath.make(path))?.now)

/** Paths whose instances were opened, in order. */
const opened = <A, E, R>(test: (paths: Array<string>) => Effect.Effect<A, E, R | Checkpoints>) =>
  Effect.flatMap(Checkpoints, (checkpoints) => {
    const paths: Array<string> = []
    return Effect.provideService(test(paths), Checkpoints, {
      ...checkpoints,
      open: (lease, path) => Effect.suspend(() => (paths.push(path), checkpoints.open(lease, path)))
    })
  })

describe("an instance", () => {
  it.effect("sleeps when nothing has come for ten seconds, and wakes with its state for the next event", () =>
    Effect.gen(function*() {
      yield* append("/s", ...went(1, 2))
      yield* pass("9 seconds")
      assert.strictEqual(yield* statusOf("/s"), "caught-up")
      yield* pass("2 seconds")
      assert.isUndefined(yield* statusOf("/s"))
      const row = yield* written("summing", "/s")
      assert.deepStrictEqual([row?.state, row?.offset], ["3", 3])
      yield* append("/s", ...went(4))
      yield* quiet
      assert.strictEqual(yield* statusOf("/s"), "caught-up")
      assert.deepStrictEqual(yield* numbers("/s", Came), [1, 3, 7])
    }).pipe(work(summing())))

  it.effect("writes what it folded without a hook before it sleeps, and within a second or so in any case", () =>
    Effect.gen(function*() {
      yield* append("/s", ...went(1))
      yield* quiet
      assert.isUndefined((yield* written("summing", "/s"))?.state)
      yield* pass("1 second")
      assert.deepStrictEqual((yield* written("summing", "/s"))?.state, "1")
      yield* append("/s", ...went(2))
      // It looks whether it is idle every ten seconds, and once more where the cursor met what was not written yet.
      yield* pass("40 seconds")
      assert.deepStrictEqual((yield* written("summing", "/s"))?.state, "3")
      assert.isUndefined(yield* statusOf("/s"))
    }).pipe(work(Summing.toLayer({}))))

  it.effect("keeps its state over two restarts, and each event has one hook", () =>
    Effect.gen(function*() {
      for (const n of [1, 2, 3]) {
        yield* Effect.andThen(append("/s", ...went(n)), n === 2 ? quiet : Effect.void).pipe(during(summing()))
      }
      yield* Effect.gen(function*() {
        yield* quiet
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 3, 6])
        assert.strictEqual(yield* stateOf(Summing, "/s"), 6)
      }).pipe(during(summing()))
    }).pipe(Effect.provide(TestHost.layerLog())))

  it.effect("is opened once for what comes while it is awake", () =>
    opened((paths) =>
      Effect.gen(function*() {
        yield* append("/s", ...went(1))
        yield* quiet
        yield* append("/s", ...went(2))
        yield* pass("30 seconds")
        assert.isUndefined(yield* statusOf("/s"))
        assert.deepStrictEqual(paths, ["/s"])
      }).pipe(during(summing()))
    ).pipe(Effect.provide(TestHost.layerLog())))

  it.effect("with nothing to do is not visited after a restart", () =>
    opened((paths) =>
      Effect.gen(function*() {
        yield* Effect.gen(function*() {
          for (const path of ["/a", "/b", "/c"]) yield* append(path, ...went(1))
          yield* pass("3 seconds")
        }).pipe(during(summing()))
        yield* append("/b", ...went(2)).pipe(during(Layer.empty))
        paths.length = 0
        yield* Effect.gen(function*() {
          yield* pass("1 minute")
          assert.deepStrictEqual(yield* numbers("/b", Came), [1, 3])
        }).pipe(during(summing()))
        assert.deepStrictEqual([...new Set(paths)], ["/b"])
      })
    ).pipe(Effect.provide(TestHost.layerLog())))

  it.effect("of a stream that was deleted ends, and begins anew with the stream", () =>
    Effect.gen(function*() {
      const streams = yield* Streams
      yield* append("/s", ...went(1, 2))
      yield* quiet
      yield* streams.delete("/s")
      yield* quiet
      assert.isUndefined(yield* written("summing", "/s"))
      yield* pass("1 minute")
      assert.isUndefined(yield* statusOf("/s"))
      yield* append("/s", ...went(10))
      yield* quiet
      assert.deepStrictEqual(yield* numbers("/s", Came), [10])
      assert.strictEqual(yield* stateOf(Summing, "/s"), 10)
    }).pipe(work(summing({ streams: "/s" }))))

  it.effect("finds within seconds what no signal told of", () =>
    Effect.gen(function*() {
      const growth = yield* Growth
      // Its host hears nothing.
      const deaf = { ...growth, onPrefix: () => () => undefined, onStream: () => () => undefined }
      yield* Effect.gen(function*() {
        yield* quiet
        yield* append("/s", ...went(1))
        yield* TestClock.adjust("7 seconds")
        assert.deepStrictEqual(yield* numbers("/s", Came), [1])
        yield* append("/s", ...went(2))
        yield* TestClock.adjust("20 seconds")
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 3])
      }).pipe(during(summing()), Effect.provideService(Growth, deaf))
    }).pipe(Effect.provide(TestHost.layerLog())))

  it.effect("has some hundred neighbours, and each answers once", () =>
    Effect.gen(function*() {
      const paths = Array.from({ length: 300 }, (_, n) => `/many/${n}`)
      for (const path of paths) yield* append(path, ...went(1))
      yield* quiet
      const found = yield* Effect.forEach(paths, (path) => numbers(path, Came))
      assert.isTrue(found.every((each) => each.length === 1))
      yield* pass("12 seconds")
      const statuses = yield* Effect.forEach(paths, statusOf)
      assert.isTrue(statuses.every((status) => status === undefined))
    }).pipe(work(summing(), { breaker: "off" })))
})

describe("two servers", () => {
  /** A server over the log in scope, which goes on until its scope is closed. */
  const server = (processor: ReturnType<typeof summing> = summing()) =>
    Effect.gen(function*() {
      const scope = yield* Effect.flatMap(Effect.scope, Scope.fork)
      yield* Layer.buildWithScope(Layer.fresh(processor.pipe(Layer.provideMerge(TestHost.layerOver()))), scope)
      return scope
    })
  const owner = Effect.flatMap(Checkpoints, ({ registered }) => Effect.map(registered, ([first]) => first?.owner))

  it.effect("do not both act: the second takes over at once from one that stops, and goes on where it was", () =>
    Effect.gen(function*() {
      const first = yield* server()
      yield* server()
      yield* Effect.gen(function*() {
        yield* append("/s", ...went(1, 2))
        yield* pass("3 seconds")
        const before = yield* owner
        yield* Scope.close(first, Exit.void)
        yield* append("/s", ...went(4))
        yield* TestClock.adjust("2 seconds")
        assert.isDefined(yield* owner)
        assert.notStrictEqual(yield* owner, before)
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 3, 7])
      }).pipe(during(Layer.empty))
    }).pipe(Effect.scoped, Effect.provide(TestHost.layerLog())))

  it.effect("the second takes over when the lease runs out, and what the first then commits is refused", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const hooked: Array<string> = []
      const answering = (name: string) =>
        Summing.toLayer({
          afterAppend: {
            went: (_, { emit, state }) =>
              Effect.andThen(Effect.sync(() => hooked.push(`${name} ${state}`)), emit(Came.make({ n: state })))
          }
        })
      // The first is told that its lease was renewed, and so believes that it holds it.
      let isFrozen = false
      let held = Option.none<Lease>()
      const frozen: Checkpoints["Service"] = {
        ...checkpoints,
        claim: (...args) =>
          Effect.suspend(() =>
            isFrozen ? Effect.succeed(held) : Effect.tap(checkpoints.claim(...args), (lease) => Effect.sync(() => held = lease))
          ),
        advance: (lease) => Effect.suspend(() => isFrozen ? Effect.never : checkpoints.advance(lease))
      }
      yield* Effect.provideService(server(answering("first")), Checkpoints, frozen)
      yield* server(answering("second"))
      yield* Effect.gen(function*() {
        yield* append("/s", ...went(1))
        yield* pass("2 seconds")
        isFrozen = true
        yield* pass("7 seconds")
        yield* append("/s", ...went(2))
        yield* pass("2 seconds")
        assert.deepStrictEqual(hooked, ["first 1", "first 3", "second 3"])
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 3])
        yield* append("/s", ...went(4))
        yield* pass("2 seconds")
        assert.deepStrictEqual(hooked.slice(3), ["second 7"])
        assert.deepStrictEqual(yield* numbers("/s", Came), [1, 3, 7])
      }).pipe(during(Layer.empty))
    }).pipe(Effect.scoped, Effect.provide(TestHost.layerLog())))
})
