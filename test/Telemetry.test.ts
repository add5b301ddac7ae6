/** What the service tells of itself where `OTEL_EXPORTER_OTLP_ENDPOINT` is set, and what a bad collector costs. */
import { NodeServices } from "@effect/platform-node"
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Schema, Stream } from "effect"
import { ChildProcessSpawner } from "effect/process"
import { TestClock } from "effect/testing"
import * as Access from "../src/http/Access.ts"
import * as Telemetry from "../src/Telemetry.ts"
import * as Cli from "./cli/Cli.ts"
import * as Receiver from "./egress/Receiver.ts"
import * as Fact from "./faults/Fact.ts"
import { layer as server, TestServer } from "./http/TestServer.ts"
import type { Asking } from "./http/TestServer.ts"
import { dataFolder } from "./TestPostgres.ts"

const Attributes = Schema.Array(Schema.Struct({
  key: Schema.String,
  value: Schema.Struct({ stringValue: Schema.optionalKey(Schema.String), intValue: Schema.optionalKey(Schema.Unknown) })
}))
const Resource = Schema.Struct({ attributes: Attributes })
const Span = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  parentSpanId: Schema.optionalKey(Schema.String),
  name: Schema.String,
  attributes: Attributes
})
const Traces = Schema.fromJsonString(Schema.Struct({
  resourceSpans: Schema.Tuple([Schema.Struct({
    resource: Resource,
    scopeSpans: Schema.Tuple([Schema.Struct({ spans: Schema.Array(Span) })])
  })])
}))
const Counted = Schema.Struct({
  name: Schema.String,
  sum: Schema.optionalKey(Schema.Struct({
    dataPoints: Schema.Array(Schema.Struct({
      asDouble: Schema.optionalKey(Schema.Finite),
      asInt: Schema.optionalKey(Schema.Union([Schema.Finite, Schema.String]))
    }))
  }))
})
const Metrics = Schema.fromJsonString(Schema.Struct({
  resourceMetrics: Schema.Tuple([Schema.Struct({
    resource: Resource,
    scopeMetrics: Schema.Tuple([Schema.Struct({ metrics: Schema.Array(Counted) })])
  })])
}))

const named = (attributes: typeof Attributes.Type): Readonly<Record<string, unknown>> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]))

const bodies = ({ requests }: Receiver.Receiver, path: string): ReadonlyArray<string> =>
  requests.filter((request) => request.path === path).map(({ body }) => body)

const traces = (collector: Receiver.Receiver) =>
  bodies(collector, "/v1/traces").flatMap((body) => Schema.decodeSync(Traces)(body).resourceSpans)
const spans = (collector: Receiver.Receiver) =>
  traces(collector).flatMap(({ scopeSpans: [{ spans }] }) =>
    spans.map(({ attributes, ...span }) => ({ ...span, attributes: named(attributes) })))

const metrics = (collector: Receiver.Receiver) =>
  bodies(collector, "/v1/metrics").flatMap((body) => Schema.decodeSync(Metrics)(body).resourceMetrics)
/** What was appended as the last word has it. */
const appended = (collector: Receiver.Receiver): number => {
  const counted = metrics(collector).at(-1)?.scopeMetrics[0].metrics.find(({ name }) =>
    name === "millstream_events_appended_total")
  return Number(counted?.sum?.dataPoints[0]?.asDouble ?? counted?.sum?.dataPoints[0]?.asInt)
}

const accept: Receiver.Answer = (response) => response.writeHead(200, { "content-type": "application/json" }).end("{}")
const hang: Receiver.Answer = () => undefined

/** Looks until it is so: the process of the test is the collector, so nothing of it may be blocked meanwhile. */
const until = (what: string, holds: () => boolean) => Effect.promise(() => Fact.until(what, holds))

/** One Postgres for all services that are started here, one after another. */
class Folder extends Context.Service<Folder, string>()("millstream/test/Folder") {
  static readonly layer = Layer.effect(Folder, dataFolder)
}

