/** What Postgres refuses fails alone: its neighbours in the group are recorded, and the log goes on. */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { fresh, offsetOf, one, readAll, type Session, server, session, TestLog, until } from "./TestLog.ts"

const constraint = "refused_by_test"

/** Postgres refuses events of one type for as long as the scope lives. */
const refuse = (beside: Session) =>
  Effect.acquireRelease(
    beside.query(`alter table millstream.events add constraint ${constraint} check (type <> 'cursed') not valid`),
    () => beside.query(`alter table millstream.events drop constraint ${constraint}`)
  )

layer(TestLog.layer, { excludeTestServices: true, timeout: "60 seconds" })("Refused", (it) => {
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
      assert.deepStrictEqual(results.flatMap((each, i) => typeof each === "string" ? [[i, each]] : []), [[61, "Unavailable"]])
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

  it.effect("appends that deadlock with another program are tried again until they are recorded", () =>
    Effect.gen(function*() {
      const log = yield* server()
      const beside = yield* session
      const watch = yield* session
      const [a, b] = [fresh("deadlock-a"), fresh("deadlock-b")]
      for (const path of [a, b]) yield* log.store.append(one(path, "made"))
      // The log locks rows in the order of their ids; this one goes the other way around, and has more patience.
      yield* beside.query("set deadlock_timeout = '100s'")
      yield* beside.query("begin")
      const lock = (path: string) => beside.query("select from millstream.streams where path = $1 for update", [path])
      yield* lock(b)
      const both = yield* Effect.forkChild(
        Effect.forEach([a, b], (path) => Effect.map(Effect.result(log.store.append(one(path, "both"))), offsetOf), {
          concurrency: "unbounded"
        })
      )
      yield* until(
        "the log waits",
        beside.query("select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock'"),
        ([row]) => Number(row?.["n"]) > 0
      )
      yield* lock(a)
      yield* beside.query("commit")
      assert.deepStrictEqual(yield* Fiber.join(both), [3, 3])
      assert.strictEqual((yield* watch.query("select count(*)::int as n from millstream.events where payload like '%both%'"))[0]?.["n"], 2)
    }))
})
