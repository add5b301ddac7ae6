/** What is kept of states in Postgres does not stay where nobody will ask for it again. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { append, event, fresh } from "./suite/Fixture.ts"
import { checkpoint, claimed, commit, opened, registration } from "./suite/Working.ts"

const kept = Effect.fnUntraced(function*(life: bigint) {
  const sql = yield* PgClient.PgClient
  const rows = yield* sql<{ readonly version: number }>`
    select version from millstream.snapshots where stream_id = ${life}::bigint order by version`
  return rows.map(({ version }) => version)
})
const gone = (life: bigint, versions: ReadonlyArray<number>) =>
  Effect.repeat(kept(life), {
    schedule: Schedule.spaced("20 millis"),
    until: (found) => !versions.some((version) => found.includes(version))
  })

layer(TestPostgres.log, { excludeTestServices: true, timeout: "60 seconds" })("states that are kept", (it) => {
  it.effect("of a version whose preparation was given up are swept, however many there are, and no others", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const checkpoints = yield* Checkpoints
      const path = fresh()
      const first = registration(path)
      const { processor } = first
      yield* checkpoints.register(first)
      yield* append(path, event("ping"))
      const lease = yield* claimed(processor)
      const instance = yield* opened(lease, path)
      const { life } = instance
      yield* commit(lease, { checkpoint: checkpoint(instance) })
      for (const version of [2, 3]) {
        yield* checkpoints.prepare(processor, version, 1)
        yield* checkpoints.keep(processor, version, life, { offset: 2, state: "{}", fibers: "[]" })
      }
      yield* sql`
        insert into millstream.snapshots (stream_id, processor, version, "offset", state)
        select ${life}::bigint, ${processor}, 2, 10000 * g, '{}' from generate_series(1, 500) g`
      // Eleven minutes ago, and nearly ten.
      yield* sql`
        update millstream.preparations set seen = seen - case version when 2 then 660 else 590 end * interval '1 second'
        where processor = ${processor}`
      // A registration has it looked for at once.
      yield* checkpoints.register(first)
      assert.deepStrictEqual(yield* gone(life, [2]), [3])
    }))

  it.effect("of a stream that was deleted at that moment are swept with its events", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const checkpoints = yield* Checkpoints
      const store = yield* EventStore
      const first = registration(fresh())
      yield* checkpoints.register(first)
      const life = 9_000_000_000n
      yield* sql`
        insert into millstream.snapshots (stream_id, processor, version, "offset", state)
        values (${life}::bigint, ${first.processor}, 1, 2, '{}')`
      yield* sql`insert into millstream.deleted_streams (id) values (${life}::bigint)`
      const path = fresh()
      yield* append(path, event("ping"))
      yield* store.remove(path, { recursive: false })
      assert.deepStrictEqual(yield* gone(life, [1]), [])
    }))

  it.effect("while the instances of a stream that was deleted are swept are swept after them", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const checkpoints = yield* Checkpoints
      const store = yield* EventStore
      const path = fresh()
      const first = registration(path)
      yield* checkpoints.register(first)
      yield* append(path, event("ping"))
      const lease = yield* claimed(first.processor)
      const instance = yield* opened(lease, path)
      const { life } = instance
      yield* commit(lease, { checkpoint: checkpoint(instance) })
      // As if a cursor that moved when the stream was deleted had made its instance.
      yield* sql`insert into millstream.deleted_streams (id) values (${life}::bigint)`
      const other = fresh()
      yield* append(other, event("ping"))
      const sweeping = Effect.andThen(sql`select pg_stat_clear_snapshot()`, sql<{ readonly count: number }>`
        select count(*)::int as count from pg_stat_activity
        where wait_event_type = 'Lock' and datname = current_database()
          and query like '%delete from millstream.instances%'`)
      yield* sql.withTransaction(Effect.gen(function*() {
        yield* sql`select millstream.keep_snapshot(${first.processor}, 2, ${life}::bigint, 2, '{}', '[]', 10000)`
        yield* store.remove(other, { recursive: false })
        yield* Effect.repeat(sweeping, {
          schedule: Schedule.spaced("20 millis"),
          until: ([row]) => row?.count === 1
        })
      }))
      const swept = sql<{ readonly id: bigint }>`select id from millstream.deleted_streams where id = ${life}::bigint`
      yield* Effect.repeat(swept, { schedule: Schedule.spaced("20 millis"), until: (rows) => rows.length === 0 })
      assert.deepStrictEqual(yield* kept(life), [])
    }))
})
