/** `millstream read PATH`: the events that exist. */
import { Effect, Stream } from "effect"
import { Command, Flag } from "effect/cli"
import * as Connection from "../client/Connection.ts"
import * as Lines from "../client/Lines.ts"
import * as Problem from "../client/Problem.ts"
import * as Output from "./Output.ts"
import * as Reading from "./Reading.ts"
import * as Server from "./Server.ts"

const format = Flag.Literals("format", ["yaml", "json", "ndjson"]).pipe(
  Flag.withDescription("yaml, json (one array) or ndjson (one event a line)"),
  Flag.withDefault("yaml")
)

const accepted = { yaml: "application/yaml", json: "application/json", ndjson: "application/x-ndjson" } as const

export const command = Command.make(
  "read",
  {
    path: Reading.path,
    after: Reading.after,
    last: Reading.last,
    types: Reading.types,
    limit: Reading.limit,
    format
  },
  Effect.fnUntraced(function*({ format, path, ...options }) {
    const connection = yield* Server.connection()
    const answer = yield* connection.send({
      method: "GET",
      path: `/api/streams${yield* Connection.judgePath(path)}`,
      query: { ...Reading.query(options), live: "false", format, pretty: format === "json" ? "" : undefined },
      accept: accepted[format]
    })
    if (format === "json") {
      const text = yield* answer.text
      return yield* Output.line(text)
    }
    const cut = () => Problem.noAnswer(answer.url, "it was cut off; the output is not whole")
    const lines = Lines.fromBytes(answer.bytes, cut)
    yield* Output.print(Reading.painted(Stream.filter(lines, (line) => line !== "" || format === "yaml"), format))
  })
).pipe(
  Command.withDescription("Print the events that exist"),
  Command.withExamples([
    { command: "millstream read /agents/ada --last 10" },
    { command: "millstream read / --format ndjson > root.ndjson", description: "Keep a copy" }
  ])
)
