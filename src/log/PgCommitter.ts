/**
 * Commits groups to Postgres: the heads of streams, the one call that writes a group, and the question
 * whether a call whose connection broke was committed. It decides nothing.
 */
import * as PgTypes from "@effect/sql-pg/PgTypes"
import { Effect, Result, Schema } from "effect"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"
import { StreamPath } from "../domain/StreamPath.ts"
import type { Head } from "./CoreState.ts"
import * as CoreState from "./CoreState.ts"
import type * as Group from "./Group.ts"
import { arrange } from "./GroupColumns.ts"
import type { GroupColumns } from "./GroupColumns.ts"
import type * as Idempotency from "./Idempotency.ts"

/** What became of a group: written, or why not. `clock` is Postgres's, in milliseconds since 1970. */
export type Verdict =
  | { readonly _tag: "Written"; readonly ids: ReadonlyMap<StreamPath, bigint>; readonly clock: number }
  /** Heads are not as they were read, or a path exists meanwhile. */
  | { readonly _tag: "Stale" }
  | { readonly _tag: "Known"; readonly keys: Group.KnownKeys }
  /** The batch was settled as not committed: this was a late call. */
  | { readonly _tag: "Lost" }

export interface PgCommitter {
  /** Heads of those streams that have a row. */
  readonly heads: (paths: ReadonlyArray<StreamPath>) => Effect.Effect<Map<StreamPath, Head>, SqlError>
  /** The same, locked until the transaction ends. */
  readonly lockedHeads: (paths: ReadonlyArray<StreamPath>) => Effect.Effect<Map<StreamPath, Head>, SqlError>
  /** Those of the streams that someone else has locked now. */
  readonly lockedElsewhere: (paths: ReadonlyArray<StreamPath>) => Effect.Effect<Set<StreamPath>, SqlError>
  /** Without a batch the call can not be settled: for what may be repeated. */
  readonly write: (batch: number | undefined, plan: Group.Plan) => Effect.Effect<Verdict, SqlError>
  /** Whether a batch was committed; if it was not, it never will be. Waits for a call that is still under way. */
  readonly settle: (batch: number) => Effect.Effect<boolean, SqlError>
  readonly transaction: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | SqlError, R>
}

/** A constant, since the hottest statement must not be put together anew for each call. */
const appendEvents = `select stale, conflict, known, lost, new_ids, clock from millstream.append_events(
  $1::bigint, $2::bigint, ${Array.from({ length: 26 }, (_, i) => `$${i + 3}`).join(", ")}, $29::text)`

/** `server` names this process in the notices that others hear. */
export const make = Effect.fnUntraced(function*(server: string) {
  const sql = yield* SqlClient.SqlClient
  const [registered] = yield* sql<{ readonly id: bigint }>`
    insert into millstream.writers default values returning id`
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

  const write = Effect.fnUntraced(function*(batch: number | undefined, plan: Group.Plan) {
    const group = arrange(plan)
    const [row] = yield* sql.unsafe<VerdictRow>(appendEvents, [
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
      notice(server, plan.heads)
    ])
    return row === undefined ? yield* Effect.die("append_events returned no row") : verdict(row, group, plan)
  })

  const committer: PgCommitter = {
    heads: (paths) => selectHeads(paths).pipe(Effect.map(byPath), misfitDies),
    lockedHeads: (paths) => selectHeadsForUpdate(paths).pipe(Effect.map(byPath), misfitDies),
    lockedElsewhere: Effect.fnUntraced(function*(paths) {
      const free = new Set((yield* selectUnlocked(paths).pipe(misfitDies)).map((row) => row.path))
      const known = yield* committer.heads(paths)
      return new Set(paths.filter((path) => known.has(path) && !free.has(path)))
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

const HeadRow = Schema.Struct({
  path: StreamPath,
  id: Schema.BigInt,
  head: Schema.BigInt,
  state: CoreState.Stored,
  created_at: Schema.Date,
  updated_at: Schema.Date,
  deleted_at: Schema.NullOr(Schema.Date)
})

const byPath = (rows: ReadonlyArray<typeof HeadRow.Type>): Map<StreamPath, Head> =>
  new Map(rows.map((row) => [row.path, {
    id: row.id,
    offset: Number(row.head),
    exists: row.deleted_at === null,
    createdAt: row.created_at.getTime(),
    updatedAt: row.updated_at.getTime(),
    core: row.state
  }]))

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

/** Bound of a notice in bytes: Postgres takes 8,000, and past this everyone looks at everything. */
const noticeBytes = 7_000

/** Who wrote where, for other processes. */
const notice = (server: string, heads: ReadonlyMap<StreamPath, Head>): string => {
  let text = server
  for (const [path, head] of heads) {
    text += `\n${head.exists ? "+" : "-"}${path}`
    if (text.length > noticeBytes) return `${server}\n*`
  }
  return text
}

const array = (values: ReadonlyArray<unknown>, oid: number): PgTypes.Parameter =>
  Result.getOrThrow(PgTypes.array(values, oid))
const bigints = (values: ReadonlyArray<bigint | null>) => array(values, PgTypes.OID.int8)
const ints = (values: ReadonlyArray<number | null>) => array(values, PgTypes.OID.int4)
const texts = (values: ReadonlyArray<string | null>) => array(values, PgTypes.OID.text)
const times = (values: ReadonlyArray<number>) => array(values, PgTypes.OID.timestamptz)
