/**
 * Commits groups to Postgres: the heads of streams, the one call that writes a group, and the question
 * whether a call whose connection broke was committed. It decides nothing.
 */
import { Effect, Schema } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"
import { StreamPath } from "../domain/StreamPath.ts"
import type { Head } from "./CoreState.ts"
import type { Commit } from "./EventStore.ts"
import type * as Group from "./Group.ts"
import { arrange } from "./GroupColumns.ts"
import type { GroupColumns } from "./GroupColumns.ts"
import { HeadRow, headOf } from "./HeadRow.ts"
import { arrange as arrangeGuards } from "./GuardColumns.ts"
import type { Refused } from "./GuardColumns.ts"
import type * as Idempotency from "./Idempotency.ts"
import * as Notice from "./Notice.ts"
import { bigints, ints, placeholders, texts, times } from "./PgArrays.ts"
import * as Submission from "./Submission.ts"

/** What became of a group: written, or why not. `clock` is Postgres's, in milliseconds since 1970. */
export type Verdict =
  | { readonly _tag: "Written"; readonly ids: ReadonlyMap<StreamPath, bigint>; readonly clock: number }
  /** Heads are not as they were read, or a path exists meanwhile. */
  | { readonly _tag: "Stale" }
  | { readonly _tag: "Known"; readonly keys: Group.KnownKeys }
  | { readonly _tag: "Fenced"; readonly fences: Group.Fences }
  /** The batch was settled as not committed: this was a late call. */
  | { readonly _tag: "Lost" }

export interface PgCommitter {
  /** The row whose batches are settled. */
  readonly writer: bigint
  /** Heads of those streams that have a row. */
  readonly heads: (paths: ReadonlyArray<StreamPath>) => Effect.Effect<Map<StreamPath, Head>, SqlError>
  /** The same, locked until the transaction ends. */
  readonly lockedHeads: (paths: ReadonlyArray<StreamPath>) => Effect.Effect<Map<StreamPath, Head>, SqlError>
  /** Those of the streams that someone else has locked now. */
  readonly lockedElsewhere: (paths: ReadonlyArray<StreamPath>) => Effect.Effect<ReadonlySet<string>, SqlError>
  /** The same of the leases and instances of commits, by their names. */
  readonly lockedBeside: (commits: ReadonlyArray<Commit>) => Effect.Effect<ReadonlySet<string>, SqlError>
  /** Without a batch the call can not be settled: for what may be repeated. */
  readonly write: (batch: number | undefined, plan: Group.Plan) => Effect.Effect<Verdict, SqlError>
  /** Whether a batch was committed; if it was not, it never will be. Waits for a call that is still under way. */
  readonly settle: (batch: number) => Effect.Effect<boolean, SqlError>
  readonly transaction: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
}

/** Constants: so long a statement must not be put together anew for each call. */
const ofGroup = `$1::bigint, $2::bigint, ${placeholders(3, 28)}, $29::text`
const appendEvents = `select stale, conflict, known, lost, new_ids, clock from millstream.append_events(${ofGroup})`
const commitEvents = `select stale, conflict, known, lost, new_ids, clock, lapsed, gone, changed, crowded
  from millstream.commit_events(${ofGroup}, ${placeholders(30, 48)}, $49::bigint)`

