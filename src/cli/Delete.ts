/** `millstream delete PATH`: removes the events of a stream, or of all below it too. */
import { Effect } from "effect"
import { Argument, Command, Flag, Prompt, TerminalCapabilities } from "effect/cli"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Server from "./Server.ts"

export const command = Command.make(
  "delete",
  {
    path: Argument.String("path").pipe(Argument.withDescription("Path of the stream")),
    recursive: Flag.Boolean("recursive").pipe(
      Flag.withAlias("r"),
      Flag.withDescription("All streams below it too"),
      Flag.withDefault(false)
    ),
    yes: Flag.Boolean("yes").pipe(Flag.withAlias("y"), Flag.withDescription("Do not ask"), Flag.withDefault(false))
  },
  Effect.fnUntraced(function*({ path, recursive, yes }) {
    const streams = yield* Server.streams
    const { canPrompt } = yield* TerminalCapabilities.TerminalCapabilities
    if (recursive && !yes && canPrompt) {
      const sure = yield* Prompt.run(Prompt.Confirm({ message: `Delete ${path} and everything below it?` })).pipe(
        Effect.catchTag("QuitError", () => Effect.interrupt)
      )
      if (!sure) return yield* Failure.failed("Nothing was deleted")
    }
    const deleted = yield* streams.delete(path, { recursive })
    if (deleted.length === 0) return yield* Output.note(`There was nothing at ${path}\n`)
    yield* Output.line(deleted.join("\n"))
  })
).pipe(Command.withDescription("Remove the events of a stream and print which streams had any"))
