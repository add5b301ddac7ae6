/** Changes an instance in Postgres at a person's word, in one transaction with the event that tells of it. */
import { Effect, Option, Result, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"
import { propose } from "../domain/EventText.ts"
import type { NotFound } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Admission from "./Admission.ts"
import type { Change, Instance } from "./Checkpoints.ts"
import * as Contention from "./Contention.ts"
import { unwritten } from "./CoreState.ts"
import type * as Group from "./Group.ts"
import * as InstanceChange from "./InstanceChange.ts"
import { InstanceRow, instanceOf } from "./InstanceRow.ts"
import type { LogClock } from "./LogClock.ts"
import type { PgCommitter } from "./PgCommitter.ts"

export const make = Effect.fnUntraced(function*(committer: PgCommitter, clock: LogClock) {
  const sql = yield* SqlClient

  const lockInstance = SqlSchema.findOneOption({
    Request: Schema.Struct({ processor: Schema.String, life: Schema.BigInt }),
    Result: Schema.Struct({ stream_id: Schema.BigInt }),
    execute: ({ life, processor }) => sql`
      select stream_id from millstream.instances
      where stream_id = ${life}::bigint and processor = ${processor}::text for update`
  })
  const selectInstance = SqlSchema.findOne({
    Request: Schema.Struct({ processor: Schema.String, life: Schema.BigInt }),
    Result: InstanceRow,
    execute: ({ life, processor }) => sql`
      select * from millstream.instance_rows where stream_id = ${life}::bigint and processor = ${processor}::text`
  })
  const update = (processor: string, { busy, fibers, life, parked, revision, skipped, state }: Instance) =>
    sql`
      update millstream.instances
      set revision = ${BigInt(revision)}::bigint, state = ${state ?? null}::text, fibers = ${fibers ?? null}::text,
        busy = ${busy}::boolean, skipped = ${skipped.map(BigInt)}::bigint[],
        parked_offset = ${parked === undefined ? null : BigInt(parked.offset)}::bigint,
        parked_error = ${parked === undefined ? null : JSON.stringify(parked.error)}::text
      where stream_id = ${life}::bigint and processor = ${processor}::text`

  const changed = Effect.fnUntraced(function*(processor: string, path: StreamPath, change: Change) {
    const view = yield* committer.lockedHeads([path])
    const life = view.get(path)?.id
    const locked = life === undefined ? Option.none() : yield* lockInstance({ processor, life })
    if (Option.isNone(locked)) return yield* InstanceChange.missing(processor, path)
    // Read once it is locked: another statement sees what was written while this one waited.
    const before = instanceOf(yield* selectInstance({ processor, life: locked.value.stream_id }))
    const { event, instance } = yield* Effect.fromResult(InstanceChange.apply(processor, before, change))
    const { events, heads } = Result.getOrThrow(Admission.admit(
      { get: (each) => view.get(each) ?? unwritten },
      { path, events: [propose(event)], byServer: true },
      { now: clock.now(), breaker: "off" }
    ))
    const plan: Group.Plan = { decisions: [], events, heads, looked: view, asked: new Map(), commits: [] }
    yield* update(processor, instance)
    if (change._tag === "Refold") {
      yield* sql`
        delete from millstream.snapshots
        where stream_id = ${before.life}::bigint and processor = ${processor}::text`
    }
    const verdict = yield* committer.write(undefined, plan)
    return verdict._tag === "Written" ? plan : yield* Effect.die(`A locked head was ${verdict._tag}`)
  })

  /** Returns what was written to the log. */
  return (processor: string, path: StreamPath, change: Change): Effect.Effect<Group.Plan, SqlError | NotFound> =>
    Contention.retry(committer.transaction(changed(processor, path, change))).pipe(
      Effect.catchTags({ SchemaError: Effect.die, NoSuchElementError: Effect.die })
    )
})
