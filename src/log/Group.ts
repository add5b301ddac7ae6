/**
 * Decides a group of appends in arrival order over the heads of their streams: pure, so that the same
 * decision can be made from the cache, again under lock, and in tests.
 */
import { Result } from "effect"
import type { Recorded } from "../domain/EventText.ts"
import type { AppendError } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import type { Terms } from "./Admission.ts"
import * as Admission from "./Admission.ts"
import type { Head } from "./CoreState.ts"
import { unwritten } from "./CoreState.ts"
import type { AppendRequest } from "./EventStore.ts"
import * as Idempotency from "./Idempotency.ts"

/** Heads as they were read: every stream that the group touches, and its ancestors where it has no events. */
export type View = ReadonlyMap<StreamPath, Head>

/** What the log holds under the keys of the group's requests, by path and key. */
export type KnownKeys = ReadonlyMap<StreamPath, ReadonlyMap<string, Idempotency.Stored>>

export type Decision =
  | { readonly _tag: "Recorded"; readonly events: ReadonlyArray<Recorded> }
  | { readonly _tag: "Known"; readonly lines: ReadonlyArray<string> }
  | { readonly _tag: "Refused"; readonly error: AppendError }
  /** Another request of the group has the same key: decided once that one's outcome is known. */
  | { readonly _tag: "Deferred" }

export interface Plan {
  /** One for each request, in their order. */
  readonly decisions: ReadonlyArray<Decision>
  /** The events of all streams, in the order of their positions. */
  readonly events: ReadonlyArray<Recorded>
  /** Heads after the group, of the streams that it changes. */
  readonly heads: ReadonlyMap<StreamPath, Head>
  /** Heads on which decisions rest, as they were before. */
  readonly looked: ReadonlyMap<StreamPath, Head>
  /** Keys that must not be in the log, by path. */
  readonly asked: ReadonlyMap<StreamPath, ReadonlySet<string>>
}

export const plan = (
  requests: ReadonlyArray<AppendRequest>,
  view: View,
  known: KnownKeys,
  terms: Terms
): Plan => {
  const heads = new Map<StreamPath, Head>()
  const looked = new Map<StreamPath, Head>()
  const asked = new Map<StreamPath, Set<string>>()
  const events: Array<Recorded> = []
  const get = (path: StreamPath): Head => {
    const before = view.get(path) ?? unwritten
    if (!looked.has(path)) looked.set(path, before)
    return heads.get(path) ?? before
  }
  const decide = (request: AppendRequest): Decision => {
    const keys = request.events.flatMap((event) => event.idempotencyKey ?? [])
    if (keys.length > 0) {
      const taken = asked.get(request.path)
      if (taken !== undefined && keys.some((key) => taken.has(key))) return { _tag: "Deferred" }
      const verdict = Idempotency.judge(request.events, known.get(request.path) ?? none)
      if (verdict._tag === "Known") return verdict
      if (verdict._tag === "Conflict") return { _tag: "Refused", error: verdict.error }
      asked.set(request.path, new Set([...(taken ?? []), ...keys]))
      // A life of the path that has no events has no keys; but which life it is must be sure.
      get(request.path)
    }
    const admitted = Admission.admit({ get }, request, terms)
    if (Result.isFailure(admitted)) return { _tag: "Refused", error: admitted.failure }
    for (const event of admitted.success.events) events.push(event)
    for (const [path, head] of admitted.success.heads) heads.set(path, head)
    return { _tag: "Recorded", events: admitted.success.requested }
  }
  return { decisions: requests.map(decide), events, heads, looked, asked }
}

const none: ReadonlyMap<string, Idempotency.Stored> = new Map()

/** The streams whose heads a request needs, given what is known of its own. */
export const needed = (path: StreamPath, head: Head | undefined): ReadonlyArray<StreamPath> =>
  head !== undefined && head.exists ? [path] : [path, ...Path.ancestors(path)]
