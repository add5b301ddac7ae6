/**
 * Traces, metrics and logs by OTLP, as JSON over HTTP. Beside the endpoint, the variables that OpenTelemetry has for
 * exporters, the resource and intervals hold. A collector that is away, hangs or refuses costs what was to be sent, and
 * nothing else. Known limits: no gRPC and no protobuf; statements and transactions that no request asked for have no
 * spans, nor have those of an append, which is recorded together with others. A Postgres that is started is a trace.
 */
import { Cause, Config, ConfigProvider, Data, Effect, Exit, Layer, Option, Schema, SchemaIssue, Tracer } from "effect"
import { FetchHttpClient, HttpClient, HttpClientError } from "effect/http"
import type { HttpClientResponse } from "effect/http"
import { Otlp, OtlpSerialization } from "effect/observability"
import * as Opening from "./Opening.ts"

/** How long a collector may take for one request, where `OTEL_EXPORTER_OTLP_TIMEOUT` does not say. */
const requestMillis = 10_000
/** How long the end of the service waits for what is still to be sent: it has 2 s for all. */
const shutdownMillis = 500
/** Requests under way, a signal: each holds up to 1,000 spans, so that a collector which hangs costs a few MB. */
const mostRequests = 8

/** Where nothing is said: all three are sent, as the standard has it. */
const defaults = ConfigProvider.fromUnknown({
  OTEL_TRACES_EXPORTER: "otlp",
  OTEL_METRICS_EXPORTER: "otlp",
  OTEL_LOGS_EXPORTER: "otlp"
})

/** The environment as the exporters are to see it. */
const configured = Effect.fnUntraced(function*(endpoint: string) {
  const given = yield* ConfigProvider.ConfigProvider
  const attributes = yield* Config.String("OTEL_RESOURCE_ATTRIBUTES").pipe(Config.withDefault(""))
  const always = ConfigProvider.fromUnknown({
    OTEL_EXPORTER_OTLP_ENDPOINT: endpoint,
    // Of a name that is repeated the last counts, and OTEL_SERVICE_NAME before all.
    OTEL_RESOURCE_ATTRIBUTES: `service.name=millstream,${attributes}`,
    // The exporters take these for the time that they have at the end.
    OTEL_EXPORTER_OTLP_TRACES_TIMEOUT: String(shutdownMillis),
    OTEL_EXPORTER_OTLP_METRICS_TIMEOUT: String(shutdownMillis),
    OTEL_EXPORTER_OTLP_LOGS_TIMEOUT: String(shutdownMillis)
  })
  return always.pipe(ConfigProvider.orElse(given), ConfigProvider.orElse(defaults))
})

/** Nothing came of a request. */
class Unanswered extends Data.TaggedError("Unanswered")<{ readonly message: string }> {}

/** Why a request failed. What an error says of itself is not told: it repeats the URL, in which keys may be. */
const problemOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  if (error instanceof Unanswered) return error.message
  // The system's own error is the cause of fetch's.
  for (let at = error; at instanceof Error; at = at.cause) {
    if ("code" in at && typeof at.code === "string") return at.code
  }
  return HttpClientError.isHttpClientError(error) ? error.reason._tag : "it failed"
}

/** Sends in bounded time and number. Tells once that what was to be sent is lost, and once that it no longer is. */
const sending = Layer.effect(HttpClient.HttpClient, Effect.gen(function*() {
  const client = yield* HttpClient.HttpClient
  const timeout = yield* Config.Int("OTEL_EXPORTER_OTLP_TIMEOUT").pipe(Config.withDefault(requestMillis))
  // By the URL, which each signal has its own of.
  const underWay = new Map<string, number>()
  const lost = new Set<string>()

  const tell = (url: string, exit: Exit.Exit<HttpClientResponse.HttpClientResponse, unknown>) =>
    Effect.suspend(() => {
      if (Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) return Effect.void
      const problem = Exit.isSuccess(exit)
        ? exit.value.status < 400 ? undefined : `it answered ${exit.value.status}`
        : problemOf(exit.cause)
      const wasLost = lost.size > 0
      if (problem === undefined) lost.delete(url)
      else lost.add(url)
      if (wasLost === (lost.size > 0)) return Effect.void
      const { origin } = new URL(url)
      return problem === undefined
        ? Effect.logInfo(`The collector at ${origin} takes telemetry again`)
        : Effect.logWarning(`Telemetry is lost until the collector at ${origin} takes it: ${problem}`)
    })

  const count = (url: string, more: number): number => {
    const now = (underWay.get(url) ?? 0) + more
    underWay.set(url, now)
    return now
  }
  // Nothing is tried again after these: the exporter drops what it has, and rests for a minute.
  const unanswered = (message: string) => Effect.die(new Unanswered({ message }))

  return HttpClient.transform(client, (response, { url }) => {
    const bounded = response.pipe(
      // Until its body has come, an answer holds its connection.
      Effect.tap(({ arrayBuffer }) => arrayBuffer),
      Effect.timeoutOrElse({ duration: timeout, orElse: () => unanswered(`it did not answer within ${timeout} ms`) })
    )
    const counted = Effect.acquireUseRelease(
      Effect.sync(() => count(url, 1)),
      (now) => now > mostRequests ? unanswered(`${mostRequests} requests are still unanswered`) : bounded,
      () => Effect.sync(() => count(url, -1))
    )
    return Effect.onExit(counted, (exit) => tell(url, exit))
  })
})).pipe(Layer.provide(FetchHttpClient.layer))

/** Each would be a trace of its own, some ten a second for ever. */
const isHousekeeping = ({ kind, name, parent }: Parameters<Tracer.Tracer["span"]>[0]): boolean =>
  Option.isNone(parent) && (kind === "client" || name === "sql.transaction")

/** Leaves out the server's own housekeeping. */
const asked = Layer.effect(Tracer.Tracer, Effect.map(Tracer.Tracer, (tracer) =>
  Tracer.make({
    span: (options) => tracer.span(isHousekeeping(options) ? { ...options, sampled: false } : options)
  })))

const issuesOf = SchemaIssue.makeFormatterStandardSchemaV1()

/** A setting that makes no sense is named; what it is set to is not shown, since it may be a key. */
const refusal = ({ cause }: Config.ConfigError) =>
  new Opening.Refused({
    message: Schema.isSchemaError(cause)
      ? issuesOf(cause.issue).issues.map(({ message, path }) => `${path?.map(String).join(" ")}: ${message}`).join("; ")
      : cause.message
  })

/** Sends what this process tells of itself to the collector at `endpoint`. */
export const layer = (endpoint: string): Layer.Layer<never, Opening.Refused> =>
  Layer.unwrap(Effect.map(configured(endpoint), (provider) =>
    asked.pipe(
      Layer.provideMerge(Otlp.layerFromConfig()),
      Layer.provide(OtlpSerialization.layerJson),
      Layer.provide(sending),
      Layer.provide(ConfigProvider.layer(provider))
    ))).pipe(
    // As the exporters do.
    Layer.orDie,
    Layer.catchCause((cause) => {
      const error = Cause.squash(cause)
      return Layer.effectDiscard(error instanceof Config.ConfigError ? refusal(error) : Effect.failCause(cause))
    })
  )
