/** One locked row never stops the others, and what waits for it keeps its order. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Layer } from "effect"
import type { StreamPath } from "../../src/domain/StreamPath.ts"
import * as Path from "../../src/domain/StreamPath.ts"
import * as GroupCommit from "../../src/log/GroupCommit.ts"
import { HeadCache } from "../../src/log/HeadCache.ts"
import { LogClock } from "../../src/log/LogClock.ts"
import * as PgCommitter from "../../src/log/PgCommitter.ts"
import * as Watchdog from "../../src/log/Watchdog.ts"
import { fresh, offsetOf, one, readAll, server, session, type Session, TestLog, until } from "./TestLog.ts"

const lock = (beside: Session, path: StreamPath) =>
  Effect.andThen(
    beside.query("begin"),
    beside.query("select from millstream.streams where path = $1 for update", [path])
  )

const texts = (count: number) => Array.from({ length: count }, (_, i) => `event ${i}`)

/** Connections that give up a wait for a lock after a second, as those of the log do. */
const impatient = Layer.unwrap(Effect.map(TestLog, ({ credentials }) =>
  PgClient.layer({ ...credentials, startupParameters: { lock_timeout: "1s" } })))

const outcomeOf = (outcome: GroupCommit.Outcome): string =>
  outcome._tag === "Contended" ? outcome._tag : outcome.decision._tag

/** How many sessions of the log wait for a lock now. */
const waiting = (beside: Session) =>
  Effect.map(
    beside.query("select count(*)::int as n from pg_stat_activity where wait_event_type = 'Lock'"),
    ([row]) => Number(row?.["n"])
  )

layer(TestLog.layer, { excludeTestServices: true, timeout: "60 seconds" })("Locks", (it) => {
  it.effect("appends to other streams are acknowledged while one is locked, and those on it once it is free", () =>
    Effect.gen(function*() {
      const log = yield* server()
      const [locked, free] = [fresh("locked"), fresh("free")]
      yield* log.store.append(one(locked, "made"))
      yield* log.store.append(one(free, "made"))
      const beside = yield* session
      const watch = yield* session
      yield* lock(beside, locked)
      const blocked = yield* Effect.forkChild(
        Effect.forEach(texts(20), (text) => log.store.append(one(locked, text)), { concurrency: "unbounded" })
      )
      yield* until("a wait for the lock", waiting(watch), (count) => count > 0)
      // In one group with what is blocked, and one after another.
      yield* Effect.forEach(texts(20), (text) => log.store.append(one(free, text)), { concurrency: "unbounded" })
      yield* Effect.forEach(texts(20), (text) => log.store.append(one(free, text)))
      yield* log.store.append(one(Path.StreamPath.make(`${free}/new`), "made"))
      assert.strictEqual((yield* readAll(log, locked)).length, 2)
      assert.isUndefined(blocked.pollUnsafe())
      yield* beside.query("commit")
      yield* Fiber.join(blocked)
      const events = yield* readAll(log, locked)
      assert.deepStrictEqual(events.map(({ offset }) => offset), Array.from({ length: 22 }, (_, i) => i + 1))
      assert.deepStrictEqual(events.slice(2).map(({ text }) => text), texts(20))
    }))

  it.effect("appends below a locked stream are acknowledged, though others wait for that stream", () =>
    Effect.gen(function*() {
      const log = yield* server()
      const above = fresh("above")
      const below = Path.StreamPath.make(`${above}/below`)
      yield* log.store.append(one(below, "made"))
      for (const path of [above, Path.root]) {
        const beside = yield* session
        const watch = yield* session
        yield* lock(beside, path)
        const blocked = yield* Effect.forkChild(log.store.append(one(path, "blocked")))
        yield* until("a wait for the lock", waiting(watch), (count) => count > 0)
        yield* Effect.forEach(texts(5), (text) => log.store.append(one(below, text))).pipe(
          Effect.timeoutOrElse({
            duration: "4 seconds",
            orElse: () => Effect.die(new Error(`held up by the lock of ${path}`))
          })
        )
        assert.isUndefined(blocked.pollUnsafe(), "the lock was still held")
        yield* beside.query("commit")
        yield* Fiber.join(blocked)
      }
    }))

  it.effect("a lock that is never released ends in Unavailable, and then nothing was recorded", () =>
    Effect.gen(function*() {
      const log = yield* server()
      const path = fresh("forever")
      yield* log.store.append(one(path, "made"))
      const beside = yield* session
      yield* lock(beside, path)
      assert.strictEqual(offsetOf(yield* Effect.result(log.store.append(one(path, "blocked", "key")))), "Unavailable")
      yield* beside.query("commit")
      assert.strictEqual((yield* readAll(log, path)).length, 2)
      assert.strictEqual(offsetOf(yield* Effect.result(log.store.append(one(path, "blocked", "key")))), 3)
    }))

  it.effect("a lock that is met when a group is decided again, after a stale head, is split off too", () =>
    Effect.gen(function*() {
      const log = yield* server()
      const [locked, free] = [fresh("stale"), fresh("free")]
      const beside = yield* session
      for (const path of [locked, free]) yield* log.store.append(one(path, "made"))
      const cache = new HeadCache()
      const committer = yield* PgCommitter.make("beside")
      for (const [path, head] of yield* committer.heads([locked, free])) cache.set(path, head)
      // Both heads in the cache are of before.
      for (const path of [locked, free]) yield* log.store.append(one(path, "meanwhile"))
      const { commit } = GroupCommit.make({
        committer: {
          ...committer,
          // Someone is faster just between the two decisions.
          lockedHeads: (paths) => Effect.andThen(lockOnce, committer.lockedHeads(paths))
        },
        watchdog: yield* Watchdog.make,
        cache,
        clock: new LogClock(),
        breaker: "off",
        onCommitted: () => undefined
      })
      const lockOnce = yield* Effect.cached(lock(beside, locked))
      const started = performance.now()
      const outcomes = yield* commit([one(locked, "blocked"), one(free, "free")])
      assert.deepStrictEqual(outcomes.map(outcomeOf), ["Contended", "Recorded"])
      assert.isBelow(performance.now() - started, 5_000)
      yield* beside.query("commit")
      assert.deepStrictEqual((yield* commit([one(locked, "blocked")])).map(outcomeOf), ["Recorded"])
    }).pipe(Effect.provide(impatient)))
})
