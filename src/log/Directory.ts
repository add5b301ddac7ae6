/** Which streams there are, and what the log knows of each without reading its history. */
import { Context } from "effect"
import type { Effect, Option } from "effect"
import type { Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Head } from "./CoreState.ts"

/** A stream in a list. Times are in milliseconds since 1970. */
export interface Child {
  readonly path: StreamPath
  readonly head: number
  readonly createdAt: number
  readonly updatedAt: number
  /** How many streams are directly below it. */
  readonly children: number
}

export interface ChildrenOptions {
  /** All below, not only those directly below. */
  readonly recursive: boolean
  readonly limit: number
  /** Path of the last one of the list before. */
  readonly after?: StreamPath | undefined
}

export class Directory extends Context.Service<Directory, {
  /** None for a stream that never existed; a deleted one says so in `exists`. */
  readonly describe: (path: StreamPath) => Effect.Effect<Option.Option<Head>, Unavailable>
  /** Streams that exist below, in order of path. */
  readonly children: (path: StreamPath, options: ChildrenOptions) => Effect.Effect<ReadonlyArray<Child>, Unavailable>
  /** Succeeds when an append would: one goes through the whole path, without an event. */
  readonly check: Effect.Effect<void, Unavailable>
  /** How long a transaction that is under way has held back reads across streams, in seconds. */
  readonly horizonAge: Effect.Effect<number, Unavailable>
}>()("millstream/log/Directory") {}
