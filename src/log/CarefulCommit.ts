/**
 * Brings one group to an outcome step by step: decides from cached heads and writes; where something was not as
 * promised, decides again under lock; where the connection broke, first learns whether the group was committed. It
 * never sends a group blindly a second time.
 */
import { Data, Effect, Result } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { AppendError } from "../domain/StreamError.ts"
import { Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Terms } from "./Admission.ts"
import type { Head } from "./CoreState.ts"
import { unwritten } from "./CoreState.ts"
import type { Commit } from "./EventStore.ts"
import * as Group from "./Group.ts"
import type { HeadCache } from "./HeadCache.ts"
import type * as Idempotency from "./Idempotency.ts"
import type { PgCommitter, Verdict } from "./PgCommitter.ts"
import type { Submission } from "./Submission.ts"
import { assertedOf, instanceOf, isCommit, leaseOf, pathsOf } from "./Submission.ts"
import type { TimedOut, Watchdog } from "./Watchdog.ts"

/** Milliseconds that a group waits for a database that is away. Its callers then learn that the outcome is unknown. */
const patience = 10_000
/** Milliseconds that one call may take: longer than a frozen Postgres usually stays so, then the connection is given up. */
export const callTimeout = 8_000
/** Pause before a database that is away is tried again. */
const retryAfter = "50 millis"
/** How often one request alone may fail for a reason that is not the connection. */
const maxFailures = 3

export type Outcome =
  | { readonly _tag: "Decided"; readonly decision: Group.Decision }
  /** Someone else holds the lock of this stream, lease or instance. */
  | { readonly _tag: "Contended"; readonly place: string }

/** What a group failed with was foreseen by nobody: one of its requests, or a stream's row, makes no sense. */
export class Defect extends Data.TaggedError("Defect")<{ readonly cause: unknown }> {}

/** Why a call has no verdict. */
export type Failure = SqlError | Defect | TimedOut

/** The others must not go down with what fails so; an interruption is none and passes. */
export const defectsCaught: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | Defect> = Effect.catchDefect(
  (cause) => Effect.fail(new Defect({ cause }))
)

type Hints = Pick<ReadonlyMap<StreamPath, Head>, "get">

/** A group on its way to an outcome. */
export interface Attempt {
  readonly requests: ReadonlyArray<Submission>
  readonly deadline: number
  locked: boolean
  failures: number
  /** The call under way; its plan is what was written where its connection broke and it was committed all the same. */
  sent: { readonly batch: number; readonly plan: Group.Plan } | undefined
  /** Whether it is known that no call so far wrote anything, nor ever will. */
  isLost: boolean
  /** What is known of the group's streams, and the rows that the call under way may wait for. */
  hints: Hints
  waitedFor: ReadonlySet<StreamPath>
}

export interface CarefulCommit {
  readonly begin: (requests: ReadonlyArray<Submission>) => Attempt
  /** One outcome for each request, in their order. */
  readonly run: (attempt: Attempt) => Effect.Effect<ReadonlyArray<Outcome>>
  /** The same where the call that the attempt has sent failed. */
  readonly recover: (attempt: Attempt, failure: Failure) => Effect.Effect<ReadonlyArray<Outcome>>
  /** Nothing of what is cached counts for a group any more. */
  readonly forget: (attempt: Attempt) => void
  /** Commits an empty group, as one with events would be. */
  readonly check: Effect.Effect<void, Unavailable>
}

export interface Options {
  readonly committer: PgCommitter
  readonly watchdog: Watchdog
  readonly cache: HeadCache
  readonly terms: () => Terms
  readonly nextBatch: () => number
  /** Hears of what was committed, with the time where Postgres told it. */
  readonly onWritten: (plan: Group.Plan, ids: ReadonlyMap<StreamPath, bigint>, clock: number | undefined) => void
}

