/** What a Postgres is refused for before anything is written to it. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { Connection } from "effect/sql/SqlConnection"
import * as PgSetup from "../../src/log/PgSetup.ts"
import * as TestPostgres from "../TestPostgres.ts"

/** What a client sees behind a pooler in transaction mode, which picks a session of Postgres for each statement. */
const pooled = Effect.fnUntraced(function*(pick: (statement: number) => number) {
  const client = yield* PgClient.PgClient
  const sessions = [yield* client.reserve, yield* client.reserve, yield* client.reserve]
  let statements = 0
  const lent = (session: Connection): Connection => ({
    ...session,
    executeValues: (sql, parameters) =>
      (sessions[pick(statements++)] ?? session).executeValues(sql, parameters)
  })
  const reserve = Effect.map(client.reserve, lent)
  return new Proxy(client, {
    get: (target, name) => name === "reserve" ? reserve : Reflect.get(target, name)
  })
})

layer(TestPostgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("a pooler", (it) => {
  const poolers = {
    "that goes round two sessions": (statement: number) => statement % 2,
    "that goes round three": (statement: number) => statement % 3,
    // As an idle one does: a client that looks only at itself notices nothing.
    "that prefers the session used last": () => 0
  }
  for (const [name, pick] of Object.entries(poolers)) {
    it.effect(`${name} is refused, with what to do`, () =>
      Effect.gen(function*() {
        const client = yield* pooled(pick)
        const error = yield* Effect.flip(Effect.provideService(PgSetup.run, PgClient.PgClient, client))
        assert.strictEqual(error._tag, "SetupError")
        assert.include(error.message, "pooler in transaction mode")
        assert.include(error.message, "use its session mode")
        const made = yield* client`select 1 from information_schema.schemata where schema_name = 'millstream'`
        assert.isEmpty(made)
      }))
  }

  it.effect("is told from Postgres itself", () => PgSetup.run)
})
