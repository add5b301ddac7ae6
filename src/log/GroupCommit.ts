/**
 * Commits groups, each in one call where all is as the cache has it, and the next one before the last is answered: it
 * is decided from the heads that the last one will have led to, and counts right behind it or not at all. Whatever
 * turns out otherwise is decided again step by step, in its turn.
 */
import { Effect, Latch, Result } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Limit } from "../domain/TokenBucket.ts"
import * as CarefulCommit from "./CarefulCommit.ts"
import type { Attempt, Outcome } from "./CarefulCommit.ts"
import type { Head } from "./CoreState.ts"
import * as Group from "./Group.ts"
import type { HeadCache } from "./HeadCache.ts"
import type { LogClock } from "./LogClock.ts"
import type { PgAtHeads } from "./PgAtHeads.ts"
import * as AtHeads from "./PgAtHeads.ts"
import type { PgCommitter } from "./PgCommitter.ts"
import type { Submission } from "./Submission.ts"
import { pathsOf } from "./Submission.ts"
import type { Watchdog } from "./Watchdog.ts"

/**
 * How long groups are looked at step by step once a head was not as it was promised, and are sent one by one once a key
 * was known, in milliseconds: the next ones would likely fail too, and Postgres logs each failure.
 */
const restTime = 1_000

export type { Outcome } from "./CarefulCommit.ts"

export interface GroupCommit {
  /** One outcome for each request, in their order. Two groups may be under way, in the order of their calls. */
  readonly commit: (requests: ReadonlyArray<Submission>) => Effect.Effect<ReadonlyArray<Outcome>>
  /** The streams, the lease and the instances whose rows a request locks, as far as is known. */
  readonly needed: (request: Submission) => ReadonlyArray<string>
  /** Commits an empty group, as one with events would be. */
  readonly check: Effect.Effect<void, Unavailable>
}

export interface Options {
  readonly committer: PgCommitter
  /** None: every group is looked at step by step. */
  readonly atHeads?: PgAtHeads | undefined
  readonly watchdog: Watchdog
  readonly cache: HeadCache
  readonly clock: LogClock
  readonly breaker: Limit | "off"
  /** Hears of each plan that was committed, before its requests are answered. */
  readonly onCommitted: (plan: Group.Plan) => void
}

/** What is under way, in the order in which it came. */
interface Turn {
  readonly attempt?: Attempt | undefined
  readonly done: Latch.Latch
  /** The batch that was sent and is not answered: another one may be sent right behind it. */
  sent: number | undefined
}

/** A call that was decided from what is known without asking. */
interface Call {
  readonly plan: Group.Plan
  readonly answered: Effect.Effect<number | undefined, SqlError>
}

/** What a call fails with that is known to have written nothing. */
const wroteNothing: ReadonlySet<string> = new Set(["SerializationError", "ConstraintError", "UniqueViolation"])

