/** `millstream read PATH`: the events that exist. */
import { Effect } from "effect"
import { Command } from "effect/cli"
import * as Connection from "../client/Connection.ts"
import * as Reading from "./Reading.ts"
import * as Server from "./Server.ts"

export const command = Command.make(
  "read",
  {
    path: Reading.path,
    ...Reading.selection,
    format: Reading.format
  },
  Effect.fnUntraced(function*({ format, path, ...options }) {
    const connection = yield* Server.connection()
    const answer = yield* connection.send({
      method: "GET",
      path: `/api/streams${yield* Connection.judgePath(path)}`,
      query: { ...Reading.query(options), live: "false", format, pretty: format === "json" ? "" : undefined },
      accept: Reading.accepted[format]
    })
    yield* Reading.print(answer, format)
  })
).pipe(
  Command.withDescription("Print the events that exist"),
  Command.withExamples([
    { command: "millstream read /agents/ada --last 10" },
    { command: "millstream read / --format ndjson > root.ndjson", description: "Keep a copy" }
  ])
)
