/**
 * Decides a group of appends and commits in arrival order over the heads of their streams: pure, so that the
 * same decision can be made from the cache, again under lock, and in tests.
 */
import { Result } from "effect"
import type { Recorded } from "../domain/EventText.ts"
import type { AppendError, Fenced, InvalidEvent } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import type { Terms } from "./Admission.ts"
import * as Admission from "./Admission.ts"
import type { Head } from "./CoreState.ts"
import { unwritten } from "./CoreState.ts"
import type { Arrived, Unverified } from "./Arrivals.ts"
import type { Appended, AppendRequest, Commit } from "./EventStore.ts"
import * as Idempotency from "./Idempotency.ts"
import type { Submission } from "./Submission.ts"
import { instanceOf, isCommit } from "./Submission.ts"
import * as Together from "./Together.ts"

/** Heads as they were read: every stream that the group touches, and its ancestors where it has no events. */
export type View = ReadonlyMap<StreamPath, Head>

/** What the log holds under the keys of the group's requests, by path and key. */
export type KnownKeys = ReadonlyMap<StreamPath, ReadonlyMap<string, Idempotency.Stored>>

/** Why Postgres refused a commit: its lease has passed on, its instance is not as it was, or keeps too much. */
export type Fence = Fenced | InvalidEvent
export type Fences = ReadonlyMap<Commit, Fence>

export type Decision =
  | { readonly _tag: "Recorded"; readonly events: ReadonlyArray<Recorded> }
  | { readonly _tag: "Known"; readonly lines: ReadonlyArray<string> }
  /** Of a commit: one for each of its appends. */
  | { readonly _tag: "Committed"; readonly appended: ReadonlyArray<Appended>; readonly recorded: number }
  | { readonly _tag: "Refused"; readonly error: AppendError }
  | { readonly _tag: "Fenced"; readonly error: Fence }
  /** Of what arrived and is no event. */
  | { readonly _tag: "Unverified"; readonly error: Unverified }
  /** Another request of the group has the same key, or instance: decided once that one's outcome is known. */
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
  /** Whose leases and instances must be as they say, and are written. */
  readonly commits: ReadonlyArray<Commit>
}

export const plan = (
  submissions: ReadonlyArray<Submission>,
  view: View,
  known: KnownKeys,
  terms: Terms,
  fences: Fences = new Map()
): Plan => {
  const heads = new Map<StreamPath, Head>()
  const looked = new Map<StreamPath, Head>()
  const asked = new Map<StreamPath, Set<string>>()
  const events: Array<Recorded> = []
  const commits: Array<Commit> = []
  const instances = new Set<string>()
  const get = (path: StreamPath): Head => {
    const before = view.get(path) ?? unwritten
    if (!looked.has(path)) looked.set(path, before)
    return heads.get(path) ?? before
  }
  const knownOf = (path: StreamPath) => known.get(path) ?? none
  const isTaken = (path: StreamPath, keys: ReadonlyArray<string>): boolean => {
    const taken = asked.get(path)
    return taken !== undefined && keys.some((key) => taken.has(key))
  }
  const ask = (path: StreamPath, keys: ReadonlyArray<string>): void => {
    asked.set(path, new Set([...(asked.get(path) ?? []), ...keys]))
    // A life of the path that has no events has no keys; but which life it is must be sure.
    get(path)
  }
  const write = (written: Admission.Written): void => {
    for (const event of written.events) events.push(event)
    for (const [path, head] of written.heads) heads.set(path, head)
  }
  const decide = (request: AppendRequest | Arrived): Decision => {
    if (request.arrival !== undefined) {
      const error = Admission.judgeArrival(get(request.path), request.arrival)
      if (error !== undefined) return { _tag: "Unverified", error }
    }
    const keys = keysOf(request)
    if (keys.length > 0) {
      if (isTaken(request.path, keys)) return { _tag: "Deferred" }
      const verdict = Idempotency.judge(request.events, knownOf(request.path))
      if (verdict._tag === "Known") return verdict
      if (verdict._tag === "Conflict") return { _tag: "Refused", error: verdict.error }
      ask(request.path, keys)
    }
    const admitted = Admission.admit({ get }, request, terms)
    if (Result.isFailure(admitted)) return { _tag: "Refused", error: admitted.failure }
    write(admitted.success)
    return { _tag: "Recorded", events: admitted.success.requested }
  }
  const decideCommit = (commit: Commit): Decision => {
    const error = fences.get(commit)
    if (error !== undefined) return { _tag: "Fenced", error }
    const keyed = commit.appends.map((append) => ({ path: append.path, keys: keysOf(append) }))
    const instance = instanceOf(commit)
    const isSecond = instance !== undefined && instances.has(instance)
    if (isSecond || keyed.some(({ keys, path }) => isTaken(path, keys))) return { _tag: "Deferred" }
    for (const { keys, path } of keyed) {
      const unknown = keys.filter((key) => !knownOf(path).has(key))
      if (unknown.length > 0) ask(path, unknown)
    }
    const decided = Together.decide(commit.appends, { get }, knownOf, terms)
    if (Result.isFailure(decided)) return { _tag: "Refused", error: decided.failure }
    const { appended } = decided.success
    write(decided.success)
    commits.push(commit)
    if (instance !== undefined) instances.add(instance)
    return { _tag: "Committed", appended, recorded: decided.success.recorded }
  }
  const decisions = submissions.map((each) => isCommit(each) ? decideCommit(each) : decide(each))
  return { decisions, events, heads, looked, asked, commits }
}

const keysOf = ({ events }: AppendRequest | Arrived): ReadonlyArray<string> =>
  events.flatMap((event) => event.idempotencyKey ?? [])

const none: ReadonlyMap<string, Idempotency.Stored> = new Map()

/** The streams whose heads a request needs, given what is known of its own. */
export const needed = (path: StreamPath, head: Head | undefined): ReadonlyArray<StreamPath> =>
  head !== undefined && head.exists ? [path] : [path, ...Path.ancestors(path)]