export const make = ({ atHeads, breaker, cache, clock, committer, onCommitted, watchdog }: Options): GroupCommit => {
  /** Heads that the calls under way will have led to. */
  const promised = new Map<StreamPath, Head>()
  let batch = 0
  let carefulUntil = 0
  let aloneUntil = 0
  let last: Turn | undefined

  const terms = () => ({ now: clock.now(), breaker })
  const nextBatch = () => batch += 1

  const onWritten = (plan: Group.Plan, ids: ReadonlyMap<StreamPath, bigint>, time: number | undefined): void => {
    for (const [path, head] of plan.heads) {
      const id = head.id ?? ids.get(path)
      if (id === undefined) cache.delete(path)
      else cache.set(path, { ...head, id })
    }
    if (time !== undefined) clock.observe(time)
    onCommitted(plan)
  }

  const careful = CarefulCommit.make({ committer, watchdog, cache, terms, nextBatch, onWritten })

  /**
   * Decides a group from what is known without asking, and promises what it leads to; none where that is not enough.
   * At once: between the look at the turn before and the number of this batch nothing else may take a number.
   */
  const begin = (turn: Turn, attempt: Attempt, before: Turn | undefined): Call | undefined => {
    const now = performance.now()
    if (atHeads === undefined || now < carefulUntil) return undefined
    if (before !== undefined && (before.sent === undefined || now < aloneUntil)) return undefined
    const view = new Map<StreamPath, Head>()
    for (const request of attempt.requests) {
      for (const path of pathsOf(request)) {
        const head = promised.get(path) ?? cache.get(path)
        if (head === undefined || !head.exists) return undefined
        view.set(path, head)
      }
    }
    const plan = Group.plan(attempt.requests, view, noneKnown, terms())
    if (!AtHeads.isMeant(plan)) return undefined
    const batch = nextBatch()
    turn.sent = batch
    attempt.sent = { batch, plan }
    attempt.hints = plan.looked
    attempt.waitedFor = new Set(plan.looked.keys())
    for (const [path, head] of plan.heads) promised.set(path, head)
    return { plan, answered: atHeads.write(batch, plan, before?.sent) }
  }

  // What can not be decided is found step by step.
  const begun = (turn: Turn, attempt: Attempt, before: Turn | undefined) =>
    Effect.catchDefect(Effect.sync(() => begin(turn, attempt, before)), () => Effect.undefined)

  const retract = ({ heads }: Group.Plan): void => {
    for (const [path, head] of heads) if (promised.get(path) === head) promised.delete(path)
  }

  const finish = Effect.fnUntraced(function*(call: Call, turn: Turn, attempt: Attempt, before: Turn | undefined) {
    const { answered, plan } = call
    const result = yield* Effect.result(CarefulCommit.defectsCaught(answered))
    turn.sent = undefined
    if (before !== undefined) yield* before.done.await
    retract(plan)
    if (Result.isSuccess(result) && result.success !== undefined) {
      onWritten(plan, CarefulCommit.noIds, result.success)
      return CarefulCommit.outcomesOf(plan)
    }
    careful.forget(attempt)
    // What it was to come right behind did not come: neither did this, and never will.
    const isBehindLost = before?.attempt?.isLost === true
    const until = performance.now() + restTime
    if (Result.isSuccess(result)) {
      aloneUntil = until
      attempt.isLost = true
      return yield* careful.run(attempt)
    }
    const { failure } = result
    const reason = failure._tag === "SqlError" ? failure.reason._tag : failure._tag
    if (reason === "SerializationError" && !isBehindLost) carefulUntil = until
    if (!isBehindLost && !wroteNothing.has(reason)) return yield* careful.recover(attempt, failure)
    attempt.isLost = true
    return yield* careful.run(attempt)
  })

  /** Runs something behind all that came before it, or beside it where it says so itself. */
  const inTurn = <A, E>(
    attempt: Attempt | undefined,
    work: (turn: Turn, before: Turn | undefined) => Effect.Effect<A, E>
  ): Effect.Effect<A, E> =>
    Effect.suspend(() => {
      const before = last
      const turn: Turn = { attempt, done: Latch.makeUnsafe(), sent: undefined }
      last = turn
      return Effect.ensuring(
        work(turn, before),
        Effect.sync(() => {
          if (last === turn) last = undefined
          turn.done.openUnsafe()
        })
      )
    })

  const commit = (attempt: Attempt) =>
    inTurn(attempt, Effect.fnUntraced(function*(turn, before) {
      const call = yield* begun(turn, attempt, before)
      if (call !== undefined) return yield* finish(call, turn, attempt, before)
      if (before === undefined) return yield* careful.run(attempt)
      yield* before.done.await
      const alone = yield* begun(turn, attempt, undefined)
      return yield* (alone === undefined ? careful.run(attempt) : finish(alone, turn, attempt, undefined))
    }))

  return {
    needed: (request) => CarefulCommit.places(request, cache),
    check: inTurn(undefined, (_, before) =>
      before === undefined ? careful.check : Effect.andThen(before.done.await, careful.check)),
    commit: (requests) => Effect.suspend(() => commit(careful.begin(requests)))
  }
}

const noneKnown: Group.KnownKeys = new Map()
