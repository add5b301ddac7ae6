/** A Postgres of its own in a temporary folder, for tests of what is kept there; it ends with the layer. */
import { NodeServices } from "@effect/platform-node"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Effect, FileSystem, Layer } from "effect"
import * as EmbeddedPostgres from "../src/log/EmbeddedPostgres.ts"
import { Growth } from "../src/log/Growth.ts"
import * as PgEventStore from "../src/log/PgEventStore.ts"
import * as PostgresTemplate from "./PostgresTemplate.ts"

/** A folder with a new cluster, that other users may pass through: started as root, Postgres runs as one of them. */
export const dataFolder = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped({ prefix: "millstream-test-" })
  yield* fs.chmod(folder, 0o755)
  yield* Effect.promise(() => PostgresTemplate.copyTo(`${folder}/data`))
  return `${folder}/data`
})

/** The client of a Postgres that has no tables yet. */
export const layer = Layer.unwrap(Effect.gen(function*() {
  const { credentials } = yield* EmbeddedPostgres.make({ dataDir: yield* dataFolder })
  return PgClient.layer({ ...credentials, maxConnections: 5 })
})).pipe(Layer.provide(NodeServices.layer))

/** The log over the client in scope, with the breaker that a service has by default. */
export const logOver = PgEventStore.layer({ breaker: { capacity: 100, refillPerSecond: 100 } }).pipe(
  Layer.provideMerge(Growth.layer)
)

/** The log on a Postgres of its own. */
export const log = logOver.pipe(Layer.provideMerge(layer))
