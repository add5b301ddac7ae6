/** The Postgres that the log is kept in: one that is in scope already, one at a URL, or one of the service's own. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Effect, Layer, Option } from "effect"
import { SqlClient } from "effect/sql/SqlClient"
import * as EmbeddedPostgres from "./log/EmbeddedPostgres.ts"
import { ServiceConfig } from "./ServiceConfig.ts"

export class Database extends Context.Service<Database, {
  /** Tells a second service that wants the same data folder where this one is. */
  readonly announce: (url: string) => Effect.Effect<void>
}>()("millstream/Database") {}

const silent = Layer.succeed(Database, { announce: () => Effect.void })

/** A program that embeds the log and has a client of its own keeps one pool. */
const given = (client: PgClient.PgClient) =>
  Layer.succeedContext(Context.make(PgClient.PgClient, client).pipe(Context.add(SqlClient, client)))

export const layer = Layer.unwrap(Effect.gen(function*() {
  const client = yield* Effect.serviceOption(PgClient.PgClient)
  if (Option.isSome(client)) return Layer.merge(given(client.value), silent)
  const { dataDir, databaseConnections: maxConnections, databaseUrl: url } = yield* ServiceConfig
  const applicationName = "millstream"
  if (url !== undefined) return Layer.merge(PgClient.layer({ url, maxConnections, applicationName }), silent)
  return Layer.unwrap(Effect.map(EmbeddedPostgres.make({ dataDir }), ({ announce, credentials }) =>
    Layer.merge(
      PgClient.layer({ ...credentials, maxConnections, applicationName }),
      Layer.succeed(Database, { announce })
    )))
}))
