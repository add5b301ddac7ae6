/** `millstream processors [NAME]`: the processors, or how one fares on each stream; and what a person does to one. */
import { Effect, Option, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import type { InstanceSummary } from "../domain/ProcessorState.ts"
import { InstanceSummary as Summary, ProcessorSummary } from "../domain/ProcessorState.ts"
import * as Connection from "../client/Connection.ts"
import * as Failure from "./Failure.ts"
import * as Output from "./Output.ts"
import * as Server from "./Server.ts"
import * as Table from "./Table.ts"

/** Instances shown: more are no reading, and they are held in memory to be aligned. */
const maxShown = 100_000
/** Of an owner's name, which most servers draw at random: enough to tell one from another, in characters. */
const shownOfOwner = 8

const name = Argument.String("name").pipe(Argument.withDescription("Name of the processor"))
const path = Argument.String("path").pipe(Argument.withDescription("Path of the stream whose instance is meant"))

const urlOf = (processor: string, what: string): string => `/api/processors/${encodeURIComponent(processor)}/${what}`

const list = Effect.fnUntraced(function*(connection: Connection.Connection) {
  const all = yield* Connection.json(
    connection,
    { method: "GET", path: "/api/processors" },
    Schema.Array(ProcessorSummary)
  )
  if (all.length === 0) return yield* Output.note("There are no processors\n")
  const rows = all.map(({ consumes, emits, here, name, owner, streams, version }) => [
    name,
    String(version),
    streams,
    consumes.join(","),
    emits.join(","),
    owner?.slice(0, shownOfOwner) ?? "nobody",
    here ? "here" : "elsewhere"
  ])
  const titles = ["NAME", "VERSION", "STREAMS", "CONSUMES", "EMITS", "OWNER", "DEFINITION"]
  yield* Output.line(Table.render([titles, ...rows]))
})

const listInstances = Effect.fnUntraced(function*(connection: Connection.Connection, processor: string) {
  const found: Array<InstanceSummary> = []
  let isMore = true
  while (isMore && found.length < maxShown) {
    const page = yield* Connection.json(
      connection,
      { method: "GET", path: urlOf(processor, "instances"), query: { after: found.at(-1)?.streamPath } },
      Schema.Array(Summary)
    )
    found.push(...page)
    // A page can be short and not the last one: it is bounded in bytes too.
    isMore = page.length > 0
  }
  if (found.length === 0) return yield* Output.note(`${processor} has met no event yet\n`)
  const rows = found.map(({ fibers, lag, offset, parked, status, streamPath }) => [
    streamPath,
    String(offset),
    String(lag),
    status,
    Object.entries(fibers).flatMap(([how, count]) => count === 0 ? [] : `${count} ${how}`).join(", "),
    parked === undefined ? "" : `at ${parked.offset}: ${parked.error}`
  ])
  yield* Output.line(Table.render([["STREAM", "OFFSET", "LAG", "STATUS", "FIBERS", "PARKED"], ...rows]))
  if (isMore) yield* Output.note(`Only the first ${found.length} streams are shown\n`)
})

const change = (connection: Connection.Connection, processor: string, verb: string, query: Connection.Query) =>
  Effect.flatMap(
    connection.send({
      method: "POST",
      path: urlOf(processor, verb),
      query: { ...query, pretty: "" },
      accept: "application/json"
    }),
    ({ text }) => Effect.flatMap(text, Output.line)
  )

const resume = Command.make(
  "resume",
  {
    name,
    path,
    kind: Flag.String("kind").pipe(Flag.withDescription("With --key: only the fiber of this kind"), Flag.optional),
    key: Flag.String("key").pipe(Flag.withDescription("With --kind: only the fiber of this key"), Flag.optional)
  },
  Effect.fnUntraced(function*({ key, kind, name, path }) {
    if (Option.isSome(kind) !== Option.isSome(key)) {
      return yield* Failure.usage("--kind and --key go together: both name one fiber")
    }
    const streamPath = yield* Connection.judgePath(path)
    const query = { streamPath, kind: Option.getOrUndefined(kind), key: Option.getOrUndefined(key) }
    yield* change(yield* Server.connection(), name, "resume", query)
  })
).pipe(Command.withDescription("Let a parked instance, or one of its fibers, try again"))

const skip = Command.make(
  "skip",
  { name, path },
  Effect.fnUntraced(function*({ name, path }) {
    yield* change(yield* Server.connection(), name, "skip", { streamPath: yield* Connection.judgePath(path) })
  })
).pipe(Command.withDescription("Let a parked instance pass over the event at which it failed"))

const refold = Command.make(
  "refold",
  { name, path },
  Effect.fnUntraced(function*({ name, path }) {
    yield* change(yield* Server.connection(), name, "refold", { streamPath: yield* Connection.judgePath(path) })
  })
).pipe(Command.withDescription("Fold an instance's state anew from the first event; no hook runs again"))

export const command = Command.make(
  "processors",
  { name: Argument.optional(name) },
  Effect.fnUntraced(function*({ name }) {
    const connection = yield* Server.connection()
    yield* Option.match(name, { onNone: () => list(connection), onSome: (each) => listInstances(connection, each) })
  })
).pipe(
  Command.withDescription("Print the processors, or how one fares on each of its streams"),
  Command.withSubcommands([resume, skip, refold]),
  Command.withExamples([
    { command: "millstream processors" },
    { command: "millstream processors ping-pong", description: "Its instances, and which wait for a person" },
    { command: "millstream processors resume ping-pong /games/1" }
  ])
)
