/**
 * Processors that run elsewhere, in any language. A simple one needs only `claim` and `commit`; the other routes are
 * for runtimes that keep many instances awake.
 */
import { Schema } from "effect"
import { HttpApiEndpoint, HttpApiGroup, OpenApi } from "effect/http-api"
import * as Claim from "../domain/Claim.ts"
import { StreamPath } from "../domain/StreamPath.ts"
import * as Documentation from "./Documentation.ts"
import * as Parameter from "./Parameter.ts"
import * as Problem from "./Problem.ts"
import { NameParams, ProcessorsQuery } from "./ProcessorsApi.ts"
import { PathParams } from "./StreamsApi.ts"

export const UndoneQuery = Schema.Struct({
  after: Schema.optionalKey(StreamPath).pipe(
    Schema.annotateKey({ description: "Goes on after this stream, the last one of the list before" })
  ),
  pretty: Parameter.pretty
})

const version = Parameter.wholeNumber(0, Claim.maxVersion)

export const UnpreparedQuery = Schema.Struct({
  version: version.pipe(Schema.annotateKey({ description: "The version that is being prepared" })),
  after: Schema.optionalKey(StreamPath).pipe(
    Schema.annotateKey({ description: "Goes on after this stream, as the answer before says" })
  ),
  pretty: Parameter.pretty
})

export const SnapshotQuery = Schema.Struct({
  version: version.pipe(Schema.annotateKey({ description: "The version that the state was folded with" })),
  life: Claim.Life.pipe(Schema.annotateKey({ description: "Of the stream, as its instance says" })),
  offset: Parameter.wholeNumber(0).pipe(
    Schema.annotateKey({ description: "The last state at or before this is what is found" })
  ),
  pretty: Parameter.pretty
})

/** Most events of one page. */
const maxPage = 1_000

export const PageQuery = Schema.Struct({
  after: Schema.optionalKey(Parameter.wholeNumber(0)).pipe(
    Schema.annotateKey({ description: "Exclusive lower bound; 0 by default" })
  ),
  before: Schema.optionalKey(Parameter.wholeNumber(1)).pipe(
    Schema.annotateKey({ description: "Exclusive upper bound" })
  ),
  types: Schema.optionalKey(Parameter.types).pipe(Schema.annotateKey({ description: "Only these types" })),
  limit: Schema.optionalKey(Parameter.wholeNumber(0, maxPage)).pipe(
    Schema.annotateKey({
      description: `At most so many events, ${maxPage} where it is left out; 0 tells of the stream alone`
    })
  ),
  pretty: Parameter.pretty
})

const errors = [...Problem.access, Problem.PayloadTooLarge, Problem.Unavailable]