export const make = ({ cache, committer, nextBatch, onWritten, terms, watchdog }: Options): CarefulCommit => {
  const look = Effect.fnUntraced(function*(attempt: Attempt) {
    const view = new Map<StreamPath, Head>()
    const paths = attempt.requests.flatMap(pathsOf)
    // Under lock nothing cached counts, and no ancestor is locked that need not be.
    attempt.hints = attempt.locked ? yield* committer.heads(paths) : cache
    const missing = new Set<StreamPath>()
    for (const path of paths) {
      for (const needed of Group.needed(path, attempt.hints.get(path))) {
        const head = attempt.locked ? undefined : cache.get(needed)
        if (head === undefined) missing.add(needed)
        else view.set(needed, head)
      }
    }
    attempt.waitedFor = attempt.locked ? missing : new Set()
    if (missing.size > 0) {
      const found = yield* (attempt.locked ? committer.lockedHeads : committer.heads)([...missing])
      for (const path of missing) view.set(path, found.get(path) ?? unwritten)
    }
    attempt.hints = view
    return view
  })

  const decide = Effect.fnUntraced(function*(attempt: Attempt) {
    const view = yield* look(attempt)
    const known = new Map<StreamPath, Map<string, Idempotency.Stored>>()
    const fences = new Map<Commit, Group.Fence>()
    while (true) {
      const plan = Group.plan(attempt.requests, view, known, terms(), fences)
      const batch = nextBatch()
      attempt.sent = { batch, plan }
      attempt.waitedFor = new Set(plan.looked.keys())
      const verdict: Verdict = yield* committer.write(batch, plan)
      if (verdict._tag === "Known") {
        for (const [path, keys] of verdict.keys) known.set(path, new Map([...(known.get(path) ?? []), ...keys]))
      } else if (verdict._tag === "Fenced") {
        for (const [commit, error] of verdict.fences) fences.set(commit, error)
      } else return { plan, verdict }
    }
  })

  const round = (attempt: Attempt) =>
    Effect.suspend(() => {
      // Not what an earlier call sent: this one may fail before it sends anything.
      attempt.sent = undefined
      const decided = attempt.locked ? committer.transaction(decide(attempt)) : decide(attempt)
      return defectsCaught(watchdog.within(decided, callTimeout))
    })

  const forget = (attempt: Attempt) => {
    for (const path of attempt.requests.flatMap(pathsOf)) {
      for (const each of Group.needed(path, undefined)) cache.delete(each)
    }
  }

  const run = (attempt: Attempt): Effect.Effect<ReadonlyArray<Outcome>> =>
    Effect.flatMap(Effect.result(round(attempt)), (result) => {
      if (Result.isFailure(result)) {
        forget(attempt)
        return recover(attempt, result.failure)
      }
      const { plan, verdict } = result.success
      if (verdict._tag === "Written") {
        onWritten(plan, verdict.ids, verdict.clock)
        return Effect.succeed(outcomesOf(plan))
      }
      forget(attempt)
      attempt.locked = true
      return again(attempt)
    })

  const again = (attempt: Attempt): Effect.Effect<ReadonlyArray<Outcome>> =>
    performance.now() < attempt.deadline ? run(attempt) : Effect.succeed(
      refuseAll(attempt, "The database did not answer in time, so it is unknown whether this was recorded")
    )

  const recover = Effect.fnUntraced(function*(attempt: Attempt, error: Failure) {
    const reason = error._tag === "SqlError" ? error.reason._tag : error._tag
    if (reason === "LockTimeoutError" || reason === "DeadlockError" || reason === "SerializationError") {
      attempt.isLost = true
      return yield* (reason === "LockTimeoutError" ? splitOff(attempt) : again(attempt))
    }
    // From here on the outcome is unknown until Postgres tells.
    const { sent } = attempt
    const committed = sent === undefined ? false : yield* settle(attempt, sent.batch)
    if (committed === undefined) {
      return refuseAll(attempt, "The database is away, so it is unknown whether this was recorded")
    }
    if (committed && sent !== undefined) {
      onWritten(sent.plan, noIds, undefined)
      return outcomesOf(sent.plan)
    }
    attempt.isLost = true
    if (reason === "ConnectionError" || reason === "TimedOut") return yield* again(attempt)
    yield* Effect.logError("A group of appends failed", error)
    const [first] = attempt.requests
    if (first !== undefined && attempt.requests.length > 1) {
      const half = attempt.requests.length >> 1
      const left = yield* run({ ...attempt, requests: attempt.requests.slice(0, half) })
      return [...left, ...(yield* run({ ...attempt, requests: attempt.requests.slice(half) }))]
    }
    attempt.failures += 1
    return attempt.failures < maxFailures && reason !== "Defect"
      ? yield* again(attempt)
      : refuseAll(attempt, "The log could not record this; the server's log says why")
  })

  /** Whether a batch was committed; none where the database stays away. */
  const settle = (attempt: Attempt, batch: number): Effect.Effect<boolean | undefined> =>
    Effect.flatMap(
      Effect.result(watchdog.within(committer.settle(batch), callTimeout)),
      (result) =>
        Result.isSuccess(result)
          ? Effect.succeed(result.success)
          : performance.now() < attempt.deadline
          ? Effect.delay(settle(attempt, batch), retryAfter)
          : Effect.succeed(undefined)
    )

  /** One locked row must not stop the others: what touches it is given back, the rest goes on. */
  const splitOff = Effect.fnUntraced(function*(attempt: Attempt): Effect.fn.Return<ReadonlyArray<Outcome>> {
    const { hints, requests, waitedFor } = attempt
    const locked = yield* Effect.result(Effect.all([
      committer.lockedElsewhere([...waitedFor]),
      committer.lockedBeside(requests.filter(isCommit))
    ]))
    if (Result.isFailure(locked)) return yield* again(attempt)
    const contended = requests.map((request) =>
      places(request, hints).find((place) => locked.success.some((each) => each.has(place))))
    const free = requests.filter((_, i) => contended[i] === undefined)
    const outcomes = free.length === 0 ? [] : free.length === requests.length
      ? yield* again(attempt)
      : yield* run({ ...attempt, requests: free })
    let next = 0
    return contended.map((place) => place === undefined ? outcomes[next++] ?? lost : { _tag: "Contended", place })
  })

  return {
    begin: (requests) => ({
      requests,
      deadline: performance.now() + patience,
      locked: false,
      failures: 0,
      sent: undefined,
      isLost: false,
      hints: cache,
      waitedFor: new Set()
    }),
    run,
    recover,
    forget,
    check: Effect.suspend(() => watchdog.within(committer.write(nextBatch(), emptyPlan), callTimeout)).pipe(
      Effect.flatMap((verdict) => verdict._tag === "Written" ? Effect.void : Effect.fail(unready)),
      Effect.catch((error) =>
        Effect.andThen(Effect.logWarning("The log can not be written", error), Effect.fail(unready))
      )
    )
  }
}

