/** Which streams there are, from their rows in Postgres. */
import { Effect, Option, Schema } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import * as SqlSchema from "effect/sql/SqlSchema"
import { maxChildren } from "../domain/Bounds.ts"
import { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import type { Head } from "./CoreState.ts"
import type { Child, ChildrenOptions } from "./Directory.ts"
import { HeadRow, headOf } from "./HeadRow.ts"

const ChildRow = Schema.Struct({
  path: StreamPath,
  head: Schema.BigInt,
  created_at: Schema.Date,
  updated_at: Schema.Date,
  children: Schema.BigInt
})

const Below = Schema.Struct({ path: StreamPath, after: Schema.String, limit: Schema.Int })

export const make = Effect.gen(function*() {
  const sql = yield* SqlClient

  const selectHead = SqlSchema.findOneOption({
    Request: StreamPath,
    Result: HeadRow,
    execute: (path) => sql`
      select path, id, head, state, created_at, updated_at, deleted_at from millstream.streams where path = ${path}`
  })
  const countChildren = sql`(select count(*) from millstream.streams c where c.parent = s.path and c.deleted_at is null)`
  const selectChildren = SqlSchema.findAll({
    Request: Below,
    Result: ChildRow,
    execute: ({ after, limit, path }) => sql`
      select s.path, s.head, s.created_at, s.updated_at, ${countChildren} as children from millstream.streams s
      where s.parent = ${path} and s.path > ${after} and s.deleted_at is null
      order by s.path limit ${limit}::int`
  })
  // Everything below /a lies between "/a/" and "/a0", since 0 follows the slash.
  const selectBelow = SqlSchema.findAll({
    Request: Below,
    Result: ChildRow,
    execute: ({ after, limit, path }) => {
      const below = path === Path.root ? "/" : `${path}/`
      return sql`
        select s.path, s.head, s.created_at, s.updated_at, ${countChildren} as children from millstream.streams s
        where s.path > ${after > below ? after : below} and s.path < ${`${below.slice(0, -1)}0`}
          and s.deleted_at is null
        order by s.path limit ${limit}::int`
    }
  })

  return {
    describe: (path: StreamPath): Effect.Effect<Option.Option<Head>, SqlError> =>
      selectHead(path).pipe(
        Effect.map(Option.map(headOf)),
        Effect.catchTag("SchemaError", Effect.die)
      ),
    children: (path: StreamPath, options: ChildrenOptions): Effect.Effect<ReadonlyArray<Child>, SqlError> => {
      const limit = Math.min(options.limit, maxChildren)
      return (options.recursive ? selectBelow : selectChildren)({ path, after: options.after ?? "", limit }).pipe(
        Effect.map((rows) =>
          rows.map((row) => ({
            path: row.path,
            head: Number(row.head),
            createdAt: row.created_at.getTime(),
            updatedAt: row.updated_at.getTime(),
            children: Number(row.children)
          }))
        ),
        Effect.catchTag("SchemaError", Effect.die)
      )
    }
  }
})
