/**
 * Deletes streams: at once for everyone, since the path gets a new life with its head kept; the events of the
 * old life are swept a thousand at a time, so that no transaction is long.
 */
import { Effect, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"
import { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import * as Admission from "./Admission.ts"
import * as Contention from "./Contention.ts"
import type { Head } from "./CoreState.ts"
import * as CoreState from "./CoreState.ts"
import { unwritten } from "./CoreState.ts"
import type * as Group from "./Group.ts"
import type { LogClock } from "./LogClock.ts"
import * as Notice from "./Notice.ts"
import type { PgCommitter } from "./PgCommitter.ts"
import * as Sweeper from "./Sweeper.ts"

/** Streams that one transaction deletes: bounds its time and its locks. */
const streamsAtOnce = 500
/** Events that one statement sweeps. */
const sweptAtOnce = 1_000

export interface Removal {
  readonly plan: Group.Plan
  readonly removed: ReadonlyArray<StreamPath>
}

export const make = Effect.fnUntraced(function*(server: string, committer: PgCommitter, clock: LogClock) {
  const sql = yield* SqlClient

  const Paths = Schema.Array(StreamPath)
  const selectWithin = SqlSchema.findAll({
    Request: Schema.Struct({ path: StreamPath, after: Schema.String, limit: Schema.Int }),
    Result: Schema.Struct({ path: StreamPath }),
    execute: ({ after, limit, path }) => {
      const below = path === Path.root ? "/" : `${path}/`
      return sql`
        select path from millstream.streams
        where (path = ${path} or path > ${below} and path < ${`${below.slice(0, -1)}0`})
          and path > ${after} and deleted_at is null
        order by path limit ${limit}::int`
    }
  })
  const endLives = SqlSchema.void({
    Request: Schema.Struct({ paths: Paths, state: Schema.String }),
    execute: ({ paths, state }) => sql`
      with ended as (select id, path from millstream.streams where path = any(${[...paths]}::text[])),
      swept as (insert into millstream.deleted_streams select id from ended),
      -- A commit for the old life finds no instance any more.
      instances as (delete from millstream.instances where stream_id in (select id from ended)),
      cursors as (delete from millstream.fiber_cursors where stream_id in (select id from ended)),
      snapshots as (delete from millstream.snapshots where stream_id in (select id from ended))
      update millstream.streams s
      set id = nextval(pg_get_serial_sequence('millstream.streams', 'id')), born = s.head, deleted_at = clock_timestamp(),
        updated_at = greatest(s.updated_at, clock_timestamp()), state = ${state}
      from ended where s.path = ended.path`
  })

  /** Deletes those of the paths that exist, parents before children: one whose parent goes too tells nobody. */
  const removeAll = (paths: ReadonlyArray<StreamPath>): Effect.Effect<Removal, SqlError> =>
    committer.transaction(Effect.gen(function*() {
      const parents = paths.flatMap((path) => Path.parent(path) ?? [])
      const view = yield* committer.lockedHeads([...new Set([...paths, ...parents])])
      const heads = new Map<StreamPath, Head>()
      const get = (path: StreamPath) => heads.get(path) ?? view.get(path) ?? unwritten
      const removed = paths.filter((path) => get(path).exists)
      const events = removed.flatMap((path) => {
        const { events, heads: changed } = Admission.remove({ get }, path, { now: clock.now(), breaker: "off" })
        for (const [each, head] of changed) heads.set(each, head)
        return events
      })
      const told = new Map([...heads].filter(([path]) => !removed.includes(path)))
      const kept = events.filter((event) => told.has(event.streamPath))
      const plan = { decisions: [], events: kept, heads: told, looked: only(view, told), asked: new Map(), commits: [] }
      if (kept.length > 0) yield* committer.write(undefined, plan)
      if (removed.length > 0) {
        yield* endLives({ paths: removed, state: yield* encodeState(CoreState.initial) }).pipe(
          Effect.catchTag("SchemaError", Effect.die)
        )
        const gone = Notice.of(server, { events: [], heads: new Map(removed.map((path) => [path, unwritten])) })
        yield* sql`select pg_notify('millstream', ${gone}::text) from millstream.log where notify`
      }
      return { plan, removed }
    })).pipe(Contention.retry)

  const sweep = Effect.gen(function*() {
    while (true) {
      const [oldest] = yield* sql<{ readonly id: bigint }>`select id from millstream.deleted_streams order by id limit 1`
      if (oldest === undefined) return
      const [swept] = yield* sql<{ readonly events: bigint }>`
        with swept as (
          delete from millstream.events where stream_id = ${oldest.id}::bigint and "offset" in (
            select "offset" from millstream.events where stream_id = ${oldest.id}::bigint limit ${sweptAtOnce}::int)
          returning 1
        ) select count(*) as events from swept`
      if (swept?.events !== 0n) continue
      // A cursor that moved just when the stream was deleted may have made an instance of it, and a version that was
      // being prepared may have kept a state.
      yield* sql`delete from millstream.instances where stream_id = ${oldest.id}::bigint`
      // After the instances, for one may have been locked by what was keeping a state of it.
      yield* sql`
        with snapshots as (delete from millstream.snapshots where stream_id = ${oldest.id}::bigint)
        delete from millstream.deleted_streams where id = ${oldest.id}::bigint`
    }
  })
  const sweepSoon = yield* Sweeper.make(sweep, "The events of deleted streams could not be swept")

  const within = (path: StreamPath, after: string) =>
    selectWithin({ path, after, limit: streamsAtOnce }).pipe(
      Effect.map((rows) => rows.map((row) => row.path)),
      Effect.catchTag("SchemaError", Effect.die)
    )

  /** Reports each transaction's removal as it is committed. */
  return Effect.fnUntraced(function*(path: StreamPath, recursive: boolean, onRemoved: (removal: Removal) => void) {
    const all: Array<StreamPath> = []
    const step = Effect.fnUntraced(function*(paths: ReadonlyArray<StreamPath>) {
      const removal = yield* removeAll(paths)
      for (const each of removal.removed) all.push(each)
      onRemoved(removal)
      yield* sweepSoon
    })
    if (!recursive) yield* step([path])
    else {
      for (let paths = yield* within(path, ""); paths.length > 0; paths = yield* within(path, paths.at(-1) ?? "")) {
        yield* step(paths)
      }
    }
    return all
  })
})

const encodeState = (state: CoreState.CoreState) => Effect.orDie(Schema.encodeEffect(CoreState.Stored)(state))

const only = (view: ReadonlyMap<StreamPath, Head>, paths: ReadonlyMap<StreamPath, unknown>) =>
  new Map([...view].filter(([path]) => paths.has(path)))
