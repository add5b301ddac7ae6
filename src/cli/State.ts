/** `millstream state PATH`: what can be told of a stream without its history. */
import { Effect } from "effect"
import { Argument, Command } from "effect/cli"
import * as Connection from "../client/Connection.ts"
import * as Output from "./Output.ts"
import * as Server from "./Server.ts"

export const command = Command.make(
  "state",
  { path: Argument.String("path").pipe(Argument.withDescription("Path of the stream")) },
  Effect.fnUntraced(function*({ path }) {
    const connection = yield* Server.connection()
    const url = `/api/state${yield* Connection.judgePath(path)}`
    const answer = yield* connection.send({
      method: "GET",
      path: url,
      query: { pretty: "" },
      accept: "application/json"
    })
    yield* Output.line(yield* answer.text)
  })
).pipe(Command.withDescription("Print head, metadata, circuit breaker and whether the stream is paused, as JSON"))
