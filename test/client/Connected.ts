/** A client of a server that follows a script. */
import { Effect } from "effect"
import { FetchHttpClient } from "effect/http"
import * as Client from "../../src/client/Client.ts"
import * as FakeServer from "./FakeServer.ts"

export const connect = Effect.fnUntraced(function*(
  script: ReadonlyArray<FakeServer.Answer>,
  options: Omit<Client.Options, "baseUrl"> = {}
) {
  const server = yield* FakeServer.make(script)
  const client = yield* Client.make({ baseUrl: `${server.baseUrl}/`, ...options }).pipe(
    Effect.provide(FetchHttpClient.layer)
  )
  return { client, server }
})
