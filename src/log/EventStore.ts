/**
 * The log: the only write, and reading by offset. Signals that a stream grew carry no events; whoever is
 * signalled reads, so catch-up and live are the same code.
 */
import { Context } from "effect"
import type { Effect } from "effect"
import type { Cause } from "../domain/Event.ts"
import type { JsonText, Proposed } from "../domain/EventText.ts"
import type { AppendError, Fenced, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Checkpoint, FiberCursor, Lease } from "./Checkpoints.ts"

/** Bound of what one page holds, in bytes of JSON: a reader holds a page and reads one ahead, together 1 MiB. */
export const pageBytes = 524_288
/** Bound of what one page holds, in events: enough to amortise a query, little enough to start soon. */
export const pageEvents = 1_000

/** What a request to append asks for. */
export interface Requested {
  readonly path: StreamPath
  /** At least one. They are recorded in order and together, or not at all. */
  readonly events: ReadonlyArray<Proposed>
  readonly cause?: Cause | undefined
  /** Whether the server itself says it: then it is not counted, and a paused stream takes it. */
  readonly byServer?: boolean | undefined
}

/** Events. What arrives and is none goes by `Arrivals`. */
export interface AppendRequest extends Requested {
  readonly arrival?: undefined
}

/** What the owner of a processor records together, or not at all. */
export interface Commit {
  readonly lease: Lease
  /** In order. An event that is known by its key counts as recorded if it has the same content, each for itself. */
  readonly appends: ReadonlyArray<AppendRequest>
  readonly checkpoint?: Checkpoint | undefined
  /** Fibers' cursors on the stream of that life, which must not have ended; with none of them only that is asked. */
  readonly cursors?: { readonly life: bigint; readonly values: ReadonlyArray<FiberCursor> } | undefined
}

export interface Appended {
  /** The recorded events in their wire form, in the order of the request. */
  readonly lines: ReadonlyArray<JsonText>
  /** Whether they had been recorded before, under the same idempotency keys. */
  readonly known: boolean
}

export interface ReadOptions {
  /** Exclusive. */
  readonly after: number
  /** Exclusive; none reads what exists. */
  readonly before?: number | undefined
  /** Only these; the position moves past the others. */
  readonly types?: ReadonlyArray<string> | undefined
  /** At most so many events. */
  readonly limit?: number | undefined
}

export interface Page {
  /** Events in their wire form, oldest first. */
  readonly lines: ReadonlyArray<JsonText>
  /** The type of each line, where the page comes from memory. */
  readonly types?: ReadonlyArray<string> | undefined
  /** Offset to go on after: of the last event that was looked at, whether or not it was wanted. */
  readonly last: number
  /** Offset of the stream's last event when it was read. */
  readonly head: number
  /** Which life of the path this is; it changes with a delete. None: nobody has written there. */
  readonly life: bigint | undefined
}

export interface PrefixReadOptions {
  readonly after: Cursor
  /** Only transactions before this one. */
  readonly before?: bigint | undefined
  readonly types?: ReadonlyArray<string> | undefined
  readonly limit?: number | undefined
}

/** Place in the whole log: opaque for clients. */
export interface Cursor {
  readonly tx: bigint
  readonly position: bigint
}

export interface PrefixPage {
  /** Each event with the place behind it. */
  readonly lines: ReadonlyArray<{ readonly cursor: Cursor; readonly line: JsonText }>
  readonly last: Cursor
  /** Whether there may be more now. */
  readonly more: boolean
  /** Below it everything was readable; transactions from here on to `newest` may have been under way. */
  readonly horizon: bigint
  readonly newest: bigint
}

export class EventStore extends Context.Service<EventStore, {
  /** Records the events in order and together, or records none of them. Returns once they are durable. */
  readonly append: (request: AppendRequest) => Effect.Effect<Appended, AppendError>
  /** What a processor emitted and how far it came. Refused where the lease has passed on or the instance was changed. */
  readonly commit: (commit: Commit) => Effect.Effect<ReadonlyArray<Appended>, AppendError | Fenced>
  /** Events of a stream that exist now. A stream nobody has written to is empty. */
  readonly read: (path: StreamPath, options: ReadOptions) => Effect.Effect<Page, Unavailable>
  /** Events of a stream and all below it, in commit order. */
  readonly readWithin: (prefix: StreamPath, options: PrefixReadOptions) => Effect.Effect<PrefixPage, Unavailable>
  /** Removes the events of a stream, or of all below it too. Returns the streams that had any. */
  readonly remove: (
    path: StreamPath,
    options: { readonly recursive: boolean }
  ) => Effect.Effect<ReadonlyArray<StreamPath>, Unavailable>
  /** The page after an offset if it is in memory, for readers that are caught up; never waits. */
  readonly recent: (path: StreamPath, after: number) => Page | undefined
}>()("millstream/log/EventStore") {}
