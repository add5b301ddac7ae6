/**
 * How long reads across streams have been held back by a write transaction that is under way, as a metric too.
 * Counted from snapshots, since `pg_stat_activity` shows a role no transactions of others. Known limits: counted
 * from where this process first saw it, and anew when the oldest transaction ends and a younger one holds on.
 */
import { Effect, Metric, Schedule, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"
import * as Outage from "./Outage.ts"

/** How often it is measured for the metric. */
const measureEvery = "1 second"
/** A measurement that takes longer has met a connection that is dead and does not say so. */
const measureTimeout = "2 seconds"

const gauge = Metric.gauge("millstream_horizon_age_seconds", {
  description: "How long a write transaction has held back reads across streams"
})

/** Measures until the scope closes. The effect measures at once, in seconds. */
export const make = Effect.gen(function*() {
  const sql = yield* SqlClient
  const selectSnapshot = SqlSchema.findOne({
    Request: Schema.Void,
    Result: Schema.Struct({ horizon: Schema.BigInt, newest: Schema.BigInt }),
    execute: () => sql`
      select pg_snapshot_xmin(s)::text::bigint as horizon, pg_snapshot_xmax(s)::text::bigint as newest
      from pg_current_snapshot() s`
  })
  /** Once the horizon is here, all that had committed at that time can be read. */
  let mark = { newest: 0n, at: 0 }

  const age: Effect.Effect<number, SqlError> = selectSnapshot().pipe(
    Effect.map(({ horizon, newest }) => {
      const now = performance.now()
      if (horizon >= mark.newest) mark = { newest, at: now }
      return (now - mark.at) / 1_000
    }),
    Effect.tap((seconds) => Metric.update(gauge, seconds)),
    Effect.catchTag("SchemaError", Effect.die),
    Effect.catchTag("NoSuchElementError", Effect.die)
  )
  yield* age.pipe(
    Effect.timeout(measureTimeout),
    Outage.make("Measuring the horizon", `the next try is in ${measureEvery}, until then its metric stands still`),
    // Told already, and the next try comes anyway.
    Effect.ignore,
    Effect.repeat(Schedule.spaced(measureEvery)),
    Effect.forkScoped
  )
  return age
})
