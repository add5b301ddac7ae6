/** Plans that were made for a few streams, without statistics, must not read all of a log that has grown. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { Offset } from "../../src/domain/Event.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import * as Path from "../../src/domain/StreamPath.ts"
import { Causes } from "../../src/log/Causes.ts"
import { Directory } from "../../src/log/Directory.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { append, below, event, start } from "./suite/Fixture.ts"

const streams = 20_000
const few = StreamPath.make("/few")
const many = StreamPath.make("/many")

/** Everything that is asked of the log, of streams that are few. */
const everything = Effect.gen(function*() {
  const store = yield* EventStore
  const directory = yield* Directory
  const causes = yield* Causes
  const path = below(few, "a")
  yield* append(path, event("came", "{}", { idempotencyKey: crypto.randomUUID() }))
  yield* append(below(few, crypto.randomUUID()), event("came"))
  yield* store.read(path, { after: 0 })
  yield* store.read(path, { after: 0, types: ["came"] })
  yield* store.readWithin(few, { after: start })
  yield* store.readWithin(many, { after: start })
  yield* store.readWithin(Path.root, { after: start })
  yield* directory.describe(path)
  yield* directory.children(few, { recursive: false, limit: 10 })
  yield* directory.children(few, { recursive: true, limit: 10 })
  const cause = { streamPath: path, offset: Offset.make(2), hops: 0 }
  yield* store.append({ path: below(few, "c"), events: [event("answered")], cause })
  yield* causes.chain(below(few, "c"), 2)
  yield* causes.effects(path, 2)
  yield* store.remove(below(few, "b"), { recursive: true })
})

layer(TestPostgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("Plans", (it) => {
  it.effect("a plan made for ten streams does not scan twenty thousand", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      // An index that is read for a column behind its first one is scanned as well.
      const scanned = Effect.map(
        sql<{ readonly rows: bigint }>`
          select sum(read)::bigint as rows from (
            select seq_tup_read as read from pg_stat_user_tables where relname in ('streams', 'events')
            union all
            select idx_tup_read from pg_stat_user_indexes where indexrelname = 'events_cause'
          ) reads`,
        ([row]) => Number(row?.rows)
      )
      yield* Effect.gen(function*() {
        yield* sql`alter table millstream.streams set (autovacuum_enabled = off)`
        yield* sql`alter table millstream.events set (autovacuum_enabled = off)`
        for (let i = 0; i < 10; i++) yield* everything
        yield* sql`
          with made as (
            insert into millstream.streams (path, parent, head, tx, state, created_at, updated_at)
            select ${many} || '/' || i, ${many}, 1, 0, s.state, s.created_at, s.updated_at
            from millstream.streams s, generate_series(1, ${streams}::int) i where s.path = ${few} returning id
          )
          insert into millstream.events (
            stream_id, "offset", position, tx, type, payload, cause_path, cause_offset, cause_hops, created_at)
          select id, 1, nextval('millstream.positions'), 0, 'came', '{}', ${many}, 2, 0, now() from made`
        for (let i = 0; i < 5; i++) yield* everything
      }).pipe(Effect.provide(TestPostgres.logOver.pipe(
        Layer.provide(PgClient.layer({ ...sql.config, applicationName: "plans" }))
      )))
      // Its sessions report what they scanned when they end.
      yield* sql`select from pg_stat_activity where application_name in ('plans', 'millstream appender', 'millstream groups')`.pipe(
        Effect.filterOrFail((rows) => rows.length === 0, () => "sessions are still there"),
        Effect.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: "10 seconds" })))
      )
      assert.isBelow(yield* scanned, streams)
    }))
})
