/**
 * What the tests of the log share: a Postgres of their own, stores over it as separate servers would have them, and
 * connections beside the log. Known limit: the Postgres is the embedded one, so these run where that runs.
 */
import { NodeServices } from "@effect/platform-node"
import * as PgClient from "@effect/sql-pg/PgClient"
import { Context, Data, Effect, Layer, Redacted, Result, Schedule } from "effect"
import { Client } from "pg"
import type { AppendError } from "../../src/domain/StreamError.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import { Directory } from "../../src/log/Directory.ts"
import * as EmbeddedPostgres from "../../src/log/EmbeddedPostgres.ts"
import type { Appended, AppendRequest, Cursor } from "../../src/log/EventStore.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import { Growth } from "../../src/log/Growth.ts"
import * as PgEventStore from "../../src/log/PgEventStore.ts"
import { dataFolder } from "../TestPostgres.ts"
import * as Proxy from "./Proxy.ts"

/** A Postgres that ends with the layer. */
export class TestLog extends Context.Service<TestLog, EmbeddedPostgres.EmbeddedPostgres>()("millstream/test/TestLog") {
  static readonly layer = Layer.effect(
    TestLog,
    Effect.flatMap(dataFolder, (dataDir) => EmbeddedPostgres.make({ dataDir }))
  ).pipe(Layer.provide(NodeServices.layer))
}

export interface Server {
  readonly store: EventStore["Service"]
  readonly directory: Directory["Service"]
  readonly checkpoints: Checkpoints["Service"]
  readonly growth: Growth["Service"]
}

/** A store with connections, caches and signals of its own, on `port` if that is not Postgres's own. */
export const server = Effect.fnUntraced(function*(
  options: { readonly port?: number; readonly name?: string } & Partial<PgEventStore.Options> = {}
) {
  const { credentials } = yield* TestLog
  const { breaker = "off", name = "server", port = credentials.port } = options
  const services = yield* PgEventStore.layer({ breaker }).pipe(
    Layer.provideMerge(Layer.fresh(Growth.layer)),
    Layer.provide(PgClient.layer({ ...credentials, port, applicationName: name })),
    Layer.build
  )
  return {
    store: Context.get(services, EventStore),
    directory: Context.get(services, Directory),
    checkpoints: Context.get(services, Checkpoints),
    growth: Context.get(services, Growth)
  } satisfies Server
})

/** A proxy before Postgres that ends with the scope. */
export const proxy = Effect.gen(function*() {
  const { credentials } = yield* TestLog
  return yield* Effect.acquireRelease(
    Effect.promise(() => Proxy.start(credentials)),
    (each) => Effect.promise(() => each.close())
  )
})

export interface Session {
  readonly query: (
    text: string,
    values?: ReadonlyArray<unknown>
  ) => Effect.Effect<ReadonlyArray<Record<string, unknown>>>
}

/** A connection beside the log, as another program has it. */
export const session = Effect.gen(function*() {
  const { url } = yield* TestLog
  const client = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const connected = new Client({ connectionString: Redacted.value(url), application_name: "beside the log" })
      await connected.connect()
      return connected
    }),
    (connected) => Effect.promise(() => connected.end())
  )
  return {
    query: (text, values = []) =>
      Effect.promise(async () => (await client.query<Record<string, unknown>>(text, [...values])).rows)
  } satisfies Session
})

class NotSo extends Data.TaggedError("NotSo")<{ readonly message: string }> {}

/** Looks again until it is so, for at most 20 seconds: a fact is waited for, never a time. */
export const until = <A, E, R>(
  what: string,
  look: Effect.Effect<A, E, R>,
  isSo: (seen: A) => boolean
): Effect.Effect<A, E | NotSo, R> =>
  look.pipe(
    Effect.filterOrFail(isSo, (seen) => new NotSo({ message: `${what} never came; it is ${JSON.stringify(seen)}` })),
    Effect.retry(Schedule.spaced("10 millis").pipe(Schedule.upTo({ duration: "20 seconds" })))
  )

let paths = 0
/** A path that no other test has. */
export const fresh = (name: string): StreamPath => StreamPath.make(`/${name}-${++paths}`)

/** A request of one event. */
export const one = (path: StreamPath, text: string, idempotencyKey?: string): AppendRequest => ({
  path,
  events: [{ type: "test", payload: JSON.stringify({ text }), idempotencyKey }]
})

/** As much of an event's wire form as these tests look at. */
export interface Line {
  readonly offset: number
  readonly type: string
  readonly streamPath: string
  readonly text: string | undefined
}

export const parse = (line: string): Line => {
  const { offset, payload, streamPath, type } = JSON.parse(line)
  return { offset, type, streamPath, text: payload.text }
}

/** The offset of what was recorded; the tag of what was refused. */
export const offsetOf = (result: Result.Result<Appended, AppendError>): number | string =>
  Result.isSuccess(result) ? parse(result.success.lines[0] ?? "{}").offset : result.failure._tag

/** All events of a stream, in order. */
export const readAll = Effect.fnUntraced(function*({ store }: Server, path: StreamPath) {
  const lines: Array<Line> = []
  for (let after = 0, head = 1; after < head;) {
    const page = yield* store.read(path, { after })
    lines.push(...page.lines.map(parse))
    head = page.head
    after = page.last
  }
  return lines
})

export const beginning: Cursor = { tx: 0n, position: 0n }
