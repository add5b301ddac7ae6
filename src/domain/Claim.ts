/**
 * Processors that run elsewhere, in any language: what their owner asks for and is told. The lease's epoch guards all
 * that it commits. What only the typed runtime needs is optional and can be left out.
 */
import { Schema } from "effect"
import { Cause, Event, EventInput, Offset, Type } from "./Event.ts"
import { StreamPath } from "./StreamPath.ts"
import { Paused } from "./StreamState.ts"

/** Most instances that one claim lists: their states are read one by one, and held together. */
export const maxClaimed = 100
/** Most types that a processor names, far more than one can handle. */
const maxTypes = 1_000
/** How long an owner may hold a processor without a word: above an hour a crash would stop it for too long. */
const leaseMillis = { minimum: 100, maximum: 3_600_000 }

/** Most instances that can be left, as Postgres's integers hold it. */
const maxLeft = 2_147_483_647

/** How long a claim may wait for something to do: what sits between may cut an answer off that takes longer. */
const waitMillis = { minimum: 0, maximum: 30_000 }

/** Counts up with each owner: a JSON number holds more of them than there will ever be. */
export const Epoch = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1))).annotate({
  identifier: "Epoch",
  description: "Which owner it is; a later one has a greater epoch"
})

/** Greatest number of a life: Postgres holds no more. */
const maxLife = 2n ** 63n - 1n

/** The bigint of a life, as text. */
export const Life = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^[0-9]{1,19}$/),
    Schema.makeFilter((text: string) => BigInt(text) <= maxLife || `must be at most ${maxLife}`)
  )
).annotate({
  identifier: "Life",
  description: "Opaque; another one once a stream was deleted and is written again"
})

const Types = Schema.Array(Type).pipe(Schema.check(Schema.isMaxLength(maxTypes)))

/** Bound of each name of a fiber, in bytes of its JSON: with the processor's they are an index key in Postgres. */
const maxFiberName = 768
const utf8 = new TextEncoder()

/** What is wrong with the kind or the key of a fiber, or `undefined`. */
export const fiberNameProblem = (text: string): string | undefined =>
  utf8.encode(JSON.stringify(text)).length > maxFiberName
    ? `must have at most ${maxFiberName} bytes as JSON`
    : undefined

const Name = Schema.String.pipe(
  Schema.check(Schema.makeFilter(fiberNameProblem, { toJsonSchema: () => ({ maxLength: maxFiberName }) }))
)

/** A small durable value by kind and key. */
export const Cursor = Schema.Struct({ kind: Name, key: Name, value: Schema.Json })

/** Why an instance waits for a person: the event that could not be handled, and what it failed with. */
const Parked = Schema.Struct({ offset: Offset, error: Schema.String.pipe(Schema.check(Schema.isMaxLength(10_000))) })

/** As Postgres's integers hold it. */
export const maxVersion = 2_147_483_647
const Version = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: maxVersion })))
const Revision = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))

const registration = {
  /** Counts up when the state is to be folded anew; 1 where it is left out. */
  version: Schema.optionalKey(Version),
  /** Pattern of the streams; `/**` where it is left out. */
  streams: Schema.optionalKey(Schema.String),
  /** Types of events, or `*` for every one. */
  consumes: Types.pipe(Schema.check(Schema.isMinLength(1))),
  emits: Schema.optionalKey(Types),
  /** Where it begins when it is claimed for the first time; `end` where it is left out. */
  startFrom: Schema.optionalKey(Schema.Literals(["end", "start"]))
}

/** Makes a processor known: its place in the log is the one when it was heard of first. */
export const RegisterRequest = Schema.Struct(registration).annotate({ identifier: "RegisterRequest" })
export type RegisterRequest = typeof RegisterRequest.Type

