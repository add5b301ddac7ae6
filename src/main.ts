/**
 * The service, in the order an event travels: it arrives over HTTP, the log records and announces it, tails
 * hear of it. Everything is configured in `ServiceConfig`.
 */
import { NodeHttpServer, NodeServices } from "@effect/platform-node"
import { Console, Effect, identity, Layer } from "effect"
import { HttpRouter, HttpServer } from "effect/http"
import { PrometheusMetrics } from "effect/observability"
import * as CircuitBreakerHooks from "./builtin/CircuitBreakerHooks.ts"
import { Jsonata } from "./builtin/Jsonata.ts"
import * as ScheduleHooks from "./builtin/schedule/ScheduleHooks.ts"
import { Secrets } from "./builtin/Secrets.ts"
import * as SubscriptionHooks from "./builtin/subscription/SubscriptionHooks.ts"
import * as TransformerHooks from "./builtin/transformer/TransformerHooks.ts"
import * as Database from "./Database.ts"
import { Egress } from "./egress/Egress.ts"
import * as Access from "./http/Access.ts"
import * as AppendHandlers from "./http/AppendHandlers.ts"
import * as CausesHandlers from "./http/CausesHandlers.ts"
import * as ChildrenHandlers from "./http/ChildrenHandlers.ts"
import * as ClaimHandlers from "./http/ClaimHandlers.ts"
import * as DeleteHandlers from "./http/DeleteHandlers.ts"
import * as Docs from "./http/Docs.ts"
import * as Guide from "./http/Guide.ts"
import * as HealthHandlers from "./http/HealthHandlers.ts"
import { Heartbeat } from "./http/Heartbeat.ts"
import * as HotAppend from "./http/HotAppend.ts"
import * as NodeServer from "./http/NodeServer.ts"
import * as ProcessorsHandlers from "./http/ProcessorsHandlers.ts"
import * as ReadHandlers from "./http/ReadHandlers.ts"
import * as Routing from "./http/Routing.ts"
import * as StateHandlers from "./http/StateHandlers.ts"
import * as TypesHandlers from "./http/TypesHandlers.ts"
import { Growth } from "./log/Growth.ts"
import * as PgEventStore from "./log/PgEventStore.ts"
import * as Opening from "./Opening.ts"
import { Instances } from "./processor/Instances.ts"
import * as ProcessorStreams from "./processor/ProcessorStreams.ts"
import * as Supervisor from "./processor/Supervisor.ts"
import { TimeTravel } from "./processor/TimeTravel.ts"
import { ServiceConfig } from "./ServiceConfig.ts"
import type { Settings } from "./ServiceConfig.ts"
import * as Telemetry from "./Telemetry.ts"

/** How long open answers may take to end when the service stops; tails never would. */
const gracefulShutdownTimeout = "500 millis"

/** An event arrives, or a reader. */
export const routes = Layer.mergeAll(
  Access.layer,
  AppendHandlers.layer,
  ReadHandlers.layer,
  StateHandlers.layer,
  ChildrenHandlers.layer,
  CausesHandlers.layer,
  ProcessorsHandlers.layer,
  ClaimHandlers.layer,
  DeleteHandlers.layer,
  TypesHandlers.layer,
  HealthHandlers.layer,
  Guide.layer,
  Docs.layer,
  PrometheusMetrics.layerHttp({ path: "/metrics" }),
  Routing.layer
).pipe(Layer.provide(Heartbeat.layer))

/** The log records it and says so: over the `PgClient` in scope, the one of `DATABASE_URL`, or a Postgres of its own. */
const Log = Layer.unwrap(Effect.map(ServiceConfig, ({ circuitBreaker: breaker }) =>
  PgEventStore.layer({ breaker }).pipe(
    Layer.provideMerge(Growth.layer),
    Layer.provideMerge(Database.layer)
  )))

