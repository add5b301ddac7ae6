/**
 * What processors have done, as the log keeps it: who may act for a processor, how far each of its instances
 * has come, and which of them have something to do. An instance is written by `EventStore.commit`, together with
 * the events that it emitted.
 */
import { Context } from "effect"
import type { Effect, Option } from "effect"
import type { JsonText } from "../domain/EventText.ts"
import type { Fenced, NotFound, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { AddedType } from "./AddedTypes.ts"

/** Bound of one page of streams or instances. */
export const pageInstances = 1_000
/** A state is kept once in so many events, for time travel: of those that are kept within them the last one counts. */
export const keepEvery = 10_000

/** The right to act for a processor. A later owner has a greater epoch, and an older one's commits are refused. */
export interface Lease {
  readonly processor: string
  readonly epoch: bigint
}

export interface Registration {
  readonly processor: string
  readonly version: number
  /** Types, or `*` among them for every event. */
  readonly consumes: ReadonlyArray<string>
  readonly emits: ReadonlyArray<string>
  /** A pattern of stream paths. */
  readonly streams: string
  /** Where hooks begin when it is registered first. */
  readonly startFrom: "end" | "start"
}

/** A registered processor and who acts for it now. */
export interface Registered extends Registration {
  readonly owner: string | undefined
  /** Other versions of it that are being prepared. */
  readonly preparing: ReadonlyArray<Preparing>
}

/** A version that is folded beside the registered one, to take over. */
export interface Preparing {
  readonly version: number
  /** Instances that it had no state of when that was told last, or none as far as they were; left out until counted. */
  readonly left?: number
}

/** A version whose server has not said for so long that it prepares it is told of no more. */
export const preparingSeconds = 15
/** And after so long what was kept for it is forgotten: until then a server that starts again goes on there. */
export const preparedSeconds = 600
/** Of the versions of a processor that are being prepared those are remembered that were told of last. */
export const maxPreparing = 10

/** Why an instance waits for a person. */
export interface Parked {
  /** The event whose hook or reducer failed. */
  readonly offset: number
  readonly error: string
}

/** What is written of an instance. */
export interface Checkpoint {
  /** Which life of the stream. */
  readonly life: bigint
  /**
   * Of the instance as it was read or written last. It counts up with each commit and each change by a person, and
   * where it is not this one nothing is written: so a commit whose outcome was unknown can not be made twice.
   */
  readonly revision: number
  readonly version: number
  /** Everything up to here is folded and its hooks are done. */
  readonly offset: number
  /** None: to be folded anew from the first event. */
  readonly state: JsonText | undefined
  /** What the state asks for, since when, and how each fares. */
  readonly fibers: JsonText
  /** Whether the state asks for fibers that are not done: then it is visited after a restart. */
  readonly busy: boolean
  readonly parked: Parked | undefined
  /** Whether the state is also kept for time travel. */
  readonly keep: boolean
}

/** An instance as it was written last. */
export interface Instance extends Omit<Checkpoint, "keep" | "fibers"> {
  readonly path: StreamPath
  /** The stream's last event when this was read. */
  readonly head: number
  /** Events up to here are folded without hooks: they were there before the processor. */
  readonly hooksAfter: number
  /** Types that the processor consumes since later, where events of the stream that are not done lie before that. */
  readonly addedTypes: ReadonlyArray<AddedType>
  /** Events that a person passed over: their hooks do not run, and a reducer that throws at one leaves the state as it is. */
  readonly skipped: ReadonlyArray<number>
  readonly fibers: JsonText | undefined
  /** By kind and key. */
  readonly cursors: ReadonlyArray<FiberCursor>
}

/** A small durable value of a fiber. */
export interface FiberCursor {
  readonly kind: string
  readonly key: string
  readonly value: JsonText
}

/** A state that was kept, and what it asked for. */
export interface Snapshot {
  readonly offset: number
  readonly state: JsonText
  readonly fibers: JsonText
}

/** An instance of which a version has no state, or none as far as it is. */
export interface Unprepared extends Pick<Instance, "path" | "life" | "offset" | "skipped"> {}

export interface UnpreparedPage {
  readonly instances: ReadonlyArray<Unprepared>
  /** Go on behind this path; none: that was all. */
  readonly after: string | undefined
}

export type Change =
  | { readonly _tag: "Resume" }
  /** Passes over the event at which it is parked. */
  | { readonly _tag: "Skip" }
  /** Folds the state anew from the first event; what hooks have done stays done. */
  | { readonly _tag: "Refold" }
  /** A fiber that was parked starts again. */
  | { readonly _tag: "ResumeFiber"; readonly kind: string; readonly key: string }

/** Who claims a lease. */
export interface Claimant {
  /** Of its definition: where another one is registered it gets no lease. Left out, it acts for every version. */
  readonly version?: number | undefined
  /** Whether it holds the lease no longer than this server is there. */
  readonly isPartOfServer?: boolean | undefined
}

export class Checkpoints extends Context.Service<Checkpoints, {
  /**
   * Makes a processor known, with the place in the log behind which its hooks run; later calls keep that place, but for
   * types that were not consumed before: they count from this call on. Another version, other types or another pattern
   * end the lease, so that no owner moves a cursor that is not its own.
   */
  readonly register: (registration: Registration) => Effect.Effect<void, Unavailable>
  /** In order of name. */
  readonly registered: Effect.Effect<ReadonlyArray<Registered>, Unavailable>
  /**
   * Takes the lease, or renews it for the same owner; none while another owner's has not run out, and none for another
   * version than the registered: so whoever registers a new one takes over where the owner would renew.
   */
  readonly claim: (
    processor: string,
    owner: string,
    millis: number,
    claimant?: Claimant
  ) => Effect.Effect<Option.Option<Lease>, Unavailable>
  /** Gives the lease back, so that another owner need not wait. */
  readonly release: (lease: Lease) => Effect.Effect<void, Unavailable>
  /**
   * Moves the processor's cursor over what the log has grown, at most some thousand events, and notes what it consumes
   * of it at the instances. Returns the streams of those that have something to do, and whether there is more. What an
   * older transaction may still commit before is left for later.
   */
  readonly advance: (
    lease: Lease
  ) => Effect.Effect<{ readonly paths: ReadonlyArray<StreamPath>; readonly more: boolean }, Unavailable | Fenced>
  /**
   * Streams, in order of path, whose instances have something to do, or are of another version than the registered; at
   * most `pageInstances`.
   */
  readonly undone: (processor: string, after: string) => Effect.Effect<ReadonlyArray<StreamPath>, Unavailable>
  /** The instance on a stream, made where there is none; none where the stream has no events, or no pattern covers it. */
  readonly open: (lease: Lease, path: StreamPath) => Effect.Effect<Option.Option<Instance>, Unavailable | Fenced>
  /**
   * Instances of a processor, in order of path; at most `limit`, which is `pageInstances` where it is left out, and fewer
   * where their states are large.
   */
  readonly instances: (
    processor: string,
    after: string,
    limit?: number
  ) => Effect.Effect<ReadonlyArray<Instance>, Unavailable>
  /** All instances on a stream, by processor. */
  readonly instancesOn: (path: StreamPath) => Effect.Effect<ReadonlyMap<string, Instance>, Unavailable>
  /** The last state at or before an offset that was kept for this version. */
  readonly snapshot: (
    processor: string,
    version: number,
    life: bigint,
    offset: number
  ) => Effect.Effect<Option.Option<Snapshot>, Unavailable>
  /**
   * Says that another version than the registered is being prepared, and how many instances are left: its states are
   * kept for `preparedSeconds` more. None: nobody has counted them yet.
   */
  readonly prepare: (
    processor: string,
    version: number,
    left: number | undefined
  ) => Effect.Effect<void, Unavailable>
  /**
   * Instances of which a version has no state as far as they are, among the next `pageInstances` in order of path.
   */
  readonly unprepared: (
    processor: string,
    version: number,
    after: string
  ) => Effect.Effect<UnpreparedPage, Unavailable>
  /**
   * Keeps a state of another version than the registered, whoever acts for the processor. Whether it was kept: not of
   * the registered version, not where the instance is gone, or has not come so far, and from elsewhere not where the
   * server refuses the request, since it is too large or nests too deep.
   */
  readonly keep: (
    processor: string,
    version: number,
    life: bigint,
    snapshot: Snapshot
  ) => Effect.Effect<boolean, Unavailable>
  /** Changes an instance at a person's word and records it on the stream, together. */
  readonly change: (processor: string, path: StreamPath, change: Change) => Effect.Effect<void, Unavailable | NotFound>
}>()("millstream/log/Checkpoints") {}
