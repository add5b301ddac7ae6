/** A pattern's regular expression, as Postgres reads it. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { SqlClient } from "effect/sql"
import * as fc from "fast-check"
import * as StreamPattern from "../../src/domain/StreamPattern.ts"
import { path, pattern } from "../domain/Patterns.ts"
import * as TestPostgres from "../TestPostgres.ts"

layer(TestPostgres.layer, { excludeTestServices: true })("patterns in Postgres", (it) => {
  it.effect("match what they match here", () =>
    Effect.gen(function*() {
      const sql = yield* SqlClient.SqlClient
      const pairs = fc.sample(fc.tuple(pattern, path), 5_000).map(([pattern, path]) => ({
        expression: StreamPattern.source(pattern),
        path,
        matches: StreamPattern.matcher(pattern)(path)
      }))
      const rows = yield* sql<{ readonly matches: boolean }>`
        SELECT pair ->> 'path' ~ (pair ->> 'expression') AS matches
        FROM jsonb_array_elements(${JSON.stringify(pairs)}::jsonb) WITH ORDINALITY AS each (pair, place) ORDER BY place`
      const differing = pairs.filter(({ matches }, index) => rows[index]?.matches !== matches)
      assert.deepStrictEqual(differing, [])
      assert.isAbove(pairs.filter(({ matches }) => matches).length, 500)
    }))
})