/** Processors react to it, and `Streams` tells of both in this process. */
const Processing = Layer.unwrap(Effect.map(ServiceConfig, ({ circuitBreaker: breaker, leaseSeconds, maxHops }) =>
  ProcessorStreams.layer({ breaker }).pipe(
    Layer.provideMerge(Instances.layer),
    Layer.provideMerge(TimeTravel.layer),
    Layer.provideMerge(Supervisor.layer({ maxHops, leaseMillis: leaseSeconds * 1_000 }))
  )))

/** Those of its own: streams wake up by themselves, and reach out. */
const BuiltIn = Layer.unwrap(Effect.map(ServiceConfig, ({ allowEgress: allow }) =>
  Layer.mergeAll(
    CircuitBreakerHooks.layer,
    ScheduleHooks.layer,
    TransformerHooks.layer,
    SubscriptionHooks.layer
  ).pipe(
    Layer.provide(Jsonata.layer),
    Layer.provide(Egress.layer({ allow }))
  )))

/** Where the service is reached, told to whoever started it and to a second one that wants its data. */
const Opened = Layer.effectDiscard(Effect.gen(function*() {
  const { address } = yield* HttpServer.HttpServer
  const url = Opening.urlOf(address)
  yield* Effect.flatMap(Database.Database, ({ announce }) => announce(url))
  yield* Console.log(Opening.text(url))
}))

/** What must not be served is refused before anything is opened or made. */
const Judged = Layer.effectDiscard(Effect.gen(function*() {
  const refusal = Access.judgeBinding(yield* ServiceConfig)
  if (refusal !== undefined) return yield* new Opening.Refused({ message: refusal })
}))

/** Requests come in on a port, and the service tells where. */
const Http = Layer.unwrap(Effect.gen(function*() {
  const settings = yield* ServiceConfig
  const server = yield* NodeServer.make(settings)
  const isTraced = settings.otlpEndpoint !== undefined
  // The short way makes no spans.
  const takeAppends = isTraced ? identity : yield* HotAppend.make
  const served = HttpRouter.serve(routes, { disableLogger: true, disableListenLog: true, routerConfig: Routing.config })
  return Layer.merge(served, Opened).pipe(
    Layer.provide(isTraced ? Access.layerTracing : Layer.empty),
    Layer.provide(NodeHttpServer.layer(
      () => takeAppends(server),
      { host: settings.host, port: settings.port, gracefulShutdownTimeout }
    ))
  )
}))

/** What it tells of itself goes where `OTEL_EXPORTER_OTLP_ENDPOINT` says. */
const Observability = Layer.unwrap(Effect.map(ServiceConfig, ({ otlpEndpoint }) =>
  otlpEndpoint === undefined ? Layer.empty : Telemetry.layer(otlpEndpoint)))

const headless = BuiltIn.pipe(
  Layer.provideMerge(Secrets.layer),
  Layer.provideMerge(Processing),
  Layer.provideMerge(Log),
  Layer.provide(Observability),
  Layer.provide(NodeServices.layer)
)

/** Processors, and those that are given, are known before a port opens: what comes in through it is new to them. */
const whole = <E = never, R = never>(hosted: Layer.Layer<never, E, R> = Layer.empty) =>
  Http.pipe(
    Layer.provide(hosted),
    Layer.provideMerge(headless),
    Layer.provide(Observability),
    Layer.provide(Judged)
  )

/** The log and `Streams` without a port, configured from the environment. */
export const layerHeadless = headless.pipe(Layer.provide(ServiceConfig.layer))

/** The whole service, configured from the environment; it serves for as long as it is in scope. */
export const layer = whole().pipe(Layer.provide(ServiceConfig.layer))

/** The same with processors that are known before its port opens: what comes in through it is new to them. */
export const layerWith = <E, R>(hosted: Layer.Layer<never, E, R>) => whole(hosted).pipe(Layer.provide(ServiceConfig.layer))

/** The whole service with these settings, and the defaults for the rest. */
export const layerOptions = (settings: Partial<Settings>) =>
  whole().pipe(Layer.provide(ServiceConfig.layerOptions(settings)))
