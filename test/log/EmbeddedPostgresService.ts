/** A service that only holds an embedded Postgres, as a process of its own: a test kills it. */
import { NodeRuntime, NodeServices } from "@effect/platform-node"
import { Console, Effect } from "effect"
import * as EmbeddedPostgres from "../../src/log/EmbeddedPostgres.ts"

Effect.gen(function*() {
  const postgres = yield* EmbeddedPostgres.make({ dataDir: process.argv[2] ?? "" })
  yield* postgres.announce("http://127.0.0.1:4000")
  yield* Console.log(`port ${postgres.credentials.port}`)
  return yield* Effect.never
}).pipe(Effect.scoped, Effect.provide(NodeServices.layer), NodeRuntime.runMain)
