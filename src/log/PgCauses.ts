/**
 * Causes by one recursive query each way: up by the primary key, down by the index of causes. A deleted stream has
 * another id, so what is left of its events is not met. A cause is older than what it led to: there are no cycles.
 */
import { Effect, Option, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"
import { maxCauses, maxCausesBytes } from "../domain/Bounds.ts"
import { StreamPath } from "../domain/StreamPath.ts"
import type { Traced } from "./Causes.ts"

/** What a line has beside its payload and metadata, in bytes. */
const lineBytes = 300

const Place = Schema.Struct({ path: StreamPath, offset: Schema.BigInt })

/** `line` is none where there was no room for it any more, and for the event whose effects are asked for. */
const Row = Schema.Struct({ steps: Schema.Int, line: Schema.NullOr(Schema.String) })

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient

  const bytes = sql`octet_length(e.payload) + coalesce(octet_length(e.metadata), 0) + ${lineBytes}::int as bytes`
  const lineOf = sql`
    left join lateral (
      select l.line from millstream.lines l
      where l.stream_id = f.stream_id and l."offset" = f."offset"
        and f.rank between 1 and ${maxCauses}::int and f.bytes_before < ${maxCausesBytes}::int
      offset 0
    ) l on true`

  const selectChain = SqlSchema.findAll({
    Request: Place,
    Result: Row,
    execute: ({ offset, path }) => sql`
      with recursive chain as (
        select 0 as steps, e.stream_id, e."offset", e.cause_path, e.cause_offset, ${bytes}
        from millstream.streams s
        join millstream.events e on e.stream_id = s.id and e."offset" = ${offset}::bigint
        where s.path = ${path} and s.deleted_at is null
        union all
        select c.steps + 1, e.stream_id, e."offset", e.cause_path, e.cause_offset, e.bytes
        from chain c
        cross join lateral (
          select s.id from millstream.streams s where s.path = c.cause_path and s.deleted_at is null offset 0
        ) s
        cross join lateral (
          select e.stream_id, e."offset", e.cause_path, e.cause_offset, ${bytes}
          from millstream.events e where e.stream_id = s.id and e."offset" = c.cause_offset offset 0
        ) e
        where c.steps < ${maxCauses}::int
      ),
      found as (
        select c.steps, c.stream_id, c."offset", c.steps + 1 as rank,
          sum(c.bytes) over (order by c.steps rows unbounded preceding) - c.bytes as bytes_before
        from chain c
      )
      select f.steps, l.line from found f ${lineOf} order by f.steps desc`
  })

  // The index of causes has the collation of its columns, which is not that of paths. The recursion ends where
  // enough was found, since its rows are taken one by one.
  const selectEffects = SqlSchema.findAll({
    Request: Place,
    Result: Row,
    execute: ({ offset, path }) => sql`
      with recursive effects as (
        select 0 as steps, e.stream_id, e."offset", s.path collate "default" as path, e.tx, e.position, 0 as bytes
        from millstream.streams s
        join millstream.events e on e.stream_id = s.id and e."offset" = ${offset}::bigint
        where s.path = ${path} and s.deleted_at is null
        union all
        select c.steps + 1, e.stream_id, e."offset", s.path, e.tx, e.position, e.bytes
        from effects c
        cross join lateral (
          select e.stream_id, e."offset", e.tx, e.position, ${bytes}
          from millstream.events e where e.cause_path = c.path and e.cause_offset = c."offset" offset 0
        ) e
        cross join lateral (
          select s.path collate "default" as path from millstream.streams s
          where s.id = e.stream_id and s.deleted_at is null offset 0
        ) s
      ),
      nearest as (select * from effects limit ${maxCauses + 2}::int),
      found as (
        select n.*, row_number() over nearness - 1 as rank,
          sum(n.bytes) over (nearness rows unbounded preceding) - n.bytes as bytes_before
        from nearest n
        window nearness as (order by n.steps, n.tx, n.position)
      )
      select f.steps, l.line from found f ${lineOf} order by f.tx, f.position`
  })

  const traced = (rows: ReadonlyArray<typeof Row.Type>): Traced => ({
    lines: rows.flatMap(({ line }) => line ?? []),
    more: rows.some(({ line }) => line === null)
  })
  const ask = (
    select: typeof selectChain,
    from: number,
    path: StreamPath,
    offset: number
  ): Effect.Effect<Option.Option<Traced>, SqlError> =>
    select({ path, offset: BigInt(offset) }).pipe(
      Effect.map((rows) =>
        rows.length === 0 ? Option.none() : Option.some(traced(rows.filter(({ steps }) => steps >= from)))
      ),
      Effect.catchTag("SchemaError", Effect.die)
    )

  return {
    chain: (path: StreamPath, offset: number) => ask(selectChain, 0, path, offset),
    effects: (path: StreamPath, offset: number) => ask(selectEffects, 1, path, offset)
  }
})
