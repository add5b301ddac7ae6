/** The routes beside append and read over HTTP, on a log in memory and a port of its own. */
import { NodeHttpServer } from "@effect/platform-node"
import { Context, Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import { createServer, request as send } from "node:http"
import type { IncomingHttpHeaders } from "node:http"
import * as Access from "../../src/http/Access.ts"
import * as ChildrenHandlers from "../../src/http/ChildrenHandlers.ts"
import * as DeleteHandlers from "../../src/http/DeleteHandlers.ts"
import * as Docs from "../../src/http/Docs.ts"
import * as Guide from "../../src/http/Guide.ts"
import * as HealthHandlers from "../../src/http/HealthHandlers.ts"
import * as Routing from "../../src/http/Routing.ts"
import * as StateHandlers from "../../src/http/StateHandlers.ts"
import * as TypesHandlers from "../../src/http/TypesHandlers.ts"
import type { Directory } from "../../src/log/Directory.ts"
import type { EventStore } from "../../src/log/EventStore.ts"
import { Growth } from "../../src/log/Growth.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
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
}

export class TestServer extends Context.Service<TestServer, {
  readonly port: number
  /** Sends exactly this path and these headers: nothing is normalised. */
  readonly ask: (path: string, asking?: Asking) => Effect.Effect<Answer>
}>()("millstream/test/TestServer") {}

const routes = Layer.mergeAll(
  Access.layer,
  StateHandlers.layer,
  ChildrenHandlers.layer,
  DeleteHandlers.layer,
  TypesHandlers.layer,
  HealthHandlers.layer,
  Guide.layer,
  Docs.layer,
  PrometheusMetrics.layerHttp(),
  Routing.layer
)

const ask = (port: number) => (path: string, asking: Asking = {}): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const { headers = {}, method = "GET" } = asking
    const sent = send({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (part: string) => text += part)
      response.on("end", () => resume(Effect.succeed({ status: response.statusCode ?? 0, headers: response.headers, text })))
    })
    sent.on("error", (cause) => resume(Effect.die(cause)))
    sent.end()
    return Effect.sync(() => sent.destroy())
  })

const memory = MemoryEventStore.layer.pipe(Layer.provide(Growth.layer))

/** A server with these settings, over a log. */
export const layerOver = (log: Layer.Layer<EventStore | Directory>, settings: Partial<Settings> = {}) =>
  Layer.effect(
    TestServer,
    Effect.map(HttpServer.HttpServer, ({ address }) => {
      const port = "port" in address ? address.port : 0
      return { port, ask: ask(port) }
    })
  ).pipe(
    Layer.provideMerge(HttpRouter.serve(routes, {
      routerConfig: Routing.config,
      disableLogger: true,
      disableListenLog: true
    })),
    Layer.provide(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: "100 millis" })),
    Layer.provideMerge(log),
    Layer.provide(ServiceConfig.layerOptions(settings))
  )

/** The same over an empty log in memory. */
export const layer = (settings: Partial<Settings> = {}) => layerOver(memory, settings)
