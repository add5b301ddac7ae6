/** The server itself: its health, its vocabulary and its documents. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { EventInput, Type } from "../domain/Event.ts"
import * as Documentation from "./Documentation.ts"
import * as Parameter from "./Parameter.ts"
import * as Problem from "./Problem.ts"

/** For requests that take no other parameter. */
export const PlainQuery = Schema.Struct({ pretty: Parameter.pretty })

export const Health = Schema.Struct({
  status: Schema.Literal("ok"),
  /** What works, but not as it should; left out where there is nothing to say. */
  warnings: Schema.optionalKey(Schema.Array(Schema.String))
}).annotate({ identifier: "Health" })

const summary = {
  type: Type,
  description: Schema.String,
  /** Whether a client may append it. */
  appendedBy: Schema.Literals(["client", "server"]),
  /** The names of processors on this server that consume it, or emit it. */
  consumedBy: Schema.optionalKey(Schema.Array(Schema.String)),
  emittedBy: Schema.optionalKey(Schema.Array(Schema.String))
}

/** An event type that means something to the server, or to a processor on it. */
export const TypeSummary = Schema.Struct(summary).annotate({ identifier: "TypeSummary" })
export type TypeSummary = typeof TypeSummary.Type

export const TypeDescription = Schema.Struct({
  ...summary,
  /** JSON Schema (2020-12) of the payload. */
  schema: Schema.Record(Schema.String, Schema.Json),
  /** A whole event, ready for `curl -d`; of a processor's type where its schema has an example. */
  example: Schema.optionalKey(EventInput)
}).annotate({ identifier: "TypeDescription" })
export type TypeDescription = typeof TypeDescription.Type

const text = (contentType: string) => Schema.String.pipe(HttpApiSchema.asText({ contentType }))

export class SystemApi extends HttpApiGroup.make("system").add(
  HttpApiEndpoint.get("guide", "/", {
    query: PlainQuery,
    success: text("text/plain"),
    error: Problem.access
  }).annotateMerge(Documentation.endpoint({
    query: PlainQuery,
    summary: "A short guide, with this server's own URL in each command"
  })),
  HttpApiEndpoint.get("health", "/health", {
    query: PlainQuery,
    success: Health,
    error: [Problem.InvalidRequest, Problem.Forbidden, Problem.Unavailable]
  }).annotateMerge(Documentation.endpoint({
    query: PlainQuery,
    open: true,
    summary: "Whether appends work",
    description: "200 only when an append would be recorded. `warnings` says what holds back readers. Needs no token."
  })),
  HttpApiEndpoint.get("types", "/api/types", {
    query: PlainQuery,
    success: Schema.Array(TypeSummary),
    error: Problem.access
  }).annotateMerge(Documentation.endpoint({
    query: PlainQuery,
    summary: "The event types that mean something to the server and its processors"
  })),
  HttpApiEndpoint.get("type", "/api/types/:type", {
    params: Schema.Struct({ type: Type }),
    query: PlainQuery,
    success: TypeDescription,
    error: [...Problem.access, Problem.NotFound]
  }).annotateMerge(Documentation.endpoint({
    query: PlainQuery,
    summary: "What an event of a type looks like",
    description: "The JSON Schema of its payload and an example ready for `curl -d`. Where processors differ in what " +
      "they take it for, the schema is that of the first by name. The slash in a type may stand plain or escaped."
  })),
  HttpApiEndpoint.get("openapi", "/openapi.json", {
    query: PlainQuery,
    success: Schema.Record(Schema.String, Schema.Json),
    error: Problem.access
  }).annotateMerge(Documentation.endpoint({
    query: PlainQuery,
    summary: "This contract as an OpenAPI document"
  })),
  HttpApiEndpoint.get("docs", "/docs", {
    query: PlainQuery,
    success: text("text/html"),
    error: Problem.access
  }).annotateMerge(Documentation.endpoint({
    query: PlainQuery,
    summary: "This contract as a page to read and try"
  })),
  HttpApiEndpoint.get("metrics", "/metrics", {
    query: PlainQuery,
    success: text("text/plain"),
    error: Problem.access
  }).annotateMerge(Documentation.endpoint({
    query: PlainQuery,
    summary: "Metrics in Prometheus' text format"
  }))
).annotateMerge(OpenApi.annotations({ title: "System", description: "The server itself" })) {}