/** The service in a process of its own that tells a collector of itself. */
const serve = Effect.fn("serve")(function*(collector: Receiver.Receiver, env: Record<string, string> = {}) {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const handle = yield* spawner.spawn(Cli.start(["serve"], {
    env: {
      PORT: "0",
      MILLSTREAM_DATA_DIR: yield* Folder,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://${collector.target}`,
      ...env
    }
  }))
  let output = ""
  yield* Stream.decodeText(handle.all).pipe(
    Stream.runForEach((text) => Effect.sync(() => output += text)),
    Effect.forkScoped
  )
  const found = () => /Millstream is at (\S+)/.exec(output)?.[1]
  yield* until("the address of the service", () => found() !== undefined)
  const url = found() ?? ""
  const ask = (path: string, init?: RequestInit) => Effect.promise(() => fetch(url + path, init))
  return { ask, handle }
})

const post = (type: string, headers: Record<string, string> = {}): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", ...headers },
  body: JSON.stringify({ type, payload: { word: "payload-secret" } })
})

const services = Folder.layer.pipe(Layer.provideMerge(NodeServices.layer))

layer(services, { excludeTestServices: true, timeout: "60 seconds" })("the telemetry of the service", (it) => {
  it.effect("tells a collector of requests and counts, and no secrets, as the variables of OpenTelemetry say", () =>
    Effect.gen(function*() {
      const collector = yield* Receiver.make(accept)
      const { ask } = yield* serve(collector, {
        MILLSTREAM_TOKEN: "token-secret",
        MILLSTREAM_INGEST_TOKEN: "ingest-secret",
        OTEL_EXPORTER_OTLP_HEADERS: "api-key=of%20mine,x-other=1",
        OTEL_RESOURCE_ATTRIBUTES: "deployment.environment.name=test",
        OTEL_METRIC_EXPORT_INTERVAL: "50",
        OTEL_BSP_SCHEDULE_DELAY: "50"
      })
      const authorization = "Bearer token-secret"
      const caller = { traceId: "4bf92f3577b34da6a3ce929d0e0e4736", spanId: "00f067aa0ba902b7" }
      const append = post("ping", {
        authorization,
        cookie: "session=cookie-secret",
        "user-agent": "agent-secret",
        "idempotency-key": "key-secret",
        "x-hub-signature-256": "sha256=signature-secret",
        traceparent: `00-${caller.traceId}-${caller.spanId}-01`
      })
      assert.strictEqual((yield* ask("/api/streams/told", append)).status, 201)
      const read = "/api/streams/told?format=json&limit=2"
      assert.strictEqual((yield* ask(read, { headers: { authorization } })).status, 200)
      for (const query of ["token=query-secret", "name-secret"]) {
        assert.strictEqual((yield* ask(`${read}&${query}`, { headers: { authorization } })).status, 400)
      }
      assert.strictEqual((yield* ask("/in/ingest-secret/hook", post("ping"))).status, 201)
      for (const path of ["//in/ingest-secret/hook", "/in%2fingest-secret/hook", "/IN/ingest-secret"]) {
        assert.strictEqual((yield* ask(path, post("ping", { authorization }))).status, 404)
      }

      const asked = (method: string, status: number) =>
        spans(collector).filter(({ attributes, name }) =>
          name === method && attributes["url.path"] === "/api/streams/told" &&
          Number(attributes["http.response.status_code"]) === status)
      yield* until("spans of all four", () =>
        asked("POST", 201).length + asked("GET", 200).length + asked("GET", 400).length === 4)
      yield* until("both events in the metrics", () => appended(collector) === 2)

      const [posted] = asked("POST", 201)
      assert.strictEqual(posted?.attributes["http.route"], "/api/streams/*")
      assert.deepStrictEqual([posted?.traceId, posted?.parentSpanId], [caller.traceId, caller.spanId])
      const [got] = asked("GET", 200)
      assert.strictEqual(got?.attributes["url.query"], "format=json&limit=2")
      const statements = spans(collector).filter(({ name }) => name === "postgres")
      assert.isTrue(statements.some(({ parentSpanId }) => parentSpanId === got?.spanId))
      // What the server asks for itself, all the time, is no trace of its own.
      const housekeeping = spans(collector).filter(({ name, parentSpanId }) =>
        parentSpanId === undefined && /^(postgres|sql\.transaction)$/.test(name))
      assert.deepStrictEqual(housekeeping, [])

      for (const { resource } of [...traces(collector), ...metrics(collector)]) {
        const { "deployment.environment.name": environment, "service.name": service } = named(resource.attributes)
        assert.deepStrictEqual({ environment, service }, { environment: "test", service: "millstream" })
      }
      for (const { headers } of collector.requests) {
        assert.deepStrictEqual([headers["api-key"], headers["x-other"]], ["of mine", "1"])
      }

      const all = collector.requests.map(({ body }) => body).join("\n")
      assert.include(all, "/api/streams/told")
      assert.notMatch(all, /(?:payload|token|ingest|cookie|key|signature|agent|query|name)-secret/)
    }))

  it.effect("neither keeps appends from being answered nor the service from ending where the collector hangs", () =>
    Effect.gen(function*() {
      const collector = yield* Receiver.make(hang)
      const { ask, handle } = yield* serve(collector, {
        OTEL_SERVICE_NAME: "mill",
        OTEL_METRIC_EXPORT_INTERVAL: "20",
        // Whoever waited for an answer would wait for longer than the test.
        OTEL_EXPORTER_OTLP_TIMEOUT: "3600000"
      })
      yield* collector.arrived(1)
      for (let n = 0; n < 50; n++) assert.strictEqual((yield* ask("/api/streams/told", post("ping"))).status, 201)
      yield* handle.kill({ killSignal: "SIGTERM" })
      const services = [...metrics(collector), ...traces(collector)].map(({ resource }) =>
        named(resource.attributes)["service.name"])
      assert.deepStrictEqual(new Set(services), new Set(["mill"]))
    }))

  it.effect("is refused at the start where its settings make no sense, by name and without their values", () =>
    Effect.gen(function*() {
      const env = {
        PORT: "0",
        OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:1",
        OTEL_EXPORTER_OTLP_HEADERS: "api-key=%zz-secret",
        OTEL_METRIC_EXPORT_INTERVAL: "soon"
      }
      const ended = yield* Cli.run(["serve"], { env: { ...env, MILLSTREAM_DATA_DIR: yield* Folder } })
      assert.strictEqual(ended.code, 1)
      assert.match(ended.stderr, /^millstream: OTEL_[A-Z_]+[^\n]*: Expected [^\n]*\n$/)
      assert.notInclude(ended.stderr, "zz-secret")
    }))
})

