/** Processors for tests that run elsewhere than the log, and the processes that they run in. */
import { Context, Deferred, Effect, Exit, Layer, Record, Schema, Scope, Stream } from "effect"
import type { Schedule } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import * as Client from "../../src/client/Client.ts"
import * as RemoteProcessors from "../../src/client/RemoteProcessors.ts"
import * as EventTypes from "../../src/domain/EventType.ts"
import { Streams } from "../../src/domain/Streams.ts"
import { Processor } from "../../src/processor/Processor.ts"
import type { Processors } from "../../src/processor/Processors.ts"
import type { Fiber } from "../../src/processor/Hooks.ts"
import { TestServer } from "../http/TestServer.ts"
import * as Line from "./Line.ts"

const { EventType } = EventTypes
export const Ping = EventType.make("ping", Schema.Struct({ from: Schema.String }))
export const Pong = EventType.make("pong", Schema.Struct({ to: Schema.String, by: Schema.String }))

/** Answers each ping with one pong that says which copy made it; `before` comes first. */
export const pingPong = (
  name: string,
  by: string,
  before: (from: string) => Effect.Effect<unknown, string> = () => Effect.void,
  retry?: Schedule.Schedule<unknown>,
  version = 1
) =>
  Processor.make(name, { version, state: Schema.Int, initial: 0, consumes: [Ping], emits: [Pong] })
    .reduce({ ping: (pings) => pings + 1 })
    .toLayer(
      {
        afterAppend: {
          ping: ({ payload: { from } }, { emit }) => Effect.andThen(before(from), emit(Pong.make({ to: from, by })))
        }
      },
      { streams: `/${name}/**`, retry }
    )

export const Begun = EventType.make("begun", Schema.Struct({ key: Schema.String }))
export const Counted = EventType.make("counted", Schema.Struct({ up: Schema.Int }))
export const Ended = EventType.make("ended", Schema.Struct({ key: Schema.String }))

/** Runs a fiber for each key that has begun and not ended. */
export const counting = (
  name: string,
  run: (
    tools: Fiber<{ readonly [key: string]: boolean }, typeof Counted | typeof Ended>
  ) => Effect.Effect<unknown, unknown>
) =>
  Processor.make(name, {
    state: Schema.Record(Schema.String, Schema.Boolean),
    initial: {},
    consumes: [Begun, Ended],
    emits: [Counted, Ended]
  })
    .reduce({
      begun: (keys, { payload: { key } }) => ({ ...keys, [key]: true }),
      ended: (keys, { payload }) => Record.remove(keys, payload.key)
    })
    .fibers({ count: (keys) => keys })
    .toLayer({ fibers: { count: (_, tools) => run(tools) } }, { streams: `/${name}/**` })

/** A process with a processor; it ends gracefully with `stop`, and without a word with `kill`. */
export const start = Effect.fnUntraced(function*(
  processor: Layer.Layer<never, never, Processors>,
  client: Layer.Layer<HttpClient.HttpClient> = FetchHttpClient.layer
) {
  const line = yield* Line.make((yield* TestServer).port)
  const scope = yield* Scope.make()
  const remote = RemoteProcessors.layerClient({ baseUrl: line.baseUrl, lease: "1 second" })
  yield* Layer.buildWithScope(processor.pipe(Layer.provide(remote), Layer.provide(client)), scope)
  const stop = Scope.close(scope, Exit.void)
  yield* Effect.addFinalizer(() => stop)
  return { line, stop, kill: Effect.andThen(Effect.sync(() => line.set("break")), stop) }
})

export const streamsOf = Effect.gen(function*() {
  const { port } = yield* TestServer
  return Context.get(yield* Layer.build(Client.layer({ baseUrl: `http://127.0.0.1:${port}` })), Streams)
})

/** The first events of a type, once there are so many. */
export const first = <T extends EventTypes.Any>(streams: Streams["Service"], path: string, type: T, count: number) =>
  streams.tail(path, { types: [type] }).pipe(Stream.take(count), Stream.runCollect)

export const names = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `p${from + i}`)
export const pings = (of: ReadonlyArray<string>) => of.map((from) => Ping.make({ from }))
/** Whom the pongs of a stream answer, and who made them. */
export const pongsOn = (streams: Streams["Service"], path: string) =>
  Stream.runCollect(streams.read(path, { types: [Pong] })).pipe(Effect.map((all) => ({
    to: all.map(({ payload }) => payload.to),
    by: [...new Set(all.map(({ payload }) => payload.by))]
  })))

/** A client whose requests to URLs that end so wait. */
export const holding = (end: string, gate: Deferred.Deferred<void>) =>
  Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, (client) =>
    HttpClient.transform(client, (response, { url }) =>
      url.endsWith(end) ? Effect.andThen(Deferred.await(gate), response) : response)
  )).pipe(Layer.provide(FetchHttpClient.layer))

/** A client that loses the answer to the next request whose URL ends so. */
export const losing = (end: string) => {
  let isLost = false
  return Layer.effect(HttpClient.HttpClient, Effect.map(HttpClient.HttpClient, (client) =>
    HttpClient.transform(client, (response, { url }) => {
      if (isLost || !url.endsWith(end)) return response
      isLost = true
      return Effect.andThen(response, client.get("http://127.0.0.1:1/"))
    }))).pipe(Layer.provide(FetchHttpClient.layer))
}
