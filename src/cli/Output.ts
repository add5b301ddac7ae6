/** What commands print: text on standard output at the reader's pace, notes on standard error. */
import { Effect, Stdio, Stream } from "effect"

/** Prints chunks as they come. */
export const print = <E, R>(text: Stream.Stream<string, E, R>) =>
  Effect.flatMap(Stdio.Stdio, (stdio) => Stream.run(text, stdio.stdout()))

/** Prints one line, and ends it where it is not. */
export const line = (text: string) => print(Stream.make(text.endsWith("\n") ? text : `${text}\n`))

/** Says something beside the output. */
export const note = (text: string) =>
  Effect.flatMap(Stdio.Stdio, (stdio) => Stream.run(Stream.make(text), stdio.stderr()))
