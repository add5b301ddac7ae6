/** Makes the tables, and looks whether this Postgres keeps what it acknowledges. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Data, Effect, Schedule } from "effect"
import * as Migrator from "effect/sql/Migrator"
import { SqlClient } from "effect/sql/SqlClient"
import { all } from "./Migrations.ts"

/** Postgres can not serve as a log; `message` says what to do. */
export class SetupError extends Data.TaggedError("SetupError")<{ readonly message: string; readonly cause?: unknown }> {}

const oldestVersion = 150_000
/** Another server is migrating: it is waited for. */
const whileLocked = Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: "1 minute" }))

const migrate = Migrator.make({})({ loader: Migrator.fromRecord(all), table: "millstream_migrations" }).pipe(
  Effect.retry({ while: (error) => error._tag === "MigrationError" && error.kind === "Locked", schedule: whileLocked }),
  Effect.catchTag("MigrationError", (error) =>
    Effect.fail(new SetupError({ message: `The tables could not be made: ${error.message}`, cause: error.cause })))
)

const settings = Effect.gen(function*() {
  const sql = yield* SqlClient
  const rows = yield* sql<{ readonly name: string; readonly setting: string }>`
    select name, setting from pg_settings
    where name in ('fsync', 'synchronous_commit', 'full_page_writes', 'server_version_num')`
  const values = new Map(rows.map((row) => [row.name, row.setting]))
  if (Number(values.get("server_version_num")) < oldestVersion) {
    return yield* new SetupError({ message: "Millstream needs Postgres 15 or newer: use another DATABASE_URL" })
  }
  for (const name of ["fsync", "synchronous_commit", "full_page_writes"]) {
    if (values.get(name) === "off") {
      yield* Effect.logError(`Postgres runs with ${name} = off: acknowledged events can be LOST. Turn it on.`)
    }
  }
})

/** A pooler that gives each transaction another session would break LISTEN and advisory locks. */
const sessions = Effect.gen(function*() {
  const client = yield* PgClient.PgClient
  const held = yield* Effect.scoped(Effect.gen(function*() {
    const one = yield* client.reserve
    const other = yield* client.reserve
    const [before] = yield* one.executeValues(
      "select pg_backend_pid(), set_config('millstream.session', $1, false)",
      ["1"]
    )
    // An idle pooler gives the session that was used last to whoever comes next, so one client alone notices nothing.
    const [between] = yield* other.executeValues("select pg_backend_pid()", [])
    // And one that goes round two sessions comes back to the first with every second statement.
    const [again] = yield* other.executeValues("select pg_backend_pid()", [])
    const [after] = yield* one.executeValues("select pg_backend_pid(), current_setting('millstream.session', true)", [])
    return before?.[0] === after?.[0] && after?.[1] === "1" &&
      between?.[0] === again?.[0] && before?.[0] !== between?.[0]
  }))
  if (!held) {
    return yield* new SetupError({
      message: "DATABASE_URL leads through a pooler in transaction mode, which breaks LISTEN and session locks: " +
        "use its session mode, or Postgres itself"
    })
  }
})

// After a restored dump Postgres's own transaction ids may be younger than the log: new ones must go on rising.
// A stream keeps its last one when its events are deleted; a processor counts from one that may have written nothing.
const raiseBase = Effect.gen(function*() {
  const sql = yield* SqlClient
  yield* sql`
    update millstream.log set tx_base = m.tx - pg_current_xact_id()::text::bigint + 1
    from (
      select greatest(
        (select tx from millstream.events order by tx desc, position desc limit 1),
        (select max(tx) from millstream.streams),
        (select max(tx) from millstream.processors),
        (select max(tx) from millstream.coverage)) as tx
    ) m
    where m.tx >= tx_base + pg_current_xact_id()::text::bigint`
})

export const run = Effect.all([sessions, settings, migrate, raiseBase], { discard: true })
