/**
 * Pages of one stream, which Postgres puts into wire form itself: a page arrives as one text. Offsets are
 * dense, so what a page looks at is bounded by an interval of offsets.
 */
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"
import { StreamPath } from "../domain/StreamPath.ts"
import type { Page, ReadOptions } from "./EventStore.ts"
import { pageBytes, pageEvents } from "./EventStore.ts"

/** Events that one page looks at where only some types are wanted: bounds a query that finds none. */
const lookedAt = 10_000
/** What a line has beside its payload and metadata, in bytes. */
const lineBytes = 300

const Request = Schema.Struct({
  path: StreamPath,
  after: Schema.BigInt,
  upTo: Schema.BigInt,
  types: Schema.NullOr(Schema.Array(Schema.String)),
  limit: Schema.Int
})

const Row = Schema.Struct({
  life: Schema.BigInt,
  head: Schema.BigInt,
  /** Last offset of the page; none where nothing was found. */
  last: Schema.NullOr(Schema.BigInt),
  /** Whether there was not room for all that was found. */
  full: Schema.Boolean,
  lines: Schema.NullOr(Schema.String)
})

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient

  const select = SqlSchema.findAll({
    Request,
    Result: Row,
    execute: ({ after, limit, path, types, upTo }) => sql`
      with stream as (select id, head from millstream.streams where path = ${path} and deleted_at is null),
      found as (
        select e."offset", octet_length(e.payload) + coalesce(octet_length(e.metadata), 0) + ${lineBytes}::int as bytes
        from millstream.events e
        where e.stream_id = (select id from stream) and e."offset" > ${after}::bigint and e."offset" <= ${upTo}::bigint
          and (${types}::text[] is null or e.type = any(${types}::text[]))
        order by e."offset" limit ${limit}::int
      ),
      sized as (select "offset", sum(bytes) over (order by "offset") - bytes as before from found),
      page as (select max("offset") as last, count(*) as events from sized where before < ${pageBytes}::int)
      select stream.id as life, stream.head, page.last,
        page.events = ${limit}::int or page.events < (select count(*) from found) as full,
        (select string_agg(l.line, E'\n' order by l."offset") from millstream.lines l
          where l.stream_id = stream.id and l."offset" > ${after}::bigint and l."offset" <= page.last
            and (${types}::text[] is null or l.type = any(${types}::text[]))) as lines
      from stream, page`
  })

  return Effect.fnUntraced(function*(path: StreamPath, options: ReadOptions): Effect.fn.Return<Page, SqlError> {
    const { after, before = Number.MAX_SAFE_INTEGER, limit = pageEvents, types } = options
    const upTo = Math.min(before - 1, types === undefined ? Number.MAX_SAFE_INTEGER : after + lookedAt)
    const [row] = yield* select({
      path,
      after: BigInt(after),
      upTo: BigInt(upTo),
      types: types ?? null,
      limit: Math.min(limit, pageEvents)
    }).pipe(Effect.catchTag("SchemaError", Effect.die))
    if (row === undefined) return { lines: [], last: after, head: 0, life: undefined }
    const end = Math.min(Number(row.head), before - 1)
    const last = row.full && row.last !== null ? Number(row.last) : Math.max(after, Math.min(upTo, end))
    return {
      lines: row.lines === null ? [] : row.lines.split("\n"),
      last,
      head: Number(row.head),
      life: row.life
    }
  })
})
