/**
 * A Postgres that has fallen silent: connections that nothing comes out of any more, and that nobody has closed, as
 * behind a broken network. Whatever waits for them ends in time, and what is made anew works.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { fresh, offsetOf, one, proxy, readAll, server, TestLog, until } from "./TestLog.ts"

/** A server behind a proxy whose connections can fall silent; at the end of the scope they are closed. */
const behind = Effect.gen(function*() {
  const between = yield* proxy
  const log = yield* server({ port: between.port })
  yield* Effect.addFinalizer(() => Effect.sync(() => between.set("refuse")))
  return { between, log }
})

/** Each waits for bounds of up to 20 s on connections of its own: at the same time. */
const apart = { timeout: 60_000, concurrent: true }

layer(TestLog.layer, { excludeTestServices: true, timeout: "60 seconds" })("Silence", (it) => {
  it.effect("an append that meets it is answered, recorded at most once, and the log goes on", () =>
    Effect.gen(function*() {
      const { between, log } = yield* behind
      const beside = yield* server()
      const path = fresh("hole")
      yield* log.store.append(one(path, "first"))
      const held = between.hold("swallowed")
      const swallowed = yield* Effect.forkChild(Effect.result(log.store.append(one(path, "swallowed", "key"))))
      yield* Effect.promise(() => held.reached)
      between.set("blackhole")
      held.release()
      assert.strictEqual(offsetOf(yield* Fiber.join(swallowed)), "Unavailable")
      between.set("pass")
      const again = yield* until("the log", Effect.result(log.store.append(one(path, "swallowed", "key"))), (result) =>
        offsetOf(result) !== "Unavailable")
      assert.strictEqual(offsetOf(again), 3)
      assert.deepStrictEqual((yield* readAll(beside, path)).map(({ text }) => text), [undefined, "first", "swallowed"])
    }), apart)

  it.effect("a read that meets it fails, and the next one works", () =>
    Effect.gen(function*() {
      const { between, log } = yield* behind
      const path = fresh("read")
      yield* log.store.append(one(path, "first"))
      assert.strictEqual((yield* readAll(log, path)).length, 2)
      between.set("blackhole")
      between.set("pass")
      yield* until("a read", Effect.result(readAll(log, path)), ({ _tag }) => _tag === "Success").pipe(
        Effect.timeoutOrElse({ duration: "30 seconds", orElse: () => Effect.die(new Error("the read waits forever")) })
      )
    }), apart)

  it.effect("signals of other servers come through again", () =>
    Effect.gen(function*() {
      const { between, log } = yield* behind
      const beside = yield* server()
      const path = fresh("deaf")
      yield* log.store.append(one(path, "first"))
      let heard = false
      const stop = log.growth.onStream(path, () => heard = true)
      yield* Effect.addFinalizer(() => Effect.sync(stop))
      between.set("blackhole")
      between.set("pass")
      yield* beside.store.append(one(path, "second"))
      yield* until("the signal", Effect.sync(() => heard), (it) => it)
    }), apart)

  it.effect("a server ends in time", () =>
    Effect.gen(function*() {
      const between = yield* proxy
      const scope = yield* Scope.make()
      const log = yield* Scope.provide(server({ port: between.port }), scope)
      yield* log.store.append(one(fresh("end"), "first"))
      between.set("blackhole")
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* Effect.addFinalizer(() => Effect.sync(() => between.set("refuse")))
      yield* Fiber.join(closing).pipe(
        Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.die(new Error("it waits for Postgres")) })
      )
    }), 60_000)
})
