/** The row of an instance in Postgres, and the instance that it is. */
import { Schema } from "effect"
import { StreamPath } from "../domain/StreamPath.ts"
import type { Instance } from "./Checkpoints.ts"

/** A row of the view `instance_rows`. */
export const InstanceRow = Schema.Struct({
  processor: Schema.String,
  path: StreamPath,
  stream_id: Schema.BigInt,
  revision: Schema.BigInt,
  version: Schema.Int,
  offset: Schema.BigInt,
  hooks_after: Schema.BigInt,
  state: Schema.NullOr(Schema.String),
  fibers: Schema.NullOr(Schema.String),
  busy: Schema.Boolean,
  parked_offset: Schema.NullOr(Schema.BigInt),
  parked_error: Schema.NullOr(Schema.fromJsonString(Schema.String)),
  skipped: Schema.Array(Schema.BigInt),
  head: Schema.BigInt,
  added_types: Schema.NullOr(Schema.Array(Schema.Struct({ type: Schema.String, hooksAfter: Schema.Int }))),
  cursors: Schema.NullOr(Schema.fromJsonString(Schema.Array(Schema.Tuple([
    /** Kind and key. */
    Schema.fromJsonString(Schema.Tuple([Schema.String, Schema.String])),
    Schema.String
  ]))))
})

export const instanceOf = (row: typeof InstanceRow.Type): Instance => ({
  path: row.path,
  life: row.stream_id,
  revision: Number(row.revision),
  version: row.version,
  offset: Number(row.offset),
  head: Number(row.head),
  hooksAfter: Number(row.hooks_after),
  addedTypes: row.added_types ?? [],
  state: row.state ?? undefined,
  fibers: row.fibers ?? undefined,
  busy: row.busy,
  parked: row.parked_offset === null
    ? undefined
    : { offset: Number(row.parked_offset), error: row.parked_error ?? "" },
  skipped: row.skipped.map(Number),
  cursors: (row.cursors ?? []).map(([[kind, key], value]) => ({ kind, key, value }))
})
