/** `millstream causes PATH OFFSET`: the events that led to one, or with `--effects` all that it led to. */
import { Effect } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { moreHeader } from "../api/InspectApi.ts"
import * as Connection from "../client/Connection.ts"
import * as Output from "./Output.ts"
import * as Reading from "./Reading.ts"
import * as Server from "./Server.ts"

export const command = Command.make(
  "causes",
  {
    path: Reading.path,
    offset: Argument.Int("offset").pipe(Argument.withDescription("Which event of the stream")),
    effects: Flag.Boolean("effects").pipe(
      Flag.withDescription("What the event led to, instead of what led to it"),
      Flag.withDefault(false)
    ),
    format: Reading.format
  },
  Effect.fnUntraced(function*({ effects, format, offset, path }) {
    const connection = yield* Server.connection()
    const answer = yield* connection.send({
      method: "GET",
      path: `/api/causes${yield* Connection.judgePath(path)}`,
      query: { offset, effects: effects ? "" : undefined, format, pretty: format === "json" ? "" : undefined },
      accept: Reading.accepted[format]
    })
    yield* Reading.print(answer, format)
    if (answer.headers[moreHeader] === "true") {
      yield* Output.note("There are more: only those the fewest steps away from the event are shown\n")
    }
  })
).pipe(
  Command.withDescription("Print the events that led to one, oldest first, or what it led to"),
  Command.withExamples([
    { command: "millstream causes /agents/ada 7" },
    { command: "millstream causes /agents/ada 7 --effects", description: "All that it led to, across streams" }
  ])
)
