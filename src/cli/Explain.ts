/** `millstream explain PATH OFFSET`: what each processor on the stream made of an event. */
import { Effect, Option, Schema, Stream } from "effect"
import { Argument, Command } from "effect/cli"
import type { Event } from "../domain/Event.ts"
import type { InstanceState } from "../domain/ProcessorState.ts"
import { ProcessorSummary, StatePatch, StreamWithProcessors } from "../domain/ProcessorState.ts"
import * as Connection from "../client/Connection.ts"
import * as Explanation from "./Explanation.ts"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Reading from "./Reading.ts"
import * as Server from "./Server.ts"

const Patches = Schema.Array(StatePatch)
const Processors = Schema.Array(ProcessorSummary)

export const command = Command.make(
  "explain",
  {
    path: Reading.path,
    offset: Argument.Int("offset").pipe(Argument.withDescription("Which event of the stream"))
  },
  Effect.fnUntraced(function*({ offset, path }) {
    const connection = yield* Server.connection()
    const streams = yield* Server.streams
    const url = `/api/state${yield* Connection.judgePath(path)}`
    const found = yield* streams.read(path, { after: Math.max(0, offset - 1), limit: 1 }).pipe(Stream.runHead)
    const event = Option.filter(found, (each) => each.offset === offset)
    if (Option.isNone(event)) return yield* Failure.failed(`${path} has no event at offset ${offset}`)
    const effects = yield* streams.causes(path, offset, { effects: true })
    const registered = yield* Connection.json(connection, { method: "GET", path: "/api/processors" }, Processors)
    const { processors } = yield* Connection.json(connection, { method: "GET", path: url }, StreamWithProcessors)

    const patchOf = (processor: string) => {
      const query = { processor, from: offset - 1, to: offset }
      return Connection.json(connection, { method: "GET", path: url, query }, Patches).pipe(
        Effect.map((patches) => patches.find((each) => each.offset === offset)?.patch),
        // Whoever has the definition can tell.
        Effect.catchTag("NotFound", ({ reason }) => Effect.succeed({ unknown: reason }))
      )
    }

    const meet = Effect.fnUntraced(function*(name: string, instance: InstanceState) {
      return {
        name,
        instance,
        consumes: registered.find((each) => each.name === name)?.consumes ?? [],
        patch: yield* patchOf(name),
        emitted: effects.filter(answers(event.value, name))
      }
    })
    const all = yield* Effect.forEach(Object.entries(processors), ([name, instance]) => meet(name, instance))
    yield* Output.line(Explanation.render(event.value, all))
  })
).pipe(
  Command.withDescription("Print what each processor on the stream made of an event, and how it fares now"),
  Command.withExamples([{ command: "millstream explain /games/1 7" }])
)

const answers = ({ offset, streamPath }: Event, processor: string) => ({ cause }: Event): boolean =>
  cause?.streamPath === streamPath && cause.offset === offset && cause.processor === processor
