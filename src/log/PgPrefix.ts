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
import { pageEvents } from "./EventStore.ts"

/** Streams that are merged; beyond it one walk over the index is cheaper than so many looks. */
const mergedStreams = 1_000
/** Events of the whole log that one walk looks at. */
const walkedEvents = 10_000
/** Fewest events that a merge takes from each stream. */
const leastPerStream = 4
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
      select id from millstream.streams
      where (path = ${path} or path > ${below} and path < ${`${below.slice(0, -1)}0`}) and deleted_at is null
      limit ${limit}::int`
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
        select e.tx, e.position, e.line, e.type, row_number() over (partition by s.id order by e."offset") as place
        from unnest(${[...ids]}::bigint[]) s(id)
        cross join lateral (
          select l.tx, l.position, l.line, l.type, l."offset" from millstream.lines l
          where l.stream_id = s.id and l.tx < ${horizon}::bigint
            and l."offset" > millstream.offset_at(s.id, ${tx}::bigint, ${position}::bigint)
          order by l."offset" limit ${each}::int
        ) e
      ),
      bound as (
        select tx, position from taken where place = ${each}::int order by tx, position limit 1
      )
      select t.tx, t.position,
        case when ${types}::text[] is null or t.type = any(${types}::text[]) then t.line end as line
      from taken t
      where not exists (select from bound b where (t.tx, t.position) > (b.tx, b.position))
      order by t.tx, t.position limit ${limit}::int`
  })
  const walk = SqlSchema.findAll({
    Request: Schema.Struct({ ...Range.fields, path: StreamPath, below: Schema.String, walked: Schema.Int }),
    Result: Row,
    execute: ({ below, horizon, limit, path, position, tx, types, walked }) => sql`
      with walked as (
        select e.stream_id, e."offset", e.tx, e.position from millstream.events e
        where (e.tx, e.position) > (${tx}::bigint, ${position}::bigint) and e.tx < ${horizon}::bigint
        order by e.tx, e.position limit ${walked}::int
      ),
      found as (
        select l.tx, l.position, l.line from walked w
        join millstream.lines l on l.stream_id = w.stream_id and l."offset" = w."offset"
        where (l.path = ${path} or l.path > ${below} and l.path < ${`${below.slice(0, -1)}0`})
          and (${types}::text[] is null or l.type = any(${types}::text[]))
        order by l.tx, l.position limit ${limit}::int
      )
      select tx, position, line from found
      union all
      (select tx, position, null from walked
        where (select count(*) from found) < ${limit}::int order by tx desc, position desc limit 1)
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
        : yield* walk({ ...range, path: prefix, below, walked: walkedEvents })
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
