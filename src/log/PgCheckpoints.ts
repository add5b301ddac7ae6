/** What processors have done, in Postgres: leases, cursors over the log, and instances as they were written last. */
import { Effect, Option, Schema } from "effect"
import type { Cause } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"
import { Fenced } from "../domain/StreamError.ts"
import { StreamPath } from "../domain/StreamPath.ts"
import * as StreamPattern from "../domain/StreamPattern.ts"
import type { Claimant, Instance, Lease, Registered, Registration } from "./Checkpoints.ts"
import { pageInstances, preparingSeconds } from "./Checkpoints.ts"
import * as Contention from "./Contention.ts"
import { pageBytes } from "./EventStore.ts"
import { InstanceRow, instanceOf } from "./InstanceRow.ts"

/** Events that one move of a cursor passes: some milliseconds of Postgres's time. */
const advancedEvents = 2_000

const RegisteredRow = Schema.Struct({
  name: Schema.String,
  version: Schema.Int,
  consumes: Schema.Array(Schema.String),
  emits: Schema.Array(Schema.String),
  streams: Schema.String,
  start_from: Schema.Literals(["end", "start"]),
  owner: Schema.NullOr(Schema.String),
  preparing: Schema.Array(Schema.Struct({ version: Schema.Int, left: Schema.optionalKey(Schema.Int) }))
})
const Held = Schema.Struct({ name: Schema.String, epoch: Schema.BigInt })
const After = Schema.Struct({ processor: Schema.String, after: Schema.String })

/** A row of ours that does not fit our schema, or is not there, is a bug, and nobody can act on it. */
const misfitDies = <A>(
  effect: Effect.Effect<A, SqlError | Schema.SchemaError | Cause.NoSuchElementError>
): Effect.Effect<A, SqlError> =>
  Effect.catchTags(effect, { SchemaError: Effect.die, NoSuchElementError: Effect.die })