/** Telemetry in this process, whose time stands still; and what it logs of itself. */
const telling = ({ target }: Pick<Receiver.Receiver, "target">) => {
  const told: Array<string> = []
  // The test's clock has something to say too, on a busy machine.
  const logger = Logger.make(({ message }) => {
    if (/telemetry/i.test(String(message))) told.push(String(message))
  })
  const layer = Telemetry.layer(`http://${target}`).pipe(Layer.provideMerge(Logger.layer([logger])))
  return { told, layer }
}

const traced = (count: number) =>
  Effect.repeat(Effect.withSpan(Effect.void, "traced"), { times: count - 1 })

describe("a collector", () => {
  it.effect("is sent at the end what it was not sent yet", () =>
    Effect.gen(function*() {
      const collector = yield* Receiver.make(accept)
      yield* traced(3).pipe(Effect.provide(telling(collector).layer))
      assert.lengthOf(spans(collector), 3)
      assert.lengthOf(metrics(collector), 1)
    }))

  it.effect("that hangs holds up eight batches of spans, for ten seconds, and is left in peace for a minute", () =>
    Effect.gen(function*() {
      const collector = yield* Receiver.make(hang)
      const { layer, told } = telling(collector)
      yield* Effect.gen(function*() {
        yield* traced(20_000)
        yield* collector.arrived(8)
        yield* until("what is too much", () => told.length > 0)
        yield* TestClock.adjust("10 seconds")
        yield* collector.closed(8)
        yield* traced(20_000)
        yield* TestClock.adjust("30 seconds")
        assert.lengthOf(bodies(collector, "/v1/traces"), 8)
        assert.lengthOf(told, 1)
        assert.include(told[0], "8 requests are still unanswered")
      }).pipe(Effect.provide(layer))
    }))

  it.effect("that hangs for one signal gets the others, and is told of once", () =>
    Effect.gen(function*() {
      const collector = yield* Receiver.make((...given) =>
        given[1].path === "/v1/traces" ? hang(...given) : accept(...given))
      const { layer, told } = telling(collector)
      yield* Effect.gen(function*() {
        yield* traced(20_000)
        yield* until("what is too much", () => told.length > 0)
        yield* Effect.log("said")
        yield* TestClock.adjust("5 seconds")
        yield* until("the log", () => bodies(collector, "/v1/logs").length > 0)
      }).pipe(Effect.provide(layer))
      assert.lengthOf(told, 1)
      assert.lengthOf(bodies(collector, "/v1/traces"), 8)
    }))

  it.live("that cannot be reached is told of without the secrets in its URL", () =>
    Effect.gen(function*() {
      const { target } = yield* Effect.scoped(Receiver.make(accept))
      const tells = Effect.fnUntraced(function*(url: string) {
        const { layer, told } = telling({ target: url })
        yield* traced(1).pipe(Effect.provide(layer))
        return told
      })
      const lost = (where: string, problem: string) =>
        `Telemetry is lost until the collector at http://${where} takes it: ${problem}`
      assert.deepStrictEqual(yield* tells(`${target}/path-secret?key=query-secret`), [lost(target, "ECONNREFUSED")])
      assert.deepStrictEqual(yield* tells(`user:word-secret@${target}`), [lost(target, "TransportError")])
    }))

  it.effect("that refuses is told of once, and once when it takes telemetry again", () =>
    Effect.gen(function*() {
      let status = 401
      const collector = yield* Receiver.make((response) => response.writeHead(status).end())
      const { layer, told } = telling(collector)
      const sent = () => bodies(collector, "/v1/traces").length
      yield* Effect.gen(function*() {
        yield* traced(1)
        yield* TestClock.adjust("10 seconds")
        yield* until("the refusal", () => told.length > 0 && sent() === 1)
        assert.deepStrictEqual(told, [
          `Telemetry is lost until the collector at http://${collector.target} takes it: it answered 401`
        ])
        status = 200
        yield* TestClock.adjust("60 seconds")
        yield* traced(1)
        yield* TestClock.adjust("10 seconds")
        yield* until("the end of it", () => told.length > 1 && sent() === 2)
        assert.deepStrictEqual(told.slice(1), [`The collector at http://${collector.target} takes telemetry again`])
      }).pipe(Effect.provide(layer))
    }))
})