/** What a request locks. A stream that exists needs its own row only, whatever is locked above it. */
export const places = (request: Submission, hints: Hints): ReadonlyArray<string> => {
  const streams = pathsOf(request).flatMap((path) => Group.needed(path, hints.get(path)))
  if (!isCommit(request)) return streams
  const instances = [instanceOf(request), assertedOf(request)].flatMap((name) => name ?? [])
  return [...streams, leaseOf(request), ...instances]
}

/** What the requests of a group hear once its plan is written. */
export const outcomesOf = ({ decisions }: Group.Plan): ReadonlyArray<Outcome> =>
  decisions.map((decision) => ({ _tag: "Decided", decision }))

/** Of a group that made no stream. */
export const noIds: ReadonlyMap<StreamPath, bigint> = new Map()

const emptyPlan: Group.Plan = {
  decisions: [],
  events: [],
  heads: new Map(),
  looked: new Map(),
  asked: new Map(),
  commits: []
}
const unready = new Unavailable({ reason: "The log can not be written now", retryAfterSeconds: 1 })

const refuse = (reason: string): Outcome => {
  const error: AppendError = new Unavailable({ reason, retryAfterSeconds: 1 })
  return { _tag: "Decided", decision: { _tag: "Refused", error } }
}
const lost = refuse("The request was lost")

const refuseAll = (attempt: Attempt, reason: string): ReadonlyArray<Outcome> => attempt.requests.map(() => refuse(reason))