/** `server` is the name under which this process is present. */
export const make = Effect.fnUntraced(function*(server: string) {
  const sql = yield* SqlClient

  const selectRegistered = SqlSchema.findAll({
    Request: Schema.Void,
    Result: RegisteredRow,
    execute: () => sql`
      select p.name, p.version, p.consumes, p.emits, p.streams, p.start_from,
        case when millstream.is_held(p) then p.owner end as owner,
        (
          select coalesce(
            json_agg(json_strip_nulls(json_build_object('version', r.version, 'left', r.remaining)) order by r.version),
            '[]'
          )
          from millstream.preparations r
          where r.processor = p.name
            and r.seen > clock_timestamp() - ${preparingSeconds}::float8 * interval '1 second'
        ) as preparing
      from millstream.processors p order by p.name`
  })
  const claimLease = SqlSchema.findOne({
    Request: Schema.Struct({
      processor: Schema.String,
      owner: Schema.String,
      version: Schema.NullOr(Schema.Int),
      server: Schema.NullOr(Schema.String),
      millis: Schema.Finite
    }),
    Result: Schema.Struct({ epoch: Schema.NullOr(Schema.BigInt) }),
    execute: ({ millis, owner, processor, server, version }) => sql`
      select millstream.claim(
        ${processor}::text, ${owner}::text, ${version}::int, ${server}::text, ${millis}::float8) as epoch`
  })
  const advanceCursor = SqlSchema.findOne({
    Request: Held,
    Result: Schema.Struct({ held: Schema.Boolean, paths: Schema.Array(StreamPath), more: Schema.Boolean }),
    execute: ({ epoch, name }) => sql`
      select held, paths, more from millstream.advance(${name}::text, ${epoch}::bigint, ${advancedEvents}::int)`
  })
  const selectUndone = SqlSchema.findAll({
    Request: After,
    Result: Schema.Struct({ path: StreamPath }),
    execute: ({ after, processor }) => sql`
      select path from millstream.undone(${processor}::text, ${after}::text, ${pageInstances}::int) path`
  })
  const openInstance = SqlSchema.findOne({
    Request: Schema.Struct({ ...Held.fields, path: StreamPath }),
    Result: Schema.Struct({ held: Schema.Boolean, life: Schema.NullOr(Schema.BigInt) }),
    execute: ({ epoch, name, path }) => sql`
      select held, life from millstream.open_instance(${name}::text, ${epoch}::bigint, ${path}::text)`
  })
  const selectInstance = SqlSchema.findOneOption({
    Request: Schema.Struct({ processor: Schema.String, life: Schema.BigInt }),
    Result: InstanceRow,
    execute: ({ life, processor }) => sql`
      select * from millstream.instance_rows where stream_id = ${life}::bigint and processor = ${processor}::text`
  })
  // Whole states are shown, so the page is bounded in bytes too.
  const selectInstances = SqlSchema.findAll({
    Request: Schema.Struct({ ...After.fields, limit: Schema.Int }),
    Result: InstanceRow,
    execute: ({ after, limit, processor }) => sql`
      select r.* from (
        select i.stream_id, i.path,
          sum(coalesce(octet_length(i.state), 0) + coalesce(octet_length(i.fibers), 0))
            over (order by i.path rows between unbounded preceding and 1 preceding) as bytes_before
        from (
          select * from millstream.instances i
          where i.processor = ${processor}::text and i.path > ${after}::text collate "C" and i.path <> ''
          order by i.path limit ${limit}::int
        ) i
      ) p
      join millstream.instance_rows r on r.stream_id = p.stream_id and r.processor = ${processor}::text
      where coalesce(p.bytes_before, 0) < ${pageBytes}::int
      order by r.path`
  })
  const selectInstancesOn = SqlSchema.findAll({
    Request: StreamPath,
    Result: InstanceRow,
    execute: (path) => sql`
      select r.* from millstream.streams s join millstream.instance_rows r on r.stream_id = s.id
      where s.path = ${path} order by r.processor`
  })

  const fencedUnless = Effect.fnUntraced(function*(held: boolean, processor: string) {
    if (!held) return yield* new Fenced({ processor, lost: "lease" })
  })

  return {
    register: ({ consumes, emits, processor, startFrom, streams, version }: Registration) =>
      Effect.asVoid(sql`
        select millstream.register_processor(${processor}::text, ${version}::int, ${[...consumes]}::text[],
          ${[...emits]}::text[], ${streams}::text, ${StreamPattern.source(streams)}::text, ${startFrom}::text)`),
    registered: selectRegistered().pipe(
      Effect.map((rows): ReadonlyArray<Registered> =>
        rows.map(({ name, owner, start_from, ...row }) => ({
          ...row,
          processor: name,
          startFrom: start_from,
          owner: owner ?? undefined
        }))
      ),
      misfitDies
    ),
    claim: (
      processor: string,
      owner: string,
      millis: number,
      { isPartOfServer = false, version }: Claimant = {}
    ): Effect.Effect<Option.Option<Lease>, SqlError> =>
      claimLease({ processor, owner, millis, version: version ?? null, server: isPartOfServer ? server : null }).pipe(
        Effect.map(({ epoch }) => Option.map(Option.fromNullOr(epoch), (held) => ({ processor, epoch: held }))),
        misfitDies
      ),
    release: ({ epoch, processor }: Lease) =>
      Effect.asVoid(sql`
        update millstream.processors set owner = null, until = null
        where name = ${processor}::text and epoch = ${epoch}::bigint`),
    advance: ({ epoch, processor }: Lease) =>
      advanceCursor({ name: processor, epoch }).pipe(
        misfitDies,
        Contention.retry,
        Effect.tap(({ held }) => fencedUnless(held, processor)),
        Effect.map(({ more, paths }) => ({ paths, more }))
      ),
    undone: (processor: string, after: string) =>
      selectUndone({ processor, after }).pipe(Effect.map((rows) => rows.map(({ path }) => path)), misfitDies),
    open: ({ epoch, processor }: Lease, path: StreamPath) =>
      openInstance({ name: processor, epoch, path }).pipe(
        misfitDies,
        Effect.tap(({ held }) => fencedUnless(held, processor)),
        Effect.flatMap(({ life }) =>
          life === null ? Effect.succeedNone : misfitDies(selectInstance({ processor, life }))
        ),
        Effect.map(Option.map(instanceOf))
      ),
    instances: (
      processor: string,
      after: string,
      limit = pageInstances
    ): Effect.Effect<ReadonlyArray<Instance>, SqlError> =>
      selectInstances({ processor, after, limit }).pipe(Effect.map((rows) => rows.map(instanceOf)), misfitDies),
    instancesOn: (path: StreamPath): Effect.Effect<ReadonlyMap<string, Instance>, SqlError> =>
      selectInstancesOn(path).pipe(
        Effect.map((rows) => new Map(rows.map((row) => [row.processor, instanceOf(row)]))),
        misfitDies
      )
  }
})
