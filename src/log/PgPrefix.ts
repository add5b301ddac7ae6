/**
 * Pages across streams, in commit order, below the horizon: the oldest transaction that may still commit
 * something. A narrow prefix is merged from its streams; a wide one walks the index of the whole log.
 */
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"
import { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import type { PrefixPage, PrefixReadOptions } from "./EventStore.ts"
import { pageBytes, pageEvents } from "./EventStore.ts"

/** Streams that are merged; beyond it one walk over the index is cheaper than so many looks. */
const mergedStreams = 1_000
/** Events of the whole log that one walk looks at. */
const walkedEvents = 10_000
/** Fewest events that a merge takes from each stream. */
const leastPerStream = 4
/** What a line has beside its payload and metadata, in bytes. */
const lineBytes = 300

const Row = Schema.Struct({
  tx: Schema.BigInt,
  position: Schema.BigInt,
  /** None marks a place that was looked at, without an event that is wanted. */
  line: Schema.NullOr(Schema.String)
})

const Range = Schema.Struct({
  tx: Schema.BigInt,
  position: Schema.BigInt,
  horizon: Schema.BigInt,
  types: Schema.NullOr(Schema.Array(Schema.String)),
  limit: Schema.Int
})

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient

  const selectStreams = SqlSchema.findAll({
    Request: Schema.Struct({ path: StreamPath, below: Schema.String, limit: Schema.Int }),
    Result: Schema.Struct({ id: Schema.BigInt }),
    execute: ({ below, limit, path }) => sql`
      select id from millstream.streams where path = ${path} and deleted_at is null
      union all (
        select id from millstream.streams
        where path > ${below} and path < ${`${below.slice(0, -1)}0`} and deleted_at is null
        order by path limit ${limit}::int)`
  })
  const selectHorizon = SqlSchema.findOne({
    Request: Schema.Void,
    Result: Schema.Struct({ horizon: Schema.BigInt, newest: Schema.BigInt }),
    execute: () => sql`
      select tx_base + pg_snapshot_xmin(s)::text::bigint as horizon, tx_base + pg_snapshot_xmax(s)::text::bigint as newest
      from millstream.log, pg_current_snapshot() s`
  })

  // Within a stream offsets and this order agree, so the first event after a cursor is found by halving. What a
  // stream could not give for want of room ends the merge there, else later events of others would overtake it.
  const merge = SqlSchema.findAll({
    Request: Schema.Struct({ ...Range.fields, ids: Schema.Array(Schema.BigInt), each: Schema.Int }),
    Result: Row,
    execute: ({ each, horizon, ids, limit, position, tx, types }) => sql`
      with taken as (
        select s.id, e.*, row_number() over (partition by s.id order by e."offset") as place
        from unnest(${[...ids]}::bigint[]) s(id)
        cross join lateral (
          select e.tx, e.position, e."offset",
            case when ${types}::text[] is null or e.type = any(${types}::text[]) then
              octet_length(e.payload) + coalesce(octet_length(e.metadata), 0) + ${lineBytes}::int end as bytes
          from millstream.events e
          where e.stream_id = s.id and e.tx < ${horizon}::bigint
            and e."offset" > millstream.offset_at(s.id, ${tx}::bigint, ${position}::bigint)
          order by e."offset" limit ${each}::int
        ) e
      ),
      bound as (
        select tx, position from taken where place = ${each}::int order by tx, position limit 1
      ),
      merged as (
        select t.*,
          sum(coalesce(t.bytes, 0)) over (order by t.tx, t.position rows unbounded preceding)
            - coalesce(t.bytes, 0) as bytes_before
        from taken t
        where not exists (select from bound b where (t.tx, t.position) > (b.tx, b.position))
        order by t.tx, t.position limit ${limit}::int
      )
      select m.tx, m.position, l.line from merged m
      left join lateral (
        select l.line from millstream.lines l
        where l.stream_id = m.id and l."offset" = m."offset" and m.bytes is not null offset 0
      ) l on true
      where m.bytes_before < ${pageBytes}::int
      order by m.tx, m.position`
  })
  const walk = SqlSchema.findAll({
    Request: Schema.Struct({ ...Range.fields, path: StreamPath, below: Schema.String, walked: Schema.Int }),
    Result: Row,
    execute: ({ below, horizon, limit, path, position, tx, types, walked }) => sql`
      with walked as (
        select * from millstream.walk(${tx}::bigint, ${position}::bigint, ${horizon}::bigint, ${walked}::int)
      ),
      found as (
        select w.*, sum(w.bytes + ${lineBytes}::int) over (order by w.tx, w.position rows unbounded preceding)
          - w.bytes - ${lineBytes}::int as bytes_before
        from walked w
        cross join lateral (select s.path from millstream.streams s where s.id = w.stream_id offset 0) s
        where (s.path = ${path} or s.path > ${below} and s.path < ${`${below.slice(0, -1)}0`})
          and (${types}::text[] is null or w.type = any(${types}::text[]))
        order by w.tx, w.position limit ${limit}::int
      ),
      fitting as (select * from found where bytes_before < ${pageBytes}::int)
      select f.tx, f.position, l.line from fitting f
      cross join lateral (
        select l.line from millstream.lines l where l.stream_id = f.stream_id and l."offset" = f."offset" offset 0
      ) l
      union all
      (select tx, position, null from walked
        where (select count(*) from fitting) < ${limit}::int
          and (select count(*) from fitting) = (select count(*) from found)
        order by tx desc, position desc limit 1)
      order by tx, position, line nulls last`
  })

  return Effect.fnUntraced(
    function*(prefix: StreamPath, options: PrefixReadOptions) {
      const below = prefix === Path.root ? "/" : `${prefix}/`
      const limit = Math.min(options.limit ?? pageEvents, pageEvents)
      // Read before the streams and the events: what commits in between, streams that are made too, is above it.
      const { horizon, newest } = yield* selectHorizon()
      const streams = prefix === Path.root
        ? []
        : yield* selectStreams({ path: prefix, below, limit: mergedStreams + 1 })
      const end = options.before !== undefined && options.before < horizon ? options.before : horizon
      const range = { ...options.after, horizon: end, types: options.types ?? null, limit }
      const isMerged = prefix !== Path.root && streams.length <= mergedStreams
      const each = Math.max(leastPerStream, Math.ceil((2 * limit) / Math.max(1, streams.length)))
      const rows = isMerged
        ? yield* merge({ ...range, ids: streams.map((stream) => stream.id), each })
        // Where everything is wanted a page is found in as many steps.
        : yield* walk({
          ...range,
          path: prefix,
          below,
          walked: prefix === Path.root && options.types === undefined ? limit : walkedEvents
        })
      const lines = rows.flatMap(({ line, position, tx }) => line === null ? [] : [{ cursor: { tx, position }, line }])
      const last = rows.at(-1) ?? options.after
      const page: PrefixPage = {
        lines,
        last: { tx: last.tx, position: last.position },
        more: rows.length > 0,
        horizon,
        newest
      }
      return page
    },
    Effect.catchTag("SchemaError", Effect.die),
    Effect.catchTag("NoSuchElementError", Effect.die)
  )
}) satisfies Effect.Effect<
  (prefix: StreamPath, options: PrefixReadOptions) => Effect.Effect<PrefixPage, SqlError>,
  never,
  SqlClient
>