export const ClaimRequest = Schema.Struct({
  ...registration,
  /** Who claims: from the reply before, or a name of one's own. Left out, a new name is made. */
  owner: Schema.optionalKey(Type.annotate({ description: "From the reply before, or a name of one's own" })),
  /**
   * Whether this definition takes the place of another one. Left out, it does when this owner is heard of first, or
   * after a minute or more; `true` does it at any rate, for a program that has just started, and `false` never, for one
   * that goes on.
   */
  takeOver: Schema.optionalKey(Schema.Boolean),
  /** Lists instances behind this stream. */
  after: Schema.optionalKey(StreamPath),
  /** Lists at most so many; with 0 the lease alone is taken or renewed. */
  limit: Schema.optionalKey(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: maxClaimed })))),
  /** Answers once there is something to do, within so long and half of the lease; at once where it is left out. */
  waitMillis: Schema.optionalKey(Schema.Int.pipe(Schema.check(Schema.isBetween(waitMillis)))),
  /** How long it holds without being renewed; the server's `MILLSTREAM_LEASE` where it is left out. */
  leaseMillis: Schema.optionalKey(Schema.Int.pipe(Schema.check(Schema.isBetween(leaseMillis))))
}).annotate({ identifier: "ClaimRequest" })
export type ClaimRequest = typeof ClaimRequest.Type

/** A processor on a stream, with something to do. */
export const ClaimedInstance = Schema.Struct({
  streamPath: StreamPath,
  epoch: Epoch,
  /** Everything up to here is done. */
  offset: Offset,
  /** As it was committed last; `null`: to be folded from the first event. */
  state: Schema.Json,
  /** The stream's last event. */
  head: Offset,
  /** Events up to here were there before the processor, or are done: they are folded and not answered. */
  hooksAfter: Offset,
  /**
   * Types that are consumed since later: their events up to here are folded and not answered either; `*` stands for
   * those that are not listed.
   */
  addedTypes: Schema.optionalKey(Schema.Array(Schema.Struct({ type: Schema.String, hooksAfter: Offset }))),
  /** Events that a person passed over: they are folded and not answered either. */
  skipped: Schema.optionalKey(Schema.Array(Offset)),
  /** The version that the state was committed with. */
  version: Version,
  life: Life,
  /** Counts up with each change of the instance. */
  revision: Revision,
  /** For the typed runtime: what the state asks for and how it fares. */
  fibers: Schema.optionalKey(Schema.Json),
  cursors: Schema.optionalKey(Schema.Array(Cursor)),
  parked: Schema.optionalKey(Parked)
}).annotate({ identifier: "ClaimedInstance" })

export const Claimed = Schema.Struct({
  owner: Schema.String,
  /** `null` while another owner's lease has not run out. */
  epoch: Schema.NullOr(Epoch),
  /** When the lease runs out if it is not renewed, by the server's clock. */
  until: Schema.NullOr(Schema.DateTimeUtcFromString),
  instances: Schema.Array(ClaimedInstance),
  /** Whether there are more instances behind the last one, or more events to be looked through: claim again. */
  more: Schema.Boolean
}).annotate({ identifier: "Claimed" })

/** An event to record, and which one it answers. */
export const Emitted = Schema.Struct({
  ...EventInput.fields,
  /** Another stream than the commit's. */
  streamPath: Schema.optionalKey(StreamPath),
  /** The event of the commit's stream that it answers, where that is not the one at the commit's `offset`. */
  cause: Schema.optionalKey(Cause.fields.offset)
}).annotate({ identifier: "Emitted" })

export const CommitRequest = Schema.Struct({
  epoch: Epoch,
  /** Needed, but for a checkpoint with a `life` that emits nothing. */
  streamPath: Schema.optionalKey(StreamPath),
  /** Everything up to here is done with this. */
  offset: Offset,
  /** The state there. Left out, it stays what it was; with `revision` there is none then, and it is folded anew. */
  state: Schema.optionalKey(Schema.Json),
  /** Recorded together with all else, or not at all. */
  emit: Schema.optionalKey(Schema.Array(Emitted)),
  cursors: Schema.optionalKey(Schema.Array(Cursor)),
  /** The event that could not be handled: the instance waits for a person, and `processor/parked` says so. */
  parked: Schema.optionalKey(Parked),
  /** Records what is emitted and the cursors at once; the instance stays where it is, so nothing is said of it. */
  aside: Schema.optionalKey(Schema.Boolean),
  /** Refused where the stream was deleted meanwhile. */
  life: Schema.optionalKey(Life),
  /** With `life`: refused where the instance is not as it was then. What is committed is taken as it is. */
  revision: Schema.optionalKey(Revision),
  /** The version of the state; the claimed one where it is left out. */
  version: Schema.optionalKey(Version),
  /** For the typed runtime: what the state asks for and how it fares. */
  fibers: Schema.optionalKey(Schema.Json),
  /** Whether the state is also kept for time travel. */
  keep: Schema.optionalKey(Schema.Boolean)
}).annotate({ identifier: "CommitRequest" })
export type CommitRequest = typeof CommitRequest.Type

