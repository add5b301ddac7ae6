/** `millstream example TYPE`: a command that appends an event of a control type, ready to be changed and run. */
import { Effect, Schema } from "effect"
import { Argument, Command } from "effect/cli"
import * as Connection from "../client/Connection.ts"
import * as Output from "./Output.ts"
import * as Server from "./Server.ts"

/** As much of the answer as is printed. */
const Described = Schema.Struct({ example: Schema.Json })

/** As a shell takes it for one word. */
const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

export const command = Command.make(
  "example",
  { type: Argument.String("type").pipe(Argument.withDescription("A control event, such as stream/paused")) },
  Effect.fnUntraced(function*({ type }) {
    const connection = yield* Server.connection()
    const path = `/api/types/${encodeURIComponent(type)}`
    const { example } = yield* Connection.json(connection, { method: "GET", path }, Described)
    yield* Output.line(`curl -d ${quoted(JSON.stringify(example))} ${connection.baseUrl}/api/streams/your/stream`)
  })
).pipe(
  Command.withDescription("Print a curl command that appends an event of a control type"),
  Command.withExamples([{ command: "millstream example stream/circuit-breaker-configured" }])
)
