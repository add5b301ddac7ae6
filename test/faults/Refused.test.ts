/** What Postgres refuses fails alone: its neighbours in the group are recorded, and the log goes on. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer, References } from "effect"
import { fresh, offsetOf, one, proxy, readAll, type Session, server, session, TestLog, until } from "./TestLog.ts"

const constraint = "refused_by_test"

/** Postgres refuses events of one type for as long as the scope lives. */
const refuse = (beside: Session) =>
  Effect.acquireRelease(
    beside.query(`alter table millstream.events add constraint ${constraint} check (type <> 'cursed') not valid`),
    () => beside.query(`alter table millstream.events drop constraint ${constraint}`)
  )

// What Postgres refuses is logged, as it should be; here it is expected.
const quiet = Layer.succeed(References.MinimumLogLevel, "None")

layer(Layer.merge(TestLog.layer, quiet), { excludeTestServices: true, timeout: "60 seconds" })("Refused", (it) => {
  it.effect("one event of a group that Postgres refuses fails alone", () =>
    Effect.gen(function*() {
      const log = yield* server()
      const beside = yield* session
      const paths = ["a", "b", "c"].map((name) => fresh(`refused-${name}`))
      const [path] = paths
      if (path === undefined) return assert.fail()
      for (const each of paths) yield* log.store.append(one(each, "made"))
      yield* refuse(beside)
      const results = yield* Effect.forEach(Array.from({ length: 100 }, (_, i) => i), (i) => {
        const request = one(paths[i % 3] ?? path, `event ${i}`, `key ${i}`)
        return Effect.map(
          Effect.result(log.store.append({
            ...request,
            events: request.events.map((event) => i === 61 ? { ...event, type: "cursed" } : event)
          })),
          offsetOf
        )
      }, { concurrency: "unbounded" })
      const refused = results.flatMap((each, i) => typeof each === "string" ? [[i, each]] : [])
      assert.deepStrictEqual(refused, [[61, "Unavailable"]])
      for (const [n, each] of paths.entries()) {
        const events = yield* readAll(log, each)
        assert.deepStrictEqual(events.map(({ offset }) => offset), events.map((_, i) => i + 1))
        const wanted = Array.from({ length: 100 }, (_, i) => i).filter((i) => i % 3 === n && i !== 61)
        assert.deepStrictEqual(events.slice(2).map(({ text }) => text), wanted.map((i) => `event ${i}`))
        for (const i of wanted) assert.strictEqual(events[Number(results[i]) - 1]?.text, `event ${i}`)
      }
    }))

  it.effect("a refused event of a batch takes the batch with it, and nothing else", () =>
    Effect.gen(function*() {
      const log = yield* server()
      const beside = yield* session
      const path = fresh("batch")
      yield* refuse(beside)
      const batch = {
        path,
        events: [{ type: "test", payload: "{}" }, { type: "cursed", payload: "{}" }, { type: "test", payload: "{}" }]
      }
      const [refused, recorded] = yield* Effect.all([
        Effect.result(log.store.append(batch)),
        Effect.result(log.store.append(one(path, "beside it")))
      ], { concurrency: "unbounded" })
      assert.strictEqual(offsetOf(refused), "Unavailable")
      assert.strictEqual(offsetOf(recorded), 2)
      assert.strictEqual((yield* readAll(log, path)).length, 2)
    }))

  it.effect("a stream whose row makes no sense fails alone, and the log goes on", () =>
    Effect.gen(function*() {
      const [broken, sound] = [fresh("broken"), fresh("sound")]
      const before = yield* server()
      for (const path of [broken, sound]) yield* before.store.append(one(path, "made"))
      const beside = yield* session
      yield* beside.query("update millstream.streams set state = '{}' where path = $1", [broken])
      const log = yield* server()
      const results = yield* Effect.forEach([broken, sound, broken, sound], (path) =>
        Effect.result(log.store.append(one(path, "next"))), { concurrency: "unbounded" }).pipe(
          Effect.timeoutOrElse({ duration: "10 seconds", orElse: () => Effect.die(new Error("no answer")) })
        )
      assert.deepStrictEqual(results.map(offsetOf), ["Unavailable", 3, "Unavailable", 4])
      assert.strictEqual(offsetOf(yield* Effect.result(log.store.append(one(sound, "after")))), 5)
    }))

  it.effect("an append that deadlocks with another program is tried again until it is recorded", () =>
    Effect.gen(function*() {
      const beside = yield* session
      const watch = yield* session
      // The log finds the deadlock before it gives up its wait for the lock, and the other program never does.
      yield* Effect.acquireRelease(
        watch.query("alter role postgres set deadlock_timeout = '500ms'"),
        () => watch.query("alter role postgres reset deadlock_timeout")
      )
      yield* beside.query("set deadlock_timeout = '100s'")
      const deadlocks = Effect.map(
        watch.query("select deadlocks::int as n from pg_stat_database where datname = current_database()"),
        ([row]) => Number(row?.["n"])
      )
      const before = yield* deadlocks
      // Its sessions report what they met when they end.
      yield* Effect.scoped(Effect.gen(function*() {
        const between = yield* proxy
        const log = yield* server({ port: between.port })
        const paths = ["a", "b"].map((name) => fresh(`deadlock-${name}`))
        for (const path of paths) yield* log.store.append(one(path, "made"))
        const lock = (path = "/") => beside.query("select from millstream.streams where path = $1 for update", [path])
        // The log locks both, in the order of their ids; this one goes the other way around.
        yield* beside.query("begin")
        yield* lock(paths[1])
        // What arrives while a call is under way is one group.
        const held = between.hold("busy")
        const busy = yield* Effect.forkChild(log.store.append(one(fresh("busy"), "busy")))
        yield* Effect.promise(() => held.reached)
        const both = yield* Effect.forkChild(
          Effect.forEach(paths, (path) => Effect.map(Effect.result(log.store.append(one(path, "both"))), offsetOf), {
            concurrency: "unbounded"
          })
        )
        yield* Effect.yieldNow
        held.release()
        yield* Fiber.join(busy)
        yield* until(
          "the log waits",
          watch.query("select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock'"),
          ([row]) => Number(row?.["n"]) > 0
        )
        yield* lock(paths[0])
        yield* beside.query("commit")
        assert.deepStrictEqual(yield* Fiber.join(both), [3, 3])
        for (const path of paths) assert.strictEqual((yield* readAll(log, path)).length, 3)
      }))
      yield* until("word of the deadlock", deadlocks, (count) => count === before + 1)
    }))
})
