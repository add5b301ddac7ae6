/** `millstream state PATH`: what can be told of a stream and its processors, now or as of an offset. */
import { Effect, Option } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import * as Connection from "../client/Connection.ts"
import * as Output from "./Output.ts"
import * as Server from "./Server.ts"

export const command = Command.make(
  "state",
  {
    path: Argument.String("path").pipe(Argument.withDescription("Path of the stream")),
    at: Flag.Int("at").pipe(
      Flag.withDescription("What processors had made of it as of this offset, folded from the log"),
      Flag.withMetavar("OFFSET"),
      Flag.optional
    ),
    processor: Flag.String("processor").pipe(
      Flag.withDescription("Only the state of this processor"),
      Flag.withMetavar("NAME"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function*({ at, path, processor }) {
    const connection = yield* Server.connection()
    const url = `/api/state${yield* Connection.judgePath(path)}`
    const answer = yield* connection.send({
      method: "GET",
      path: url,
      query: { at: Option.getOrUndefined(at), processor: Option.getOrUndefined(processor), pretty: "" },
      accept: "application/json"
    })
    yield* Output.line(yield* answer.text)
  })
).pipe(
  Command.withDescription("Print head, metadata, circuit breaker, pause, and the states of processors, as JSON"),
  Command.withExamples([
    { command: "millstream state /agents/ada" },
    { command: "millstream state /agents/ada --processor agent --at 7", description: "What its state was" }
  ])
)
