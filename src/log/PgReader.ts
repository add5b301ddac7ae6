/**
 * Pages of one stream. Offsets are dense, so what a page looks at is bounded by an interval of offsets,
 * whatever the planner knows; how many bytes it takes is counted by Postgres before they are sent.
 */
import { Effect } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Offset } from "../domain/Event.ts"
import { encode } from "../domain/EventText.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import type { Page, ReadOptions } from "./EventStore.ts"
import { pageBytes, pageEvents } from "./EventStore.ts"

/** Events that one page looks at where only some types are wanted: bounds a query that finds none. */
const lookedAt = 10_000
/** What a line has beside its payload and metadata, in bytes. */
const lineBytes = 300

// Without a schema: these rows are our own, and decoding each by one would cost more than reading it.
interface Row {
  readonly life: bigint
  readonly head: bigint
  readonly born: bigint
  readonly offset: bigint | null
  readonly type: string
  /** None, and no metadata either, where there was no room for it any more; of the first there always is. */
  readonly payload: string | null
  readonly metadata: string | null
  readonly idempotency_key: string | null
  readonly cause_path: string | null
  readonly cause_offset: bigint
  readonly cause_processor: string | null
  readonly cause_hops: number
  readonly created_at: Date
}

interface Range {
  readonly after: number
  readonly before: number
  /** Offsets behind `after`, or behind the first event, that are looked at. */
  readonly span: number
  readonly types: ReadonlyArray<string> | null
  readonly limit: number
}

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient

  const select = (path: StreamPath, { after, before, limit, span, types }: Range) =>
    sql<Row>`
      select s.id as life, s.head, s.born, e."offset", e.type, e.idempotency_key, e.cause_path, e.cause_offset,
        e.cause_processor, e.cause_hops, e.created_at,
        case when e.bytes_before < ${pageBytes}::int then e.payload end as payload,
        case when e.bytes_before < ${pageBytes}::int then e.metadata end as metadata
      from millstream.streams s
      left join lateral (
        select *,
          sum(octet_length(payload) + coalesce(octet_length(metadata), 0) + ${lineBytes}::int) over page
            - octet_length(payload) - coalesce(octet_length(metadata), 0) - ${lineBytes}::int as bytes_before
        from millstream.events
        where stream_id = s.id and "offset" > greatest(${BigInt(after)}::bigint, s.born)
          and "offset" <= greatest(${BigInt(after)}::bigint, s.born) + ${span}::int
          and "offset" < ${BigInt(before)}::bigint
          and (${types}::text[] is null or type = any(${types}::text[]))
        window page as (order by "offset" rows unbounded preceding)
        order by "offset" limit ${limit}::int
      ) e on true
      where s.path = ${path} and s.deleted_at is null
      order by e."offset"`

  return Effect.fnUntraced(function*(path: StreamPath, options: ReadOptions): Effect.fn.Return<Page, SqlError> {
    const { after, before = Number.MAX_SAFE_INTEGER, types } = options
    const limit = Math.min(options.limit ?? pageEvents, pageEvents)
    const span = types === undefined ? limit : lookedAt
    const rows = yield* select(path, { after, before, limit, span, types: types === undefined ? null : [...types] })
    const [first] = rows
    if (first === undefined) return { lines: [], last: after, head: 0, life: undefined }
    const upTo = Math.min(before - 1, Math.max(after, Number(first.born)) + span)
    const lines: Array<string> = []
    let last = after
    for (const row of rows) {
      if (row.offset === null || row.payload === null) break
      last = Number(row.offset)
      lines.push(lineOf(path, last, row, row.payload))
    }
    const head = Number(first.head)
    const isFull = lines.length === limit || (lines.length < rows.length && lines.length > 0)
    return { lines, last: isFull ? last : Math.max(after, Math.min(upTo, head)), head, life: first.life }
  })
})

const lineOf = (streamPath: StreamPath, offset: number, row: Row, payload: string): string =>
  encode({
    streamPath,
    offset,
    payload,
    type: row.type,
    metadata: row.metadata ?? undefined,
    idempotencyKey: row.idempotency_key ?? undefined,
    createdAt: row.created_at.getTime(),
    cause: row.cause_path === null || !Path.is(row.cause_path) ? undefined : {
      streamPath: row.cause_path,
      offset: Offset.make(Number(row.cause_offset)),
      ...(row.cause_processor === null ? {} : { processor: row.cause_processor }),
      hops: row.cause_hops
    }
  })
