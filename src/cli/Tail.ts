/** `millstream tail PATH`: the events that exist and then those that come, until Ctrl-C. */
import { Effect } from "effect"
import { Command, Flag } from "effect/cli"
import * as Connection from "../client/Connection.ts"
import * as Output from "./Output.ts"
import * as Reading from "./Reading.ts"
import * as Server from "./Server.ts"
import * as TextTail from "./TextTail.ts"

const format = Flag.Literals("format", ["yaml", "ndjson"]).pipe(
  Flag.withDescription("yaml, or ndjson (one event a line)"),
  Flag.withDefault("yaml")
)

export const command = Command.make(
  "tail",
  {
    path: Reading.path,
    ...Reading.selection,
    format
  },
  Effect.fnUntraced(function*({ format, path, ...options }) {
    const connection = yield* Server.connection()
    const url = `/api/streams${yield* Connection.judgePath(path)}`
    const lines = TextTail.tail(connection, url, format, Reading.query(options))
    yield* Output.print(Reading.painted(lines, format))
  })
).pipe(
  Command.withDescription("Print the events that exist and then those that come; it resumes after any disconnect"),
  Command.withExamples([{ command: "millstream tail /agents/ada --after end" }])
)
