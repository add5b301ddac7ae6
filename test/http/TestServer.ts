/** The routes of the service over HTTP, on a log in memory and a port of its own. */
import { NodeHttpServer } from "@effect/platform-node"
import { ConfigProvider, Context, Effect, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { createServer, request as send } from "node:http"
import type { IncomingHttpHeaders } from "node:http"
import { Secrets, variableOf } from "../../src/builtin/Secrets.ts"
import type { Arrivals } from "../../src/log/Arrivals.ts"
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
import * as HotAppend from "../../src/http/HotAppend.ts"
import * as Routing from "../../src/http/Routing.ts"
import { ServiceConfig } from "../../src/ServiceConfig.ts"
import type { Settings } from "../../src/ServiceConfig.ts"

/** Milliseconds that an answer may stand still: far more than any needs, and less than a test has. */
export const patience = 10_000

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface Asking {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string | Uint8Array
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
    sent.setTimeout(patience, () => sent.destroy(new Error(`${method} ${path} was not answered in ${patience} ms`)))
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

const listening = { port: 0, host: "127.0.0.1", gracefulShutdownTimeout: "100 millis" } as const

/** A port whose requests are all left to routes, or one that takes appends the short way, as the service does. */
const ports = {
  routes: NodeHttpServer.layer(createServer, listening),
  short: Layer.unwrap(Effect.map(HotAppend.make, (take) => NodeHttpServer.layer(() => take(createServer()), listening)))
}

export interface Options {
  readonly port?: keyof typeof ports
  /** Values by name, and no others. */
  readonly secrets?: { readonly [name: string]: string }
}

/** The environment of routes, which have their secrets from it. */
const environment = (secrets: { readonly [name: string]: string }) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown(
    Object.fromEntries(Object.entries(secrets).map(([name, value]) => [variableOf(name), value]))
  ))

/** A server with these settings, over a log. */
export const layerOver = <E = never>(
  log: Layer.Layer<EventStore | Arrivals | Directory | Causes | Checkpoints | Growth, E>,
  settings: Partial<Settings> = {},
  { port = "routes", secrets = {} }: Options = {}
) =>
  asking.pipe(
    Layer.provideMerge(HttpRouter.serve(routes, {
      routerConfig: Routing.config,
      disableLogger: true,
      disableListenLog: true
    })),
    Layer.provide(ports[port]),
    Layer.provide(Secrets.layer),
    Layer.provide(environment(secrets)),
    Layer.provideMerge(processing),
    Layer.provideMerge(log),
    Layer.provide(ServiceConfig.layerOptions(settings))
  )

/** The same over an empty log in memory. */
export const layer = (settings: Partial<Settings> = {}, options: Options = {}) => layerOver(memory, settings, options)
