/** `millstream append PATH [TYPE]`: records an event, a batch, or a file of events. */
import { Effect, FileSystem, Option, Stdio, Stream } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { PlatformError } from "effect/PlatformError"
import * as Connection from "../client/Connection.ts"
import * as AppendBody from "./AppendBody.ts"
import * as AppendFile from "./AppendFile.ts"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Server from "./Server.ts"

/** Characters read from standard input: what the server takes in one request. */
const maxInput = 8 * 1_024 * 1_024

const input = Effect.gen(function*() {
  const { stdin } = yield* Stdio.Stdio
  const text = yield* stdin.pipe(
    Stream.decodeText,
    Stream.runFoldEffect(() => "", (text, more) =>
      text.length + more.length > maxInput
        ? Effect.fail(Failure.usage("That is more than one request takes: --ndjson - sends many events in batches"))
        : Effect.succeed(text + more))
  )
  return { form: "any", text } satisfies AppendBody.Source
})

/** A file that cannot be read is the caller's to correct. */
const fileOf = Effect.fnUntraced(function*(file: string) {
  const stdio = yield* Stdio.Stdio
  const files = yield* FileSystem.FileSystem
  const unreadable = ({ message, reason }: PlatformError) =>
    Failure.failed(`${file} cannot be read: ${reason._tag === "NotFound" ? "there is no such file" : message}`)
  if (file === "-") return { bytes: Stream.mapError(stdio.stdin, unreadable), size: undefined }
  const { size } = yield* Effect.mapError(files.stat(file), unreadable)
  return { bytes: Stream.mapError(files.stream(file), unreadable), size: Number(size) }
})

export const command = Command.make(
  "append",
  {
    path: Argument.String("path").pipe(Argument.withDescription("Path of the stream; it is made if it is not there")),
    rest: Argument.String("type").pipe(
      Argument.withDescription("Type of the event, then - to take the payload from standard input"),
      Argument.atMost(2)
    ),
    json: Flag.String("json").pipe(
      Flag.withDescription("The payload, or without a type the whole event or batch, as JSON"),
      Flag.withMetavar("TEXT"),
      Flag.optional
    ),
    yaml: Flag.String("yaml").pipe(
      Flag.withDescription("The same as YAML"),
      Flag.withMetavar("TEXT"),
      Flag.optional
    ),
    ndjson: Flag.String("ndjson").pipe(
      Flag.withDescription("A file of events, one a line, or -; run again, it goes on where it ended"),
      Flag.withMetavar("FILE"),
      Flag.optional
    ),
    name: Flag.String("name").pipe(
      Flag.withDescription("Name of that file in its idempotency keys; its first line names it otherwise"),
      Flag.optional
    )
  },
  Effect.fnUntraced(function*({ json, name, ndjson, path, rest, yaml }) {
    const judged = yield* Connection.judgePath(path)
    const fromInput = rest.at(-1) === "-"
    const [type, ...others] = fromInput ? rest.slice(0, -1) : rest
    if (others.length > 0) return yield* Failure.usage(`${others.join(" ")} is one argument too many`)
    const sources = [json, yaml, ndjson].filter(Option.isSome).length + (fromInput ? 1 : 0)
    if (sources > 1) return yield* Failure.usage("Give only one of --json, --yaml, --ndjson and -")

    if (Option.isSome(ndjson)) {
      if (type !== undefined) return yield* Failure.usage("The lines of a file name their types: leave TYPE out")
      const { bytes, size } = yield* fileOf(ndjson.value)
      const connection = yield* Server.connection(Server.patient)
      return yield* AppendFile.append({ connection, path: judged, bytes, size, name: Option.getOrUndefined(name) })
    }

    const source: AppendBody.Source | undefined = fromInput
      ? yield* input
      : Option.isSome(json)
      ? { form: "json", text: json.value }
      : Option.isSome(yaml)
      ? { form: "yaml", text: yaml.value }
      : undefined
    const body = yield* Effect.fromResult(AppendBody.make(type, source))
    const connection = yield* Server.connection()
    const answer = yield* connection.send({
      method: "POST",
      path: `/api/streams${judged}`,
      query: { pretty: "" },
      accept: "application/json",
      body
    })
    yield* Output.line(yield* answer.text)
  })
).pipe(
  Command.withDescription("Record an event, a batch of events, or a file of them, and print what was recorded"),
  Command.withExamples([
    { command: "millstream append /agents/ada ping --json '{\"n\":1}'" },
    { command: "millstream append /agents/ada --yaml 'type: ping'", description: "The whole event" },
    { command: "millstream append /agents/ada --ndjson a.ndjson", description: "Many, at the stream's pace" }
  ])
)
