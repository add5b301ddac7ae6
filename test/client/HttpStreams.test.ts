/** `Streams` over HTTP, against the routes of the service on a log in Postgres. */
import { Effect, Layer } from "effect"
import * as Client from "../../src/client/Client.ts"
import { layerOver, TestServer } from "../http/TestServer.ts"
import { suite } from "../StreamsSuite.ts"
import * as TestPostgres from "../TestPostgres.ts"

const client = Layer.unwrap(Effect.map(TestServer, ({ port }) => Client.layer({ baseUrl: `http://127.0.0.1:${port}` })))

suite("over HTTP", client.pipe(Layer.provide(Layer.unwrap(Effect.map(
  Layer.build(TestPostgres.log),
  (log) => layerOver(Layer.succeedContext(log))
)))))