export const Committed = Schema.Struct({
  streamPath: Schema.optionalKey(StreamPath),
  offset: Offset,
  /** Whether nothing is new: it was committed before. */
  known: Schema.Boolean,
  /** What was emitted, as it was recorded. */
  events: Schema.Array(Event)
}).annotate({ identifier: "Committed" })

/** What an owner says who wants nothing else. */
export const EpochRequest = Schema.Struct({ epoch: Epoch }).annotate({ identifier: "EpochRequest" })

export const OpenRequest = Schema.Struct({ epoch: Epoch, streamPath: StreamPath }).annotate({
  identifier: "OpenRequest"
})
export const OpenedInstance = Schema.Struct({
  ...ClaimedInstance.fields,
  /** As it was committed last; left out: to be folded from the first event. */
  state: Schema.optionalKey(Schema.Json)
}).annotate({ identifier: "OpenedInstance" })
export type OpenedInstance = typeof OpenedInstance.Type
export const Opened = Schema.Struct({ instance: Schema.NullOr(OpenedInstance) }).annotate({ identifier: "Opened" })

/** Streams that something is to be done on. */
export const Moved = Schema.Struct({ paths: Schema.Array(StreamPath), more: Schema.Boolean }).annotate({
  identifier: "Moved"
})
export const Undone = Schema.Struct({ paths: Schema.Array(StreamPath) }).annotate({ identifier: "Undone" })

/** Says that a version is being prepared. */
export const PrepareRequest = Schema.Struct({
  version: Version,
  /** Instances that it has no state of yet; left out until they are counted. */
  left: Schema.optionalKey(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: maxLeft }))))
}).annotate({ identifier: "PrepareRequest" })

/** Instances of which a version has no state as far as they are. */
export const Unprepared = Schema.Struct({
  instances: Schema.Array(Schema.Struct({
    streamPath: StreamPath,
    life: Life,
    /** Fold it up to here. */
    offset: Offset,
    /** A reducer that throws at one of these leaves the state as it is. */
    skipped: Schema.optionalKey(Schema.Array(Offset))
  })),
  /** Go on behind this stream; `null` where that was all. */
  after: Schema.NullOr(StreamPath)
}).annotate({ identifier: "Unprepared" })

/** A state that was kept, and what it asks for. */
const Snapshot = Schema.Struct({ offset: Offset, state: Schema.Json, fibers: Schema.Json })
export const FoundSnapshot = Schema.Struct({ snapshot: Schema.NullOr(Snapshot) }).annotate({
  identifier: "FoundSnapshot"
})

/** A state to keep of an instance, folded by a version. */
export const KeepRequest = Schema.Struct({
  version: Version,
  life: Life,
  /** Of the last event that is in the state. */
  offset: Offset,
  state: Schema.Json,
  /** What the state asks for. */
  fibers: Schema.optionalKey(Schema.Json)
}).annotate({ identifier: "KeepRequest" })
export type KeepRequest = typeof KeepRequest.Type

/** Whether it was kept: not of the registered version, and not where the instance is gone, or has not come so far. */
export const Kept = Schema.Struct({ kept: Schema.Boolean }).annotate({ identifier: "Kept" })

/** A part of a stream, as much as one answer holds. */
export const Page = Schema.Struct({
  /** Go on after this: what is between the last event and it was not wanted. */
  last: Offset,
  /** The stream's last event, 0 where it never had one. */
  head: Offset,
  /** `null` where the stream has no events. */
  life: Schema.NullOr(Life),
  paused: Schema.NullOr(Paused),
  events: Schema.Array(Event)
}).annotate({ identifier: "Page" })
