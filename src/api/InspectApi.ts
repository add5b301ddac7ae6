/** What there is, without reading history. Paths are written as in `StreamsApi`. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { StreamPath } from "../domain/StreamPath.ts"
import { Child, StreamState } from "../domain/StreamState.ts"
import * as Documentation from "./Documentation.ts"
import * as Parameter from "./Parameter.ts"
import * as Problem from "./Problem.ts"
import { PathParams } from "./StreamsApi.ts"

/** Most entries of one list: the next one goes on `after` its last. */
export const maxChildren = 1_000

export const StateQuery = Schema.Struct({ pretty: Parameter.pretty })

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

export class InspectApi extends HttpApiGroup.make("inspect").add(
  HttpApiEndpoint.get("state", "/api/state/:path", {
    params: PathParams,
    query: StateQuery,
    success: StreamState,
    error: [...Problem.access, Problem.InvalidPath, Problem.NotFound, Problem.Unavailable]
  }).annotateMerge(Documentation.endpoint({
    query: StateQuery,
    summary: "What a stream has come to",
    description: "404 only for a stream that never existed: a deleted one answers with its head and `deletedAt`. " +
      "`circuitBreaker` is the limit in force, the stream's own or the server's."
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
  }))
).annotateMerge(OpenApi.annotations({ title: "Inspection", description: "What there is" })) {}
