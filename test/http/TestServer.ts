/** The routes of the service over HTTP, on a log in memory and a port of its own. */
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer, request as send } from "node:http"
import type { IncomingHttpHeaders } from "node:http"
import type { Causes } from "../../src/log/Causes.ts"
import type { Checkpoints } from "../../src/log/Checkpoints.ts"
import type { Directory } from "../../src/log/Directory.ts"
import type { EventStore } from "../../src/log/EventStore.ts"
import { Growth } from "../../src/log/Growth.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
import { routes } from "../../src/main.ts"
import { Instances } from "../../src/processor/Instances.ts"
import * as Supervisor from "../../src/processor/Supervisor.ts"
import { TimeTravel } from "../../src/processor/TimeTravel.ts"
import * as Routing from "../../src/http/Routing.ts"
import { ServiceConfig } from "../../src/ServiceConfig.ts"
import type { Settings } from "../../src/ServiceConfig.ts"

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface Asking {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

export class TestServer extends Context.Service<TestServer, {
  readonly port: number
  /** Sends exactly this path and these headers: nothing is normalised. */
  readonly ask: (path: string, asking?: Asking) => Effect.Effect<Answer>
}>()("millstream/test/TestServer") {}

const ask = (port: number) => (path: string, asking: Asking = {}): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const { body, headers = {}, method = "GET" } = asking
    const sent = send({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (part: string) => text += part)
      response.on("end", () =>
        resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, text })))
    })
    sent.on("error", (cause) => resume(Effect.die(cause)))
    sent.end(body)
    return Effect.sync(() => sent.destroy())
  })

const memory = MemoryEventStore.layer.pipe(Layer.provideMerge(Growth.layer))

/** Asks the server in scope. */
export const asking = Layer.effect(
  TestServer,
  Effect.map(HttpServer.HttpServer, ({ address }) => {
    const port = "port" in address ? address.port : 0
    return { port, ask: ask(port) }
  })
)

/** Processors at work on a log. */
const processing = Instances.layer.pipe(
  Layer.provideMerge(TimeTravel.layer),
  Layer.provideMerge(Supervisor.layer({ maxHops: 256, leaseMillis: 5_000 }))
)

/** A server with these settings, over a log. */
export const layerOver = (
  log: Layer.Layer<EventStore | Directory | Causes | Checkpoints | Growth>,
  settings: Partial<Settings> = {}
) =>
  asking.pipe(
    Layer.provideMerge(HttpRouter.serve(routes, {
      routerConfig: Routing.config,
      disableLogger: true,
      disableListenLog: true
    })),
    Layer.provide(
      NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: "100 millis" })
    ),
    Layer.provideMerge(processing),
    Layer.provideMerge(log),
    Layer.provide(ServiceConfig.layerOptions(settings))
  )

/** The same over an empty log in memory. */
export const layer = (settings: Partial<Settings> = {}) => layerOver(memory, settings)
