/** What there is, without reading history. Paths are written as in `StreamsApi`. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { maxCauses, maxCausesBytes, maxChildren, maxPatches } from "../domain/Bounds.ts"
import { Event } from "../domain/Event.ts"
import { InstanceState, PastState, PastStream, StatePatch, StreamWithProcessors } from "../domain/ProcessorState.ts"
import { StreamPath } from "../domain/StreamPath.ts"
import { Child } from "../domain/StreamState.ts"
import * as Documentation from "./Documentation.ts"
import * as Parameter from "./Parameter.ts"
import * as Problem from "./Problem.ts"
import { ndjsonType, PathParams, text, yamlType } from "./StreamsApi.ts"

export const StateQuery = Schema.Struct({
  processor: Schema.optionalKey(Parameter.processor).pipe(
    Schema.annotateKey({ description: "Only the state of this processor" })
  ),
  atLeast: Schema.optionalKey(Parameter.wholeNumber(1)).pipe(
    Schema.annotateKey({ description: "Waits until the processor has folded this event: 504 after 30 seconds" })
  ),
  at: Schema.optionalKey(Parameter.wholeNumber(0)).pipe(
    Schema.annotateKey({ description: "As of this offset, folded from the log" })
  ),
  from: Schema.optionalKey(Parameter.wholeNumber(0)).pipe(
    Schema.annotateKey({ description: "How the processor's state changed behind this offset, up to `to`" })
  ),
  to: Schema.optionalKey(Parameter.wholeNumber(0)).pipe(
    Schema.annotateKey({ description: `Up to this offset, at most ${maxPatches} behind \`from\`` })
  ),
  pretty: Parameter.pretty
})

export const ChildrenQuery = Schema.Struct({
  recursive: Schema.optionalKey(Parameter.flag).pipe(
    Schema.annotateKey({ description: "All streams below, not only those directly below" })
  ),
  limit: Schema.optionalKey(Parameter.wholeNumber(1, maxChildren)).pipe(
    Schema.annotateKey({ description: `At most so many; ${maxChildren} where it is left out` })
  ),
  after: Schema.optionalKey(StreamPath).pipe(
    Schema.annotateKey({ description: "Goes on after this path, the last one of the list before" })
  ),
  pretty: Parameter.pretty
})

/** Says `true` in an answer that does not hold all causes or effects. */
export const moreHeader = "millstream-more"

export const CausesQuery = Schema.Struct({
  offset: Parameter.wholeNumber(1).pipe(Schema.annotateKey({ description: "Which event of the stream" })),
  effects: Schema.optionalKey(Parameter.flag).pipe(
    Schema.annotateKey({ description: "What the event led to, instead of what led to it" })
  ),
  format: Schema.optionalKey(
    Schema.Literals(["json", "ndjson", "yaml"]).annotate({ expected: "json, ndjson or yaml" })
  ).annotateKey({ description: "`json`, one array, where it is left out" }),
  pretty: Parameter.pretty
})

export class InspectApi extends HttpApiGroup.make("inspect").add(
  HttpApiEndpoint.get("state", "/api/state/:path", {
    params: PathParams,
    query: StateQuery,
    success: Schema.Union([StreamWithProcessors, InstanceState, PastStream, PastState, Schema.Array(StatePatch)]),
    error: [...Problem.access, Problem.InvalidPath, Problem.NotFound, Problem.Unavailable, Problem.Behind]
  }).annotateMerge(Documentation.endpoint({
    query: StateQuery,
    summary: "What a stream has come to, and what processors have made of it",
    description: "404 for a stream that never existed: a deleted one answers with its head and `deletedAt`. " +
      "`circuitBreaker` is the limit in force, the stream's own or the server's.\n\n" +
      "With `processor` only the state of that one; `atLeast` makes it wait until that event is folded. With `at` " +
      "the state as of an offset, of one processor or of all whose definitions this server has. With `processor`, " +
      "`from` and `to` how each event changed it, as JSON patches (RFC 6902)."
  })),
  HttpApiEndpoint.get("children", "/api/children/:path", {
    params: PathParams,
    query: ChildrenQuery,
    success: Schema.Array(Child),
    error: [...Problem.access, Problem.InvalidPath, Problem.Unavailable]
  }).annotateMerge(Documentation.endpoint({
    query: ChildrenQuery,
    summary: "The streams below",
    description: "In order of path, without those that were deleted. Empty where there are none."
  })),
  HttpApiEndpoint.get("causes", "/api/causes/:path", {
    params: PathParams,
    query: CausesQuery,
    success: [
      Schema.Array(Event),
      text(ndjsonType, "A line of JSON an event"),
      text(yamlType, "A document an event")
    ],
    error: [...Problem.access, Problem.InvalidPath, Problem.NotFound, Problem.Unavailable]
  }).annotateMerge(Documentation.endpoint({
    query: CausesQuery,
    summary: "Why an event is there, and what it led to",
    description: "The chain of events that led to this one across streams, oldest first, ending with it; with " +
      "`?effects` all that it led to, directly or not, in commit order. An event that was deleted is no link any " +
      "more: the chain begins behind it, with an event whose `cause` is still named. At most " +
      `${maxCauses} events and ${maxCausesBytes / 1024 ** 2} MiB: of more, those the fewest steps away, and the header ` +
      `\`${moreHeader}: true\`. ` +
      "404 where the event does not exist."
  }))
).annotateMerge(OpenApi.annotations({ title: "Inspection", description: "What there is" })) {}