/** `server` names this process in the notices that others hear. */
export const make = Effect.fnUntraced(function*(server: string) {
  const sql = yield* SqlClient.SqlClient
  const [registered] = yield* sql<{ readonly id: bigint }>`select millstream.register_writer() as id`
  const writer = registered?.id ?? 0n

  const Paths = Schema.Array(StreamPath)
  const selectHeads = SqlSchema.findAll({
    Request: Paths,
    Result: HeadRow,
    execute: (paths) => sql`
      select path, id, head, state, created_at, updated_at, deleted_at from millstream.streams
      where path = any(${texts(paths)})`
  })
  const selectHeadsForUpdate = SqlSchema.findAll({
    Request: Paths,
    Result: HeadRow,
    execute: (paths) => sql`
      select path, id, head, state, created_at, updated_at, deleted_at from millstream.streams
      where path = any(${texts(paths)}) order by id for update`
  })
  const selectUnlocked = SqlSchema.findAll({
    Request: Paths,
    Result: Schema.Struct({ path: StreamPath }),
    execute: (paths) => sql`
      select path from millstream.streams where path = any(${texts(paths)}) for update skip locked`
  })

  const selectLockedLeases = SqlSchema.findAll({
    Request: Schema.Array(Schema.String),
    Result: Schema.Struct({ name: Schema.String }),
    execute: (names) => sql`
      with free as materialized (
        select name from millstream.processors where name = any(${texts(names)}) for key share skip locked
      )
      select p.name from millstream.processors p
      where p.name = any(${texts(names)}) and not exists (select from free f where f.name = p.name)`
  })
  const selectLockedInstances = (strength: "no key update" | "key share") => SqlSchema.findAll({
    Request: Schema.Struct({ lives: Schema.Array(Schema.BigInt), processors: Schema.Array(Schema.String) }),
    Result: Schema.Struct({ stream_id: Schema.BigInt, processor: Schema.String }),
    execute: ({ lives, processors }) => sql`
      with free as materialized (
        select stream_id, processor from millstream.instances
        where stream_id = any(${bigints(lives)}) and processor = any(${texts(processors)})
        for ${sql.literal(strength)} skip locked
      )
      select i.stream_id, i.processor from millstream.instances i
      where i.stream_id = any(${bigints(lives)}) and i.processor = any(${texts(processors)})
        and not exists (select from free f where f.stream_id = i.stream_id and f.processor = i.processor)`
  })

  // What is only asserted may be locked by who changes no key of it.
  const lockedForWriting = selectLockedInstances("no key update")
  const lockedForAsserting = selectLockedInstances("key share")

  const write = Effect.fnUntraced(function*(batch: number | undefined, plan: Group.Plan) {
    const group = arrange(plan)
    const parameters = [
      writer,
      batch === undefined ? null : BigInt(batch),
      bigints(group.ids),
      bigints(group.heads),
      bigints(group.newHeads),
      texts(group.states),
      times(group.created),
      times(group.updated),
      texts(group.absent),
      texts(group.paths),
      texts(group.parents),
      bigints(group.pathHeads),
      texts(group.pathStates),
      times(group.pathCreated),
      times(group.pathUpdated),
      ints(group.streams),
      bigints(group.offsets),
      texts(group.types),
      texts(group.payloads),
      texts(group.metadata),
      texts(group.keys),
      texts(group.causePaths),
      bigints(group.causeOffsets),
      texts(group.causeProcessors),
      ints(group.causeHops),
      times(group.times),
      bigints(group.askedIds),
      texts(group.askedKeys),
      Notice.of(server, plan)
    ]
    // What owners commit is looked at and written by a function of its own: appends alone do not pay for it.
    if (plan.commits.length === 0) {
      const [row] = yield* sql.unsafe<VerdictRow>(appendEvents, parameters)
      return row === undefined ? yield* Effect.die("append_events returned no row") : verdict(row, group, plan)
    }
    const guards = arrangeGuards(plan.commits)
    const [row] = yield* sql.unsafe<VerdictRow & Refused>(commitEvents, [...parameters, ...guards.parameters])
    if (row === undefined) return yield* Effect.die("commit_events returned no row")
    const fences = guards.fences(row)
    return fences.size > 0 ? { _tag: "Fenced" as const, fences } : verdict(row, group, plan)
  })

  const committer: PgCommitter = {
    writer,
    heads: (paths) => selectHeads(paths).pipe(Effect.map(byPath), misfitDies),
    lockedHeads: (paths) => selectHeadsForUpdate(paths).pipe(Effect.map(byPath), misfitDies),
    lockedElsewhere: Effect.fnUntraced(function*(paths) {
      const free = new Set((yield* selectUnlocked(paths).pipe(misfitDies)).map((row) => row.path))
      const known = yield* committer.heads(paths)
      return new Set(paths.filter((path) => known.has(path) && !free.has(path)))
    }),
    lockedBeside: Effect.fnUntraced(function*(commits) {
      const leases = commits.map(({ lease }) => lease.processor)
      const written = commits.flatMap(({ checkpoint, lease }) =>
        checkpoint === undefined ? [] : [{ life: checkpoint.life, processor: lease.processor }])
      const asserted = commits.flatMap(({ cursors, lease }) =>
        cursors === undefined ? [] : [{ life: cursors.life, processor: lease.processor }])
      const found = new Set<string>()
      const look = Effect.fnUntraced(function*(places: typeof written, select: typeof lockedForWriting) {
        if (places.length === 0) return
        const rows = yield* select({
          lives: places.map(({ life }) => life),
          processors: places.map(({ processor }) => processor)
        }).pipe(misfitDies)
        for (const row of rows) found.add(Submission.nameOf(row.processor, row.stream_id))
      })
      yield* look(written, lockedForWriting)
      yield* look(asserted, lockedForAsserting)
      const locked = new Set(leases.length === 0 ? [] : (yield* misfitDies(selectLockedLeases(leases))).map(({ name }) => name))
      for (const commit of commits) if (locked.has(commit.lease.processor)) found.add(Submission.leaseOf(commit))
      return found
    }),
    write,
    settle: (batch) =>
      Effect.map(
        sql<{ readonly settled: boolean }>`
          select millstream.settle(${writer}::bigint, ${BigInt(batch)}::bigint) as settled`,
        (rows) => rows[0]?.settled === true
      ),
    transaction: (effect) => sql.withTransaction(effect)
  }
  return committer
})