describe("appends", () => {
  const event = (type: string, more: object = {}) => JSON.stringify({ type, payload: { n: 1 }, ...more })
  const curl = { "user-agent": "curl/8.0" }
  const keyed = { "idempotency-key": "one" }
  const sent: ReadonlyArray<readonly [status: number, body: string, headers?: Record<string, string>]> = [
    [201, event("ping")],
    [201, event("ping"), curl],
    [201, `[${event("ping")},${event("pong")}]`],
    [201, "type: ping", { "content-type": "application/yaml" }],
    [201, event("keyed"), keyed],
    [200, event("keyed"), keyed],
    [409, event("other"), keyed],
    [409, event("other"), { ...keyed, ...curl }],
    [412, event("ping", { offset: 99 })],
    [422, event("")],
    [422, event(""), curl],
    [422, event("stream/unknown")],
    [201, "{", {}],
    [201, event("stream/paused", { payload: { reason: "lunch" } })],
    [423, event("ping")],
    [423, event("ping"), curl]
  ]

  /** What each is answered, but for the time and what the server makes up. */
  const answers = Effect.gen(function*() {
    const { ask } = yield* TestServer
    return yield* Effect.forEach(sent, ([, body, headers]) => {
      const always = { host: "localhost", "content-type": "application/json" }
      const asking: Asking = { method: "POST", headers: { ...always, ...headers }, body }
      return Effect.map(ask("/api/streams/a", asking), ({ headers, status, text }) => ({
        status,
        headers: { ...headers, date: "" },
        text: text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "<time>")
      }))
    })
  })

  it.live("are answered the same way with a collector and without one", () =>
    Effect.gen(function*() {
      const collector = yield* Receiver.make(accept)
      const told = yield* answers.pipe(
        Effect.provide(server().pipe(Layer.provide(Access.layerTracing), Layer.provide(telling(collector).layer)))
      )
      const untold = yield* answers.pipe(Effect.provide(server({}, { port: "short" })))
      assert.deepStrictEqual(untold.map(({ status }) => status), sent.map(([status]) => status), JSON.stringify(untold))
      assert.deepStrictEqual(told, untold)
      assert.lengthOf(spans(collector).filter(({ name }) => name === "POST"), sent.length)
    }))
})
