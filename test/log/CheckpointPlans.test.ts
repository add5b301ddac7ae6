/** What is asked of checkpoints must not read all instances of a processor that has many of them. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Schedule } from "effect"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { append, below, breakerOff, event, events, paused } from "./suite/Fixture.ts"
import { advance, checkpoint, claimed, commit, opened, registration, working } from "./suite/Working.ts"

const instances = 20_000
const few = StreamPath.make("/few")
const many = StreamPath.make("/many")
/** Nearly the last one in the order of paths. */
const last = `${many}/9998`
const processor = "plans"

const everything = Effect.gen(function*() {
  const store = yield* EventStore
  const checkpoints = yield* Checkpoints
  yield* checkpoints.register({ ...registration(few), processor, streams: "/**" })
  const lease = yield* claimed(processor)
  const path = below(few, crypto.randomUUID())
  yield* append(path, event("ping"))
  yield* advance(lease)
  const instance = yield* opened(lease, path)
  yield* commit(lease, {
    appends: [{ path, events: [event("pong", "{}", { idempotencyKey: "k" })] }],
    checkpoint: checkpoint(instance, { keep: true, parked: { offset: 2, error: "no" } }),
    cursors: { life: instance.life, values: [{ kind: "a", key: "k", value: "1" }] }
  })
  yield* checkpoints.change(processor, path, { _tag: "Resume" })
  yield* checkpoints.undone(processor, last)
  yield* checkpoints.instances(processor, last)
  yield* checkpoints.instancesOn(path)
  yield* checkpoints.snapshot(processor, 1, instance.life, 9)
  yield* checkpoints.prepare(processor, 2, 1)
  yield* checkpoints.unprepared(processor, 2, last)
  yield* checkpoints.keep(processor, 2, instance.life, { offset: 2, state: "{}", fibers: "[]" })
  yield* checkpoints.registered
  yield* store.remove(path, { recursive: false })
})

layer(TestPostgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("Plans of checkpoints", (it) => {
  it.effect("plans made for ten instances do not read twenty thousand", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const scanned = Effect.map(
        sql<{ readonly rows: bigint }>`
          select sum(read)::bigint as rows from (
            select seq_tup_read as read from pg_stat_user_tables where schemaname = 'millstream'
            union all
            select idx_tup_read from pg_stat_user_indexes
            where relname in ('instances', 'fiber_cursors', 'snapshots', 'processors')
          ) reads`,
        ([row]) => Number(row?.rows)
      )
      const sessionsEnded = sql`
        select from pg_stat_activity where application_name in ('plans', 'millstream appender', 'millstream processors')`.pipe(
          Effect.filterOrFail((rows) => rows.length === 0, () => "sessions are still there"),
          Effect.retry(Schedule.spaced("20 millis").pipe(Schedule.upTo({ duration: "10 seconds" })))
        )
      const log = TestPostgres.logOver.pipe(Layer.provide(PgClient.layer({ ...sql.config, applicationName: "plans" })))
      yield* Effect.gen(function*() {
        for (const table of ["streams", "events", "instances", "fiber_cursors", "snapshots"]) {
          yield* sql`alter table millstream.${sql(table)} set (autovacuum_enabled = off)`
        }
        for (let i = 0; i < 10; i++) yield* everything
        yield* sql`
          with made as (
            insert into millstream.streams (path, parent, head, tx, state, created_at, updated_at)
            select ${many} || '/' || i, ${many}, 1, 0, s.state, s.created_at, s.updated_at
            from millstream.streams s, generate_series(1, ${instances}::int) i where s.path = ${few} returning id, path
          ),
          cursors as (
            insert into millstream.fiber_cursors (stream_id, processor, name, value)
            select id, ${processor}, '["a","k"]', '1' from made
          ),
          kept as (
            insert into millstream.snapshots (stream_id, processor, version, "offset", state)
            select id, ${processor}, 1, 1, '{}' from made
          )
          insert into millstream.instances (stream_id, processor, path, version, "offset", noted, hooks_after)
          select id, ${processor}, path, 1, 0, 1, 0 from made`
        for (let i = 0; i < 5; i++) yield* everything
      }).pipe(Effect.provide(log))
      // They report what they scanned when they end.
      yield* sessionsEnded
      assert.isBelow(yield* scanned, instances)
    }))

  it.effect("what is undone is found without a look at what is idle", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const sql = yield* PgClient.PgClient
      const idle = "idle"
      yield* checkpoints.register({ ...registration(many), processor: idle })
      yield* sql`
        insert into millstream.instances (stream_id, processor, path, version, "offset", noted, hooks_after, state)
        select -i, ${idle}, ${many} || '/' || i, 1, 1, 1, 1, '{}' from generate_series(1, ${instances}::int) i`
      assert.deepStrictEqual(yield* checkpoints.undone(idle, ""), [])
      const pages = yield* sql.withTransaction(Effect.gen(function*() {
        const look = sql<{ readonly "QUERY PLAN": string }>`
          explain (analyze, buffers) select millstream.undone(${idle}, '', 1000)`
        yield* look
        const [hit] = (yield* look).flatMap((row) => /Buffers: shared hit=(\d+)/.exec(row["QUERY PLAN"])?.[1] ?? [])
        return Number(hit)
      }))
      assert.isBelow(pages, 100)
    }).pipe(Effect.provide(TestPostgres.logOver)))

  it.effect("a processor of control events does not walk what anyone else writes", () =>
    Effect.gen(function*() {
      const lease = yield* working(many, { consumes: ["stream/paused", "stream/resumed"] })
      const path = below(many, "rare")
      yield* append(path, breakerOff)
      // So many would be six moves of its cursor.
      for (let i = 0; i < 10; i++) yield* append(path, ...events(1_000))
      yield* append(path, paused)
      assert.deepStrictEqual(yield* advance(lease), { paths: [path], moves: 1 })
      assert.deepStrictEqual(yield* advance(lease), { paths: [], moves: 1 })
    }).pipe(Effect.provide(TestPostgres.logOver)))
})