/** A row of ours that does not fit our schema is a bug, and nobody can act on it. */
const misfitDies: <A>(
  effect: Effect.Effect<A, SqlError | Schema.SchemaError>
) => Effect.Effect<A, SqlError> = Effect.catchTag("SchemaError", Effect.die)

const byPath = (rows: ReadonlyArray<typeof HeadRow.Type>): Map<StreamPath, Head> =>
  new Map(rows.map((row) => [row.path, headOf(row)]))

interface VerdictRow {
  readonly stale: ReadonlyArray<bigint> | null
  readonly conflict: boolean
  readonly known: string | null
  readonly lost: boolean
  readonly new_ids: ReadonlyArray<bigint> | null
  readonly clock: number
}

const verdict = (row: VerdictRow, group: GroupColumns, plan: Group.Plan): Verdict => {
  if (row.stale !== null || row.conflict) return { _tag: "Stale" }
  if (row.lost) return { _tag: "Lost" }
  if (row.known !== null) return { _tag: "Known", keys: knownKeys(row.known, plan) }
  return {
    _tag: "Written",
    ids: new Map(group.paths.map((path, i) => [path, row.new_ids?.[i] ?? 0n])),
    clock: row.clock
  }
}

const KnownRows = Schema.fromJsonString(Schema.Array(Schema.Tuple([
  Schema.String,
  Schema.String,
  Schema.Int,
  Schema.String,
  Schema.String,
  Schema.NullOr(Schema.String),
  Schema.String
])))
const decodeKnown = Schema.decodeUnknownSync(KnownRows)

const knownKeys = (text: string, plan: Group.Plan): Group.KnownKeys => {
  const paths = new Map<string, StreamPath>()
  for (const [path, head] of plan.looked) { if (head.id !== undefined) paths.set(String(head.id), path) }
  const keys = new Map<StreamPath, Map<string, Idempotency.Stored>>()
  for (const [id, key, offset, type, payload, metadata, line] of decodeKnown(text)) {
    const path = paths.get(id)
    if (path === undefined) continue
    const stored = keys.get(path) ?? new Map<string, Idempotency.Stored>()
    keys.set(path, stored.set(key, { offset, type, payload, metadata: metadata ?? undefined, line }))
  }
  return keys
}
