/** `millstream ls [PREFIX]`: the streams below a path as a tree, each with the offset of its last event. */
import { Effect, Option, Stdio } from "effect"
import { Argument, Command } from "effect/cli"
import { maxChildren } from "../domain/Bounds.ts"
import * as Output from "./Output.ts"
import * as Server from "./Server.ts"
import * as Tree from "./Tree.ts"

/** Streams shown: as a tree of more than these is not read, and it is held in memory to be drawn. */
const maxShown = 100_000

export const command = Command.make(
  "ls",
  {
    prefix: Argument.String("prefix").pipe(
      Argument.withDescription("Path of the stream above; / by default"),
      Argument.withDefault("/")
    )
  },
  Effect.fnUntraced(function*({ prefix }) {
    const streams = yield* Server.streams
    const isTerminal = yield* Effect.flatMap(Stdio.Stdio, ({ stderrIsTerminal }) => stderrIsTerminal)
    const head = yield* streams.state(prefix).pipe(
      Effect.map((state) => state.deletedAt === undefined ? Option.some(state.head) : Option.none()),
      Effect.catchTag("NotFound", () => Effect.succeedNone),
      Effect.map(Option.getOrUndefined)
    )
    const leaves: Array<Tree.Leaf> = []
    let after: string | undefined
    let isMore = true
    while (isMore && leaves.length < maxShown) {
      const page = yield* streams.children(prefix, { recursive: true, limit: maxChildren, after })
      leaves.push(...page)
      after = page.at(-1)?.path
      isMore = page.length === maxChildren
      if (isMore && isTerminal) yield* Output.note(`\r${leaves.length} streams`)
    }
    if (isTerminal && leaves.length >= maxChildren) yield* Output.note("\r\u001b[K")
    if (head === undefined && leaves.length === 0) return yield* Output.note(`There is no stream at ${prefix}\n`)
    yield* Output.line(Tree.render(prefix, head, leaves).join("\n"))
    if (isMore) {
      yield* Output.note(`Only the first ${leaves.length} streams are shown: name a longer prefix to see the others\n`)
    }
  })
).pipe(
  Command.withDescription("Print the streams below a path as a tree, with the offset of the last event of each"),
  Command.withExamples([{ command: "millstream ls /agents" }])
)
