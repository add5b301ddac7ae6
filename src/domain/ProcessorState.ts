/** What can be told of processors: which there are, and how each fares on a stream, now and as of an offset. */
import { Schema } from "effect"
import { Offset } from "./Event.ts"
import { StreamPath } from "./StreamPath.ts"
import { StreamState } from "./StreamState.ts"

/** `waiting` is for a paused stream, `parked` for a person. */
export const InstanceStatus = Schema.Literals(["caught-up", "folding", "retrying", "waiting", "parked"])
export type InstanceStatus = typeof InstanceStatus.Type

const FiberStatus = Schema.Literals(["running", "done", "retrying", "parked"])

/** Work that a state asks for, by kind and key. */
const Asked = Schema.Struct({ kind: Schema.String, key: Schema.String, input: Schema.Json })

const FiberState = Schema.Struct({
  ...Asked.fields,
  /** The event at which the state first asked for it. */
  since: Offset,
  status: FiberStatus,
  /** Why it is parked. */
  error: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "FiberState" })

/** What a fiber keeps by its kind and key. */
const FiberCursor = Schema.Struct({ kind: Schema.String, key: Schema.String, value: Schema.Json })

/** An event at which folding or a hook failed. */
const Failed = Schema.Struct({ offset: Offset, error: Schema.String })

const standing = {
  version: Schema.Int,
  /** Everything up to here is folded, or is not consumed; what its hooks emitted may still be on its way. */
  offset: Offset,
  /** Events behind the stream's last one; 0 where none of these is consumed. */
  lag: Schema.Int,
  status: InstanceStatus,
  /** The event at which it waits for a person, and why. */
  parked: Schema.optionalKey(Failed)
}

/** A processor at work on one stream. */
export const InstanceState = Schema.Struct({
  ...standing,
  /** Left out until it is folded anew. */
  state: Schema.optionalKey(Schema.Json),
  /** What the state asks for, and how each fares. */
  fibers: Schema.Array(FiberState),
  cursors: Schema.Array(FiberCursor)
}).annotate({ identifier: "InstanceState" })
export type InstanceState = typeof InstanceState.Type

/** An instance in a list. */
export const InstanceSummary = Schema.Struct({
  streamPath: StreamPath,
  ...standing,
  /** How many of its fibers fare how. */
  fibers: Schema.Struct({ running: Schema.Int, done: Schema.Int, retrying: Schema.Int, parked: Schema.Int })
}).annotate({ identifier: "InstanceSummary" })
export type InstanceSummary = typeof InstanceSummary.Type

/** A stream and the processors at work on it, by name. */
export const StreamWithProcessors = Schema.Struct({
  ...StreamState.fields,
  processors: Schema.Record(Schema.String, InstanceState)
}).annotate({ identifier: "StreamWithProcessors" })

/** The state of a processor as of an offset, folded from the log. */
export const PastState = Schema.Struct({
  version: Schema.Int,
  offset: Offset,
  state: Schema.Json,
  /** What the state asked for. */
  fibers: Schema.Array(Asked),
  /** Where folding failed, and why: the state is the one before. */
  stopped: Schema.optionalKey(Failed)
}).annotate({ identifier: "PastState" })
export type PastState = typeof PastState.Type

/** The same of all processors on a stream whose definitions are at hand, by name. */
export const PastStream = Schema.Struct({
  path: StreamPath,
  processors: Schema.Record(Schema.String, PastState)
}).annotate({ identifier: "PastStream" })

/** How one event changed a state: a JSON patch (RFC 6902). */
export const StatePatch = Schema.Struct({
  offset: Offset,
  patch: Schema.Array(Schema.Union([
    Schema.Struct({ op: Schema.Literals(["add", "replace"]), path: Schema.String, value: Schema.Json }),
    Schema.Struct({ op: Schema.Literal("remove"), path: Schema.String })
  ]))
}).annotate({ identifier: "StatePatch" })
export type StatePatch = typeof StatePatch.Type

/** A registered processor. */
export const ProcessorSummary = Schema.Struct({
  name: Schema.String,
  version: Schema.Int,
  /** Types of events, or `*` for every one that no other names. */
  consumes: Schema.Array(Schema.String),
  emits: Schema.Array(Schema.String),
  /** Pattern of the streams that it runs on. */
  streams: Schema.String,
  startFrom: Schema.Literals(["end", "start"]),
  /** Who acts for it now, where somebody does. */
  owner: Schema.NullOr(Schema.String),
  /** Versions that are folded beside it, to take over, and how many instances these have no state of, once counted. */
  preparing: Schema.Array(Schema.Struct({ version: Schema.Int, left: Schema.optionalKey(Schema.Int) })),
  /** Whether this server has its definition. */
  here: Schema.Boolean
}).annotate({ identifier: "ProcessorSummary" })
export type ProcessorSummary = typeof ProcessorSummary.Type
