/**
 * States that are kept, in Postgres: for time travel, and of versions that are prepared beside the running one. Those of
 * versions that are neither registered nor being prepared are swept, some at a time.
 */
import { Effect, Option, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"
import { StreamPath } from "../domain/StreamPath.ts"
import type { Snapshot, Unprepared, UnpreparedPage } from "./Checkpoints.ts"
import { keepEvery, maxPreparing, pageInstances, preparedSeconds } from "./Checkpoints.ts"
import * as Contention from "./Contention.ts"
import * as Sweeper from "./Sweeper.ts"

/** States that one statement sweeps: each may be large. */
const sweptAtOnce = 200

const Version = { processor: Schema.String, version: Schema.Int }

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient

  const selectNearest = SqlSchema.findOneOption({
    Request: Schema.Struct({ ...Version, life: Schema.BigInt, offset: Schema.Int }),
    Result: Schema.Struct({ offset: Schema.BigInt, state: Schema.String, fibers: Schema.String }),
    execute: ({ life, offset, processor, version }) => sql`
      select "offset", state, fibers from millstream.snapshots
      where stream_id = ${life}::bigint and processor = ${processor}::text and version = ${version}::int
        and "offset" <= ${offset}::bigint
      order by "offset" desc limit 1`
  })
  const selectPage = SqlSchema.findAll({
    Request: Schema.Struct({ ...Version, after: Schema.String }),
    Result: Schema.Struct({
      path: StreamPath,
      stream_id: Schema.BigInt,
      offset: Schema.BigInt,
      skipped: Schema.Array(Schema.BigInt),
      unprepared: Schema.Boolean
    }),
    execute: ({ after, processor, version }) => sql`
      select i.path, i.stream_id, i."offset", i.skipped,
        i."offset" > 0 and (i.version <> ${version}::int or i.state is null) and not exists (
          select from millstream.snapshots s
          where s.stream_id = i.stream_id and s.processor = i.processor and s.version = ${version}::int
            and s."offset" = i."offset"
        ) as unprepared
      from millstream.instances i
      where i.processor = ${processor}::text and i.path > ${after}::text collate "C" and i.path <> ''
      order by i.path limit ${pageInstances}::int`
  })

  const sweep = sql<{ readonly swept: number }>`
    select millstream.sweep_snapshots(${preparedSeconds}::float8, ${sweptAtOnce}::int) as swept`.pipe(
      Effect.repeat({ until: ([row]) => row?.swept === 0 })
    )
  const sweepSoon = yield* Sweeper.make(sweep, "States of no more use could not be swept")

  return {
    /** Sweeps soon: another version was registered. */
    sweepSoon,
    snapshot: (
      processor: string,
      version: number,
      life: bigint,
      offset: number
    ): Effect.Effect<Option.Option<Snapshot>, SqlError> =>
      selectNearest({ processor, version, life, offset }).pipe(
        Effect.map(Option.map((row) => ({ ...row, offset: Number(row.offset) }))),
        Effect.catchTag("SchemaError", Effect.die)
      ),
    prepare: (processor: string, version: number, left: number | undefined): Effect.Effect<void, SqlError> =>
      Effect.asVoid(sql`
        select millstream.prepare_version(
          ${processor}::text, ${version}::int, ${left ?? null}::int, ${maxPreparing}::int)`).pipe(Contention.retry),
    unprepared: (processor: string, version: number, after: string): Effect.Effect<UnpreparedPage, SqlError> =>
      selectPage({ processor, version, after }).pipe(
        Effect.map((rows) => ({
          instances: rows.filter(({ unprepared }) => unprepared).map((row): Unprepared => ({
            path: row.path,
            life: row.stream_id,
            offset: Number(row.offset),
            skipped: row.skipped.map(Number)
          })),
          after: rows.length < pageInstances ? undefined : rows.at(-1)?.path
        })),
        Effect.catchTag("SchemaError", Effect.die)
      ),
    keep: (
      processor: string,
      version: number,
      life: bigint,
      { fibers, offset, state }: Snapshot
    ): Effect.Effect<boolean, SqlError> =>
      Effect.map(
        sql<{ readonly kept: boolean }>`
          select millstream.keep_snapshot(${processor}::text, ${version}::int, ${life}::bigint,
            ${BigInt(offset)}::bigint, ${state}::text, ${fibers}::text, ${BigInt(keepEvery)}::bigint) as kept`,
        ([row]) => row?.kept === true
      ).pipe(Contention.retry)
  }
})
