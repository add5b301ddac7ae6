/**
 * Commits groups, each in one call where all is as the cache has it, and the next one before the last is answered: it is
 * decided from the heads that the last one will have led to, and counts right behind it or not at all. Whatever
 * turns out otherwise is decided again step by step, in turn.
 */
import { Effect, Latch, Result } from "effect"
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
 * How long groups are looked at step by step once one was not as it was planned, in milliseconds: where two servers
 * write the same streams the next ones would fail too, and Postgres logs each failure.
 */
const carefulTime = 1_000

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

/** A group under way, in the order in which they came. */
interface Turn {
  readonly attempt: Attempt
  readonly done: Latch.Latch
  /** Whether the next one may be sent right behind it. */
  isSent: boolean
}

export const make = ({ atHeads, breaker, cache, clock, committer, onCommitted, watchdog }: Options): GroupCommit => {
  /** Heads that the calls under way will have led to. */
  const promised = new Map<StreamPath, Head>()
  let batch = 0
  let carefulUntil = 0
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

  /** The group decided from what is known without asking; none where that is not enough. */
  const planned = ({ requests }: Attempt): Group.Plan | undefined => {
    if (atHeads === undefined || performance.now() < carefulUntil) return undefined
    const view = new Map<StreamPath, Head>()
    for (const request of requests) {
      for (const path of pathsOf(request)) {
        const head = promised.get(path) ?? cache.get(path)
        if (head === undefined || !head.exists) return undefined
        view.set(path, head)
      }
    }
    const plan = Group.plan(requests, view, noneKnown, terms())
    return AtHeads.isMeant(plan) ? plan : undefined
  }

  const retract = ({ heads }: Group.Plan): void => {
    for (const [path, head] of heads) if (promised.get(path) === head) promised.delete(path)
  }

  const send = Effect.fnUntraced(function*(turn: Turn, atHeads: PgAtHeads, plan: Group.Plan, before: Turn | undefined) {
    const { attempt } = turn
    const batch = nextBatch()
    attempt.sent = { batch, plan }
    attempt.hints = plan.looked
    attempt.waitedFor = new Set(plan.looked.keys())
    turn.isSent = true
    for (const [path, head] of plan.heads) promised.set(path, head)
    const result = yield* Effect.result(
      CarefulCommit.defectsCaught(atHeads.write(batch, plan, before?.attempt.sent?.batch))
    )
    turn.isSent = false
    if (before !== undefined) yield* before.done.await
    retract(plan)
    if (Result.isSuccess(result) && result.success !== undefined) {
      onWritten(plan, noIds, result.success)
      return CarefulCommit.outcomesOf(plan)
    }
    careful.forget(attempt)
    // What it was to come right behind did not come: neither did this, and never will.
    if (Result.isSuccess(result) || before?.attempt.isLost === true) {
      attempt.isLost = true
      return yield* careful.run(attempt)
    }
    const { failure } = result
    if (failure._tag === "SqlError" && failure.reason._tag === "SerializationError") {
      carefulUntil = performance.now() + carefulTime
    }
    return yield* careful.recover(attempt, failure)
  })

  const inTurn = Effect.fnUntraced(function*(turn: Turn, before: Turn | undefined) {
    if (before !== undefined && !before.isSent) yield* before.done.await
    // What can not be decided is found step by step.
    const plan = yield* Effect.catchDefect(Effect.sync(() => planned(turn.attempt)), () => Effect.undefined)
    if (atHeads !== undefined && plan !== undefined) {
      return yield* send(turn, atHeads, plan, before?.isSent === true ? before : undefined)
    }
    if (before !== undefined) yield* before.done.await
    return yield* careful.run(turn.attempt)
  })

  return {
    needed: (request) => CarefulCommit.places(request, cache),
    check: Effect.suspend(() => last === undefined ? careful.check : Effect.andThen(last.done.await, careful.check)),
    commit: (requests) =>
      Effect.suspend(() => {
        const before = last
        const turn: Turn = { attempt: careful.begin(requests), done: Latch.makeUnsafe(), isSent: false }
        last = turn
        return Effect.ensuring(
          inTurn(turn, before),
          Effect.sync(() => {
            if (last === turn) last = undefined
            turn.done.openUnsafe()
          })
        )
      })
  }
}

const noneKnown: Group.KnownKeys = new Map()
const noIds: ReadonlyMap<StreamPath, bigint> = new Map()
