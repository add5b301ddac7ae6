/** What waits for a stream that someone else has locked is counted. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Metric } from "effect"
import * as TestPostgres from "../TestPostgres.ts"
import { append, event, fresh } from "./suite/Fixture.ts"

const lanes = Effect.map(Metric.snapshot, (all) => {
  const gauge = all.find(({ id }) => id === "millstream_append_lanes")
  return gauge?.type === "Gauge" ? Number(gauge.state.value) : undefined
})

layer(TestPostgres.log, { excludeTestServices: true, timeout: "60 seconds" })("lanes", (it) => {
  it.effect("are counted for as long as somebody waits in them", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const path = fresh()
      yield* append(path, event("a"))
      const locked = yield* Deferred.make<void>()
      const told = yield* Deferred.make<void>()
      const other = yield* Effect.forkChild(sql.withTransaction(
        sql`select 1 from millstream.streams where path = ${path} for update`.pipe(
          Effect.andThen(Deferred.succeed(locked, undefined)),
          Effect.andThen(Deferred.await(told))
        )
      ))
      yield* Deferred.await(locked)
      const appending = yield* Effect.forkChild(append(path, event("b")))
      yield* Effect.repeat(Effect.delay(lanes, 10), { until: (count) => count === 1 })
      yield* Deferred.succeed(told, undefined)
      yield* Fiber.join(other)
      assert.lengthOf((yield* Fiber.join(appending)).lines, 1)
      yield* Effect.repeat(Effect.delay(lanes, 10), { until: (count) => count === 0 })
    }))
})
