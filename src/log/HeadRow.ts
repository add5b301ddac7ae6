/** The row of a stream in Postgres, and the head that it is. */
import { Schema } from "effect"
import { StreamPath } from "../domain/StreamPath.ts"
import type { Head } from "./CoreState.ts"
import * as CoreState from "./CoreState.ts"

/** The columns path, id, head, state, created_at, updated_at and deleted_at. */
export const HeadRow = Schema.Struct({
  path: StreamPath,
  id: Schema.BigInt,
  head: Schema.BigInt,
  state: CoreState.Stored,
  created_at: Schema.Date,
  updated_at: Schema.Date,
  deleted_at: Schema.NullOr(Schema.Date)
})

export const headOf = (row: typeof HeadRow.Type): Head => ({
  id: row.id,
  offset: Number(row.head),
  exists: row.deleted_at === null,
  createdAt: row.created_at.getTime(),
  updatedAt: row.updated_at.getTime(),
  core: row.state
})