export class ClaimsApi extends HttpApiGroup.make("claims").add(
  HttpApiEndpoint.post("claim", "/api/processors/:name/claim", {
    params: NameParams,
    query: ProcessorsQuery,
    payload: Claim.ClaimRequest,
    success: Claim.Claimed,
    error: errors
  }).annotateMerge(Documentation.endpoint({
    query: ProcessorsQuery,
    summary: "Take a processor, or go on with it, and hear what is to be done",
    description: "The first claim makes the processor known. One owner at a time has it: repeated with the `owner` " +
      "of the reply, a claim renews the lease, which runs out after `MILLSTREAM_LEASE` seconds or `leaseMillis`; a " +
      "rival gets `epoch: null` and nothing until then. Whoever makes another `version` known takes over at " +
      "once, and the older one gets nothing any more; a program that starts again under the name of before, with a " +
      "version of before, says `takeOver`. `instances` are the streams on which events wait. For each, " +
      "read what follows `offset` (from the first event where `state` is `null`), fold it, and commit what it leads " +
      "to. With `waitMillis` the answer comes once there is something.\n\n" +
      "```\ncurl -d '{\"streams\":\"/games/**\",\"consumes\":[\"ping\"],\"emits\":[\"pong\"]}' " +
      "$URL/api/processors/ping-pong/claim\n```"
  })),
  HttpApiEndpoint.post("commit", "/api/processors/:name/commit", {
    params: NameParams,
    query: ProcessorsQuery,
    payload: Claim.CommitRequest,
    success: Claim.Committed,
    error: [
      ...errors,
      Problem.Fenced,
      Problem.IdempotencyConflict,
      Problem.OffsetMismatch,
      Problem.InvalidEvent,
      Problem.StreamPaused
    ]
  }).annotateMerge(Documentation.endpoint({
    query: ProcessorsQuery,
    summary: "Record what an event led to, and how far the processor came, together",
    description: "What is emitted gets the event at `offset` as its cause. What was committed before is not recorded " +
      "again, nor what answers an event that was there before the processor: so it is safe to send a commit again, " +
      "and to begin at the last known place after a crash. 409 `Fenced` where another owner has taken over " +
      "(`lease`), or where the stream was deleted or a person changed the instance (`instance`): then claim again." +
      "\n\n" +
      "```\ncurl -d '{\"epoch\":1,\"streamPath\":\"/games/1\",\"offset\":2,\"state\":{\"pings\":1}," +
      "\"emit\":[{\"type\":\"pong\",\"payload\":{\"to\":\"ada\"}}]}' $URL/api/processors/ping-pong/commit\n```"
  })),
  HttpApiEndpoint.post("register", "/api/processors/:name/register", {
    params: NameParams,
    query: ProcessorsQuery,
    payload: Claim.RegisterRequest,
    success: Schema.Struct({}),
    error: errors
  }).annotateMerge(Documentation.endpoint({
    query: ProcessorsQuery,
    summary: "Make a processor known that runs elsewhere",
    description: "Its place in the log is the one when it was heard of first: what comes after it is answered. A " +
      "claim does this too. Known already, only what has changed is taken over."
  })),
  HttpApiEndpoint.post("release", "/api/processors/:name/release", {
    params: NameParams,
    query: ProcessorsQuery,
    payload: Claim.EpochRequest,
    success: Schema.Struct({}),
    error: errors
  }).annotateMerge(Documentation.endpoint({
    query: ProcessorsQuery,
    summary: "Give the lease back",
    description: "So that another owner need not wait until it has run out."
  })),
  HttpApiEndpoint.post("advance", "/api/processors/:name/advance", {
    params: NameParams,
    query: ProcessorsQuery,
    payload: Claim.EpochRequest,
    success: Claim.Moved,
    error: [...errors, Problem.Fenced]
  }).annotateMerge(Documentation.endpoint({
    query: ProcessorsQuery,
    summary: "Look through what the log has grown",
    description: "Names streams on which something is to be done now; `more` where there is more to look through. " +
      "A claim does this too."
  })),
  HttpApiEndpoint.get("undone", "/api/processors/:name/undone", {
    params: NameParams,
    query: UndoneQuery,
    success: Claim.Undone,
    error: [...Problem.access, Problem.InvalidPath, Problem.Unavailable]
  }).annotateMerge(Documentation.endpoint({
    query: UndoneQuery,
    summary: "Streams on which something is to be done",
    description: "In order of path, at most 1,000."
  })),
  HttpApiEndpoint.post("open", "/api/processors/:name/open", {
    params: NameParams,
    query: ProcessorsQuery,
    payload: Claim.OpenRequest,
    success: Claim.Opened,
    error: [...errors, Problem.Fenced]
  }).annotateMerge(Documentation.endpoint({
    query: ProcessorsQuery,
    summary: "The instance on one stream",
    description: "As a claim lists it, with the state of whatever version; `null` where the stream has no events."
  })),
  HttpApiEndpoint.post("prepare", "/api/processors/:name/prepare", {
    params: NameParams,
    query: ProcessorsQuery,
    payload: Claim.PrepareRequest,
    success: Schema.Struct({}),
    error: errors
  }).annotateMerge(Documentation.endpoint({
    query: ProcessorsQuery,
    summary: "Say that another version is being prepared",
    description: "To take over without a pause: states that are kept of that version stay for ten minutes after it " +
      "was said last, and `/api/processors` tells for 15 seconds how many instances are `left`, once they are " +
      "counted. Of a processor's versions the ten that were told of last are remembered. Registering the version " +
      "takes over."
  })),
  HttpApiEndpoint.get("unprepared", "/api/processors/:name/unprepared", {
    params: NameParams,
    query: UnpreparedQuery,
    success: Claim.Unprepared,
    error: [...Problem.access, Problem.InvalidPath, Problem.Unavailable]
  }).annotateMerge(Documentation.endpoint({
    query: UnpreparedQuery,
    summary: "What a version that is being prepared has still to fold",
    description: "In order of path: instances of which no state of that version is kept as far as they are. A page " +
      "may be empty; the list ends where `after` is `null`."
  })),
  HttpApiEndpoint.get("snapshot", "/api/processors/:name/snapshot", {
    params: NameParams,
    query: SnapshotQuery,
    success: Claim.FoundSnapshot,
    error: [...Problem.access, Problem.Unavailable]
  }).annotateMerge(Documentation.endpoint({
    query: SnapshotQuery,
    summary: "The last state that was kept of an instance",
    description: "With `fibers`, what that state asks for. `null` where there is none: fold from the first event."
  })),
  HttpApiEndpoint.post("keep", "/api/processors/:name/keep", {
    params: NameParams,
    query: ProcessorsQuery,
    payload: Claim.KeepRequest,
    success: Claim.Kept,
    error: errors
  }).annotateMerge(Documentation.endpoint({
    query: ProcessorsQuery,
    summary: "Keep a state of a version that is being prepared",
    description: "The instance itself stays as it is, and its owner acts on. `kept` is false where the stream was " +
      "deleted meanwhile, where the instance has not come so far, and of the version that is registered. Of what is " +
      "kept within 10,000 events the last one counts."
  })),
  HttpApiEndpoint.get("page", "/api/page/:path", {
    params: PathParams,
    query: PageQuery,
    success: Claim.Page,
    error: [...Problem.access, Problem.InvalidPath, Problem.Unavailable]
  }).annotateMerge(Documentation.endpoint({
    query: PageQuery,
    summary: "A part of a stream, and where to go on",
    description: "For programs that keep their own place: events behind `after`, as many as an answer holds " +
      "(512 KiB). `last` moves past what `types` leaves out."
  }))
).annotateMerge(OpenApi.annotations({
  title: "Processors elsewhere",
  description: "What runs on streams from another machine, in any language"
})) {}
