/** Processors: which there are, how their instances fare, and what a person does to one that is parked. */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import { maxInstances } from "../domain/Bounds.ts"
import { InstanceState, InstanceSummary, ProcessorSummary } from "../domain/ProcessorState.ts"
import { StreamPath } from "../domain/StreamPath.ts"
import * as Documentation from "./Documentation.ts"
import * as Parameter from "./Parameter.ts"
import * as Problem from "./Problem.ts"

/** Names a processor in a URL. */
export const NameParams = Schema.Struct({
  name: Schema.NonEmptyString.annotate({ description: "Name of the processor" })
})

export const ProcessorsQuery = Schema.Struct({ pretty: Parameter.pretty })

export const InstancesQuery = Schema.Struct({
  limit: Schema.optionalKey(Parameter.wholeNumber(1, maxInstances)).pipe(
    Schema.annotateKey({
      description: `At most so many, ${maxInstances} where it is left out, and fewer where states are large: the list ends ` +
        "where a page is empty"
    })
  ),
  after: Schema.optionalKey(StreamPath).pipe(
    Schema.annotateKey({ description: "Goes on after this stream, the last one of the list before" })
  ),
  pretty: Parameter.pretty
})

const streamPath = StreamPath.pipe(Schema.annotateKey({ description: "The stream whose instance is meant" }))

export const ChangeQuery = Schema.Struct({ streamPath, pretty: Parameter.pretty })

export const ResumeQuery = Schema.Struct({
  streamPath,
  kind: Schema.optionalKey(Schema.String).pipe(
    Schema.annotateKey({ description: "With `key`: only the fiber of this kind" })
  ),
  key: Schema.optionalKey(Schema.String).pipe(
    Schema.annotateKey({ description: "With `kind`: only the fiber of this key" })
  ),
  pretty: Parameter.pretty
})

const changeErrors = [...Problem.access, Problem.InvalidPath, Problem.NotFound, Problem.Unavailable]

export class ProcessorsApi extends HttpApiGroup.make("processors").add(
  HttpApiEndpoint.get("list", "/api/processors", {
    query: ProcessorsQuery,
    success: Schema.Array(ProcessorSummary),
    error: [...Problem.access, Problem.Unavailable]
  }).annotateMerge(Documentation.endpoint({
    query: ProcessorsQuery,
    summary: "The processors that were ever registered",
    description: "In order of name. `owner` acts for it now, on this server or another; `preparing` names the versions that " +
      "are folded beside it, to take over, and how many streams these have left, once they are counted; `here` says " +
      "whether this server has its definition and so can fold its past."
  })),
  HttpApiEndpoint.get("instances", "/api/processors/:name/instances", {
    params: NameParams,
    query: InstancesQuery,
    success: Schema.Array(InstanceSummary),
    error: [...Problem.access, Problem.InvalidPath, Problem.NotFound, Problem.Unavailable]
  }).annotateMerge(Documentation.endpoint({
    query: InstancesQuery,
    summary: "How a processor fares on each stream",
    description: "In order of path, without their states: `/api/state/{path}` has these."
  })),
  HttpApiEndpoint.post("resume", "/api/processors/:name/resume", {
    params: NameParams,
    query: ResumeQuery,
    success: InstanceState,
    error: changeErrors
  }).annotateMerge(Documentation.endpoint({
    query: ResumeQuery,
    summary: "Lets a parked instance, or one of its fibers, try again",
    description: "Recorded on the stream as `processor/resumed`. 404 where nothing is parked."
  })),
  HttpApiEndpoint.post("skip", "/api/processors/:name/skip", {
    params: NameParams,
    query: ChangeQuery,
    success: InstanceState,
    error: changeErrors
  }).annotateMerge(Documentation.endpoint({
    query: ChangeQuery,
    summary: "Lets a parked instance pass over the event at which it failed",
    description: "Recorded on the stream as `processor/skipped`: its hook does not run for that event. 404 where " +
      "nothing is parked."
  })),
  HttpApiEndpoint.post("refold", "/api/processors/:name/refold", {
    params: NameParams,
    query: ChangeQuery,
    success: InstanceState,
    error: changeErrors
  }).annotateMerge(Documentation.endpoint({
    query: ChangeQuery,
    summary: "Folds an instance's state anew from the first event",
    description: "Recorded on the stream as `processor/refolded`. What its hooks have done stays done: none runs again."
  }))
).annotateMerge(OpenApi.annotations({ title: "Processors", description: "What runs on streams" })) {}
