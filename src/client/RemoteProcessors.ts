/**
 * Processors at work here, on the streams of a server elsewhere: the same definitions and Layers, with the same
 * guarantees, since checkpoints are the server's and each commit is guarded by the lease. A signal that is lost costs
 * up to five seconds. Where an emit waits for a paused stream that the processor does not run on, its resumption is
 * noticed as late.
 */
import { Duration, Effect, Layer } from "effect"
import { FetchHttpClient, HttpClient } from "effect/http"
import type { Streams } from "../domain/Streams.ts"
import { Checkpoints } from "../log/Checkpoints.ts"
import { Directory } from "../log/Directory.ts"
import { EventStore } from "../log/EventStore.ts"
import { Growth } from "../log/Growth.ts"
import { typesOf } from "../processor/Instance.ts"
import { Processors } from "../processor/Processors.ts"
import * as Supervisor from "../processor/Supervisor.ts"
import * as Client from "./Client.ts"
import * as Connection from "./Connection.ts"
import { Calling } from "./remote/Calling.ts"
import * as RemoteCheckpoints from "./remote/RemoteCheckpoints.ts"
import * as RemoteEventStore from "./remote/RemoteEventStore.ts"
import * as Signals from "./remote/Signals.ts"

export interface Options extends Client.Options {
  /** How long this process may be silent until another one takes over; 5 seconds by default. */
  readonly lease?: Duration.Input | undefined
}

/** The log of a server, as a supervisor needs it. */
const log = (connection: Connection.Connection) => {
  const calling = new Calling(connection)
  return Layer.mergeAll(
    Layer.succeed(EventStore, RemoteEventStore.make(calling)),
    Layer.succeed(Directory, RemoteEventStore.directory(calling)),
    Layer.succeed(Checkpoints, RemoteCheckpoints.make(calling))
  )
}

/** Runs processors over an HTTP client of one's own. */
export const layerClient = (options: Options): Layer.Layer<Processors, never, HttpClient.HttpClient> =>
  Layer.unwrap(Effect.map(Connection.make(options), (connection) => {
    const supervisor = Supervisor.layer({
      // The server counts the crossings, and knows its bound.
      maxHops: Number.MAX_SAFE_INTEGER,
      leaseMillis: Duration.toMillis(Duration.fromInputUnsafe(options.lease ?? "5 seconds"))
    })
    return Layer.effect(Processors, Effect.gen(function*() {
      const growth = yield* Growth
      const processors = yield* Processors
      return Processors.of({
        run: Effect.fnUntraced(function*(processor, layerOptions) {
          const prefix = Signals.prefixOf(layerOptions.streams ?? "/**")
          yield* Effect.forkScoped(Signals.follow(connection, growth, prefix, typesOf(processor)))
          yield* processors.run(processor, layerOptions)
        })
      })
    })).pipe(
      Layer.provide(supervisor),
      Layer.provide(log(connection)),
      Layer.provide(Growth.layer)
    )
  }))

/** `Processors` and `Streams` of a server, over the platform's own `fetch`: in the place of the server's own layer. */
export const layer = (options: Options): Layer.Layer<Processors | Streams> =>
  Layer.merge(
    layerClient(options).pipe(
      Layer.provide(FetchHttpClient.layer),
      // A browser would have to ask the server for leave to send trace headers, for every request of another origin.
      Layer.provide(Layer.succeed(HttpClient.TracerPropagationEnabled, false))
    ),
    Client.layer(options)
  )
