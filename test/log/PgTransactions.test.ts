/** What transactions of others, and a restored dump's transaction ids, do to the log on Postgres. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { Directory } from "../../src/log/Directory.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import * as PgSetup from "../../src/log/PgSetup.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { append, event, fresh } from "./suite/Fixture.ts"
import { advance, opened, working } from "./suite/Working.ts"

/** Another program's transaction that did something and stays open until it is told to end. */
const open = <A, E>(statement: Effect.Effect<A, E, PgClient.PgClient>) =>
  Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    const begun = yield* Deferred.make<void, E | SqlError>()
    const told = yield* Deferred.make<void>()
    const fiber = yield* Effect.forkChild(sql.withTransaction(
      Effect.andThen(statement, Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(told)))
    ).pipe(Effect.onError((cause) => Deferred.failCause(begun, cause))))
    yield* Deferred.await(begun)
    return { end: Effect.andThen(Deferred.succeed(told, undefined), Fiber.join(fiber)) }
  })

layer(TestPostgres.log, { excludeTestServices: true, timeout: "60 seconds" })("transactions of others", (it) => {
  it.effect("give the horizon an age until they end", () =>
    Effect.gen(function*() {
      const { horizonAge } = yield* Directory
      const sql = yield* PgClient.PgClient
      const other = yield* open(sql`select pg_current_xact_id()::text`)
      yield* append(fresh(), event("a"))
      assert.isAbove(yield* Effect.repeat(horizonAge, { until: (age) => age > 0 }), 0)
      yield* other.end
      assert.strictEqual(yield* Effect.repeat(horizonAge, { until: (age) => age === 0 }), 0)
    }))

  it.effect("make a delete wait for the rows they have locked, longer than one lock's patience", () =>
    Effect.gen(function*() {
      const store = yield* EventStore
      const sql = yield* PgClient.PgClient
      const path = fresh()
      yield* append(path, event("a"))
      const other = yield* open(sql`select 1 from millstream.streams where path = ${path} for update`)
      const removing = yield* Effect.forkChild(store.remove(path, { recursive: false }))
      const tries = new Set<string>()
      yield* Effect.repeat(
        Effect.map(
          sql<{ readonly begun: string }>`
            select query_start::text as begun from pg_stat_activity
            where wait_event_type = 'Lock' and application_name = 'millstream appender'`,
          (rows) => {
            for (const { begun } of rows) tries.add(begun)
          }
        ),
        { until: () => tries.size > 1 }
      )
      yield* other.end
      assert.deepEqual(yield* Fiber.join(removing), [path])
    }))

  it.effect("after a dump was restored new ones are above all that streams remember", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const path = fresh()
      yield* append(path, event("a"))
      yield* sql`update millstream.streams set tx = tx + 1000000 where path = ${path}`
      yield* PgSetup.run
      const rows = yield* sql<{ readonly isAbove: boolean }>`
        select tx_base + pg_current_xact_id()::text::bigint > (select max(tx) from millstream.streams) as "isAbove"
        from millstream.log`
      assert.deepEqual(rows, [{ isAbove: true }])
    }))

  it.effect("and above all that processors count from", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const path = fresh()
      const lease = yield* working(path, { startFrom: "end" })
      yield* sql`update millstream.processors set tx = tx + 2000000 where name = ${lease.processor}`
      yield* sql`update millstream.coverage set tx = tx + 3000000 where processor = ${lease.processor}`
      yield* PgSetup.run
      yield* append(path, event("ping"))
      assert.deepEqual((yield* advance(lease)).paths, [path])
      assert.strictEqual((yield* opened(lease, path)).hooksAfter, 0)
    }))
})
