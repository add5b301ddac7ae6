/** What commands that print events share: their arguments, and colours where a person looks. */
import { Effect, Option, Stream } from "effect"
import { Argument, Flag, TerminalCapabilities } from "effect/cli"
import type { Answer } from "../client/Connection.ts"
import * as Lines from "../client/Lines.ts"
import * as Problem from "../client/Problem.ts"
import * as Output from "./Output.ts"
import * as YamlColour from "./YamlColour.ts"

export const path = Argument.String("path").pipe(Argument.withDescription("Path of the stream, such as /agents/ada"))

const after = Flag.String("after").pipe(
  Flag.withDescription("Only events after this offset: a number, start or end"),
  Flag.withMetavar("OFFSET"),
  Flag.optional
)

const last = Flag.Int("last").pipe(
  Flag.withDescription("Start this many events before the end"),
  Flag.withMetavar("N"),
  Flag.optional
)

const limit = Flag.Int("limit").pipe(
  Flag.withDescription("Stop after this many events"),
  Flag.withMetavar("N"),
  Flag.optional
)

const types = Flag.String("types").pipe(
  Flag.withDescription("Only events of these types, separated by commas"),
  Flag.withMetavar("A,B"),
  Flag.optional
)

export const format = Flag.Literals("format", ["yaml", "json", "ndjson"]).pipe(
  Flag.withDescription("yaml, json (one array) or ndjson (one event a line)"),
  Flag.withDefault("yaml")
)
export type Format = keyof typeof accepted

/** The media type of each format. */
export const accepted = { yaml: "application/yaml", json: "application/json", ndjson: "application/x-ndjson" } as const

/** Which events of a stream. */
export const selection = { after, last, types, limit }

export interface Options {
  readonly after: Option.Option<string>
  readonly last: Option.Option<number>
  readonly limit: Option.Option<number>
  readonly types: Option.Option<string>
}

/** The flags as parameters of a read; the server judges them. */
export const query = ({ after, last, limit, types }: Options) => ({
  afterOffset: Option.getOrUndefined(after),
  last: Option.getOrUndefined(last),
  limit: Option.getOrUndefined(limit),
  types: Option.getOrUndefined(types)
})

/** Lines as text to print, in colour where it is YAML on a terminal and NO_COLOR is not set. */
export const painted = <E, R>(lines: Stream.Stream<string, E, R>, format: string): Stream.Stream<string, E, R> =>
  Stream.unwrap(Effect.map(TerminalCapabilities.TerminalCapabilities, ({ canColor }) =>
    format === "yaml" && canColor
      ? Stream.mapAccum(lines, () => YamlColour.initial, (state, line) => {
        const [next, coloured] = YamlColour.colour(state, line)
        return [next, [`${coloured}\n`]]
      })
      : Stream.map(lines, (line) => `${line}\n`)))

/** Prints the events of a closed answer. */
export const print = Effect.fnUntraced(function*(answer: Answer, format: Format) {
  if (format === "json") return yield* Output.line(yield* answer.text)
  const cut = () => Problem.noAnswer(answer.url, "it was cut off; the output is not whole")
  const lines = Lines.fromBytes(answer.bytes, cut)
  yield* Output.print(painted(Stream.filter(lines, (line) => line !== "" || format === "yaml"), format))
})
