/**
 * Appending, reading and deleting. The routes are served by handlers of their own, which decode with the query schemas
 * here: a path may be written with plain slashes (`/api/streams/agents/ada`) or as one escaped segment.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, HttpApiSchema, OpenApi } from "effect/http-api"
import { maxBatch } from "../domain/Bounds.ts"
import { Event, EventInput, IdempotencyKey, Type } from "../domain/Event.ts"
import { StreamPath } from "../domain/StreamPath.ts"
import * as Documentation from "./Documentation.ts"
import * as Parameter from "./Parameter.ts"
import * as Problem from "./Problem.ts"
import { ReadQuery, ReadWithinQuery } from "./ReadQuery.ts"

/** Names a stream in a URL. */
export const PathParams = Schema.Struct({ path: StreamPath })

/** Media types of the formats. */
export const yamlType = "application/yaml"
export const ndjsonType = "application/x-ndjson"

const Batch = Schema.Array(EventInput).pipe(
  Schema.check(Schema.isMinLength(1), Schema.isMaxLength(maxBatch)),
  Schema.annotate({ identifier: "EventBatch", description: "Events that are recorded in order and together" })
)

/** Parameters of an append that mean something; others are kept in `webhook/received`. */
export const AppendQuery = Schema.Struct({
  as: Schema.optionalKey(Type).pipe(
    Schema.annotateKey({ description: "Records a body that is no event as the payload of this type" })
  ),
  reply: Schema.optionalKey(Schema.Literal("empty")).pipe(
    Schema.annotateKey({ description: "Answers with nothing, for senders that show what they get" })
  ),
  pretty: Parameter.pretty
})

export const DeleteQuery = Schema.Struct({
  recursive: Schema.optionalKey(Parameter.flag).pipe(
    Schema.annotateKey({ description: "Deletes all streams below too" })
  ),
  pretty: Parameter.pretty
})

/** The streams that had events and have none now. */
export const Deleted = Schema.Struct({ deleted: Schema.Array(StreamPath) }).annotate({ identifier: "Deleted" })

/** A format that is text, and what it holds. */
export const text = (contentType: string, description: string) =>
  Schema.String.annotate({ description }).pipe(HttpApiSchema.asText({ contentType }))

const body = [
  Schema.Union([EventInput, Batch]),
  text(yamlType, "An event, or several documents in a row as a batch"),
  text(ndjsonType, "A batch: a line of JSON an event"),
  text("text/plain", "Kept as `webhook/received`"),
  Schema.Uint8Array.annotate({ description: "Anything: kept as `webhook/received`" }).pipe(HttpApiSchema.asUint8Array())
]
const recorded = Schema.Union([Event, Schema.Array(Event)])
const appended = [
  recorded.pipe(HttpApiSchema.status(201)),
  recorded.pipe(HttpApiSchema.status(200))
]
const appendErrors = [
  ...Problem.access,
  Problem.InvalidPath,
  Problem.IdempotencyConflict,
  Problem.OffsetMismatch,
  Problem.PayloadTooLarge,
  Problem.InvalidEvent,
  Problem.StreamPaused,
  Problem.Unavailable
]

const formats = [
  text(
    "text/event-stream",
    "A frame an event: `id:` the offset (of `/**` a cursor), `data:` the event as JSON. `retry: 1000` comes first " +
      "and a comment every 15 s; `event: caught-up` and `event: deleted` tell of the stream itself."
  ),
  Schema.Array(Event),
  text(ndjsonType, "A line of JSON an event"),
  text(yamlType, "A document an event; `# offset 4 is the last` where history ends")
]
const readErrors = [...Problem.access, Problem.InvalidPath, Problem.Unavailable]

export class StreamsApi extends HttpApiGroup.make("streams").add(
  HttpApiEndpoint.post("append", "/api/streams/:path", {
    params: PathParams,
    query: AppendQuery,
    headers: {
      "idempotency-key": Schema.optionalKey(IdempotencyKey)
    },
    payload: body,
    success: appended,
    error: appendErrors
  }).annotateMerge(Documentation.endpoint({
    query: AppendQuery,
    summary: "Append an event, a batch, or anything else",
    description: "A JSON or YAML object with a string `type` and no key other than those of an event is that event. " +
      "An array of such objects, NDJSON of them, or YAML documents in a row are recorded in order and together, up " +
      `to ${maxBatch}. Anything else is kept as one \`webhook/received\` event, or with \`?as=TYPE\` as the payload ` +
      "of that type. The answer comes once Postgres has committed: 201 with what was recorded, or 200 with the " +
      "original where every idempotency key is known. The first append makes the stream and those above it. Where a " +
      "stream is configured with `webhook/verification-configured`, a body that is no event must carry the " +
      "provider's signature, and then needs no token; a delivery that the provider repeats is 200 with the original."
  })),
  HttpApiEndpoint.get("read", "/api/streams/:path", {
    params: PathParams,
    query: ReadQuery,
    headers: {
      "last-event-id": Schema.optionalKey(Schema.String).pipe(
        Schema.annotateKey({ description: "Resumes after this id; wins over `afterOffset` and `last`" })
      )
    },
    success: formats,
    error: readErrors
  }).annotateMerge(Documentation.endpoint({
    query: ReadQuery,
    summary: "Read a stream, and follow it",
    description: "History from the first event on, and then what comes, until the client leaves or the stream is " +
      "deleted. SSE frames carry the offset as their id; `event: caught-up` says once that history is through, " +
      "`event: deleted` that the stream is gone. A stream nobody has written to is empty; reading never makes one."
  })),
  HttpApiEndpoint.get("readWithin", "/api/streams/:path/**", {
    params: PathParams,
    query: ReadWithinQuery,
    headers: {
      "last-event-id": Schema.optionalKey(Schema.String).pipe(
        Schema.annotateKey({ description: "Resumes after this cursor; wins over `after`" })
      )
    },
    success: formats,
    error: readErrors
  }).annotateMerge(Documentation.endpoint({
    query: ReadWithinQuery,
    summary: "Read a stream and all below it",
    description: "In commit order, without gap or duplicate whatever commits late. Ids are opaque cursors."
  })),
  HttpApiEndpoint.delete("delete", "/api/streams/:path", {
    params: PathParams,
    query: DeleteQuery,
    success: Deleted,
    error: readErrors
  }).annotateMerge(Documentation.endpoint({
    query: DeleteQuery,
    summary: "Delete the events of a stream",
    description: "Its tails end, its parent receives `stream/child-deleted`. Offsets are never used again: a path " +
      "that is written again goes on after its old head. Empty where there was nothing."
  })),
  HttpApiEndpoint.post("ingest", "/in/:token/:path", {
    params: Schema.Struct({ token: Schema.String, path: StreamPath }),
    query: AppendQuery,
    payload: body,
    success: appended,
    error: appendErrors
  }).annotateMerge(Documentation.endpoint({
    query: AppendQuery,
    open: true,
    summary: "Append from a sender that cannot send headers",
    description: "What arrives is never taken for an event: always `webhook/received`, or `?as=` a type that is not " +
      "reserved. The token is the server's `MILLSTREAM_INGEST_TOKEN`; any origin may send."
  }))
).annotateMerge(OpenApi.annotations({
  title: "Streams",
  description: "A stream is one ordered, append-only sequence of events, named by a path"
})) {}
