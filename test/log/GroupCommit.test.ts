/** What becomes of a group when deciding it goes wrong, over a committer that records in memory. */
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, Layer, Queue, References } from "effect"
import { ConnectionError, SerializationError, SqlError } from "effect/sql/SqlError"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import type { AppendRequest } from "../../src/log/EventStore.ts"
import type * as Group from "../../src/log/Group.ts"
import * as GroupCommit from "../../src/log/GroupCommit.ts"
import { HeadCache } from "../../src/log/HeadCache.ts"
import type { Stored } from "../../src/log/Idempotency.ts"
import { LogClock } from "../../src/log/LogClock.ts"
import type { PgAtHeads } from "../../src/log/PgAtHeads.ts"
import type { PgCommitter, Verdict } from "../../src/log/PgCommitter.ts"
import * as Watchdog from "../../src/log/Watchdog.ts"

const path = StreamPath.make("/a")

/** Records keys as Postgres does; what it does first in each call is up to the test. */
const committerOf = (before: Effect.Effect<void> = Effect.void): PgCommitter => {
  const keys = new Map<string, Stored>()
  const heads: Array<[StreamPath, Group.Plan]> = []
  let ids = 0n
  const latest = (path: StreamPath) => heads.findLast(([each]) => each === path)?.[1].heads.get(path)
  const found = (paths: ReadonlyArray<StreamPath>) =>
    new Map(paths.flatMap((each) => {
      const head = latest(each)
      return head === undefined ? [] : [[each, { ...head, id: head.id ?? ++ids }]]
    }))
  const write = (plan: Group.Plan): Verdict => {
    const known = [...plan.asked].flatMap(([each, asked]) => {
      const stored = [...asked].flatMap((key) => {
        const one = keys.get(key)
        return one === undefined ? [] : [[key, one] as const]
      })
      return stored.length === 0 ? [] : [[each, new Map(stored)] as const]
    })
    if (known.length > 0) return { _tag: "Known", keys: new Map(known) }
    for (const { idempotencyKey, ...event } of plan.events) if (idempotencyKey !== undefined) keys.set(idempotencyKey, event)
    for (const each of plan.heads.keys()) heads.push([each, plan])
    return { _tag: "Written", ids: new Map([...plan.heads.keys()].map((each) => [each, ++ids])), clock: 0 }
  }
  return {
    writer: 0n,
    heads: (paths) => Effect.sync(() => found(paths)),
    lockedHeads: (paths) => Effect.sync(() => found(paths)),
    lockedElsewhere: () => Effect.succeed(new Set()),
    lockedBeside: () => Effect.succeed(new Set()),
    write: (_, plan) => Effect.andThen(before, Effect.sync(() => write(plan))),
    settle: () => Effect.succeed(false),
    transaction: (effect) => effect
  }
}

const atHeadsOf = ({ write }: PgCommitter): PgAtHeads => ({
  write: (batch, plan) =>
    Effect.map(write(batch, plan), (verdict) => verdict._tag === "Written" ? verdict.clock : undefined)
})

const groupCommit = (committer: PgCommitter, atHeads?: PgAtHeads) =>
  Effect.map(Watchdog.make, (watchdog) =>
    GroupCommit.make({
      committer,
      atHeads,
      watchdog,
      cache: new HeadCache(),
      clock: new LogClock(),
      breaker: "off",
      onCommitted: () => undefined
    }))

const request = (idempotencyKey: string, payload: string): AppendRequest => ({
  path,
  events: [{ type: "came", payload, idempotencyKey }]
})

const outline = (outcomes: ReadonlyArray<GroupCommit.Outcome>) =>
  outcomes.map((each) =>
    each._tag === "Contended" ? each._tag : each.decision._tag === "Refused" ? each.decision.error._tag : each.decision._tag)

const broken = new SqlError({ reason: new ConnectionError({ cause: undefined, message: "broken", operation: "begin" }) })

const stale = new SqlError({ reason: new SerializationError({ cause: undefined, message: "stale", operation: "write" }) })

/** A call that waits for the test to say what becomes of it. */
interface Sent {
  readonly batch: number
  readonly after: number | undefined
  readonly offsets: ReadonlyArray<number>
  readonly become: (exit: Exit.Exit<number | undefined, SqlError>) => void
}

/** What was sent, in its order; `next` waits for one more. */
const gate = Effect.gen(function*() {
  const sent = yield* Queue.unbounded<Sent>()
  const atHeads: PgAtHeads = {
    write: (batch, { events }, after) =>
      Effect.callback((resume) => {
        Queue.offerUnsafe(sent, { batch, after, offsets: events.map(({ offset }) => offset), become: resume })
      })
  }
  return { atHeads, next: Queue.take(sent) }
})

const offsetsOf = (outcomes: ReadonlyArray<GroupCommit.Outcome>) =>
  outcomes.flatMap((each) =>
    each._tag === "Decided" && each.decision._tag === "Recorded" ? each.decision.events.map(({ offset }) => offset) : [])

// What goes wrong is logged, as it should be; here it is expected.
const quiet = Layer.succeed(References.MinimumLogLevel, "None")

describe("GroupCommit", () => {
  it.live("a request that cannot be decided is refused alone, and the others are recorded", () =>
    Effect.gen(function*() {
      const committer = committerOf()
      const { commit } = yield* groupCommit(committer, atHeadsOf(committer))
      assert.deepStrictEqual(outline(yield* commit([request("known", "{}")])), ["Recorded"])
      const group = Array.from({ length: 9 }, (_, i) => i === 5 ? request("known", "{no JSON") : request(`${i}`, "{}"))
      const outcomes = outline(yield* commit([...group, request("known", "{}")]))
      assert.deepStrictEqual(outcomes, [
        ...Array.from({ length: 9 }, (_, i) => i === 5 ? "Unavailable" : "Recorded"),
        "Known"
      ])
      assert.deepStrictEqual(outline(yield* commit([request("after", "{}")])), ["Recorded"])
    }).pipe(Effect.scoped, Effect.provide(quiet)))

  it.live("a call that fails before it sends anything is not answered with what the one before it sent", () =>
    Effect.gen(function*() {
      const memory = committerOf()
      const verdicts: Array<Verdict> = []
      let begins = 0
      const { commit } = yield* groupCommit({
        ...memory,
        // Stale once, so that the group is decided again in a transaction, which fails to begin the first time.
        write: (batch, plan) => Effect.suspend(() => {
          const verdict = verdicts.pop()
          return verdict === undefined ? memory.write(batch, plan) : Effect.succeed(verdict)
        }),
        transaction: (effect) => begins++ === 0 ? Effect.fail(broken) : effect,
        // The batch before was committed, and that is all that Postgres can say.
        settle: () => Effect.succeed(true)
      })
      assert.deepStrictEqual(outline(yield* commit([request("first", "{}")])), ["Recorded"])
      verdicts.push({ _tag: "Stale" })
      const [outcome] = yield* commit([request("second", "[2]")])
      const decision = outcome?._tag === "Decided" ? outcome.decision : undefined
      assert.deepStrictEqual(decision?._tag === "Recorded" ? decision.events.map(({ payload }) => payload) : decision, ["[2]"])
      assert.strictEqual(begins, 2)
      assert.deepStrictEqual(outline(yield* commit([request("second", "[2]")])), ["Known"])
    }).pipe(Effect.scoped, Effect.provide(quiet)))

  it.live("an interruption ends it", () =>
    Effect.gen(function*() {
      const reached = yield* Deferred.make<void>()
      const { commit } = yield* groupCommit(committerOf(Effect.andThen(Deferred.succeed(reached, undefined), Effect.never)))
      const committing = yield* Effect.forkChild(commit([request("one", "{}"), request("two", "{}")]))
      yield* Deferred.await(reached)
      yield* Fiber.interrupt(committing)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(committing)))
    }).pipe(Effect.scoped))

  describe("sends a group before the one ahead of it is answered", () => {
    /** The stream exists, with two events, and two groups are under way. */
    const begin = Effect.gen(function*() {
      const { atHeads, next } = yield* gate
      const committer = committerOf()
      const { commit } = yield* groupCommit(committer, atHeads)
      assert.deepStrictEqual(offsetsOf(yield* commit([request("zero", "{}")])), [2])
      const one = yield* Effect.forkChild(commit([request("one", "{}"), request("two", "{}")]))
      const first = yield* next
      const two = yield* Effect.forkChild(commit([request("three", "{}")]))
      const second = yield* next
      assert.deepStrictEqual([first.offsets, second.offsets], [[3, 4], [5]])
      assert.deepStrictEqual([first.after, second.after], [undefined, first.batch])
      return { commit, first, next, one, second, two }
    })

    it.live("from the heads that it will have led to", () =>
      Effect.gen(function*() {
        const { commit, first, next, one, second, two } = yield* begin
        first.become(Exit.succeed(0))
        assert.deepStrictEqual(offsetsOf(yield* Fiber.join(one)), [3, 4])
        // The second is still under way, and the third goes behind that.
        const three = yield* Effect.forkChild(commit([request("four", "{}")]))
        const third = yield* next
        assert.deepStrictEqual([third.offsets, third.after], [[6], second.batch])
        second.become(Exit.succeed(0))
        third.become(Exit.succeed(0))
        assert.deepStrictEqual(offsetsOf(yield* Fiber.join(two)), [5])
        assert.deepStrictEqual(offsetsOf(yield* Fiber.join(three)), [6])
      }).pipe(Effect.scoped))

    it.live("and decides it again behind that one where that was not written as it was sent", () =>
      Effect.gen(function*() {
        const { first, one, second, two } = yield* begin
        // Answered out of order, which Postgres never does: the second waits for the first all the same.
        second.become(Exit.fail(stale))
        first.become(Exit.fail(stale))
        assert.deepStrictEqual(outline(yield* Fiber.join(two)), ["Recorded"])
        assert.deepStrictEqual(offsetsOf(yield* Fiber.join(one)), [3, 4])
        assert.deepStrictEqual(offsetsOf(yield* Fiber.join(two)), [5])
      }).pipe(Effect.scoped, Effect.provide(quiet)))

    it.live("and asks for the outcome of neither from a batch that came after it", () =>
      Effect.gen(function*() {
        const { atHeads, next } = yield* gate
        const memory = committerOf()
        const batches: Array<string> = []
        const { commit } = yield* groupCommit({
          ...memory,
          write: (batch, plan) => {
            batches.push(`write ${batch}`)
            return memory.write(batch, plan)
          },
          // As Postgres does: whatever is not later than the last batch was committed.
          settle: (batch) => Effect.sync(() => {
            batches.push(`settle ${batch}`)
            return batches.some((each) => each.startsWith("write ") && Number(each.slice(6)) >= batch)
          })
        }, atHeads)
        yield* commit([request("zero", "{}")])
        const one = yield* Effect.forkChild(commit([request("one", "{}")]))
        const first = yield* next
        const two = yield* Effect.forkChild(commit([request("two", "{}")]))
        const second = yield* next
        first.become(Exit.fail(broken))
        second.become(Exit.fail(broken))
        assert.deepStrictEqual(offsetsOf(yield* Fiber.join(one)), [3])
        assert.deepStrictEqual(offsetsOf(yield* Fiber.join(two)), [4])
        // The first was not committed, so the second can not be: the batch that the first led to says nothing of it.
        assert.deepStrictEqual(batches, ["write 1", "settle 2", "write 4", "write 5"])
      }).pipe(Effect.scoped, Effect.provide(quiet)))
  })
})
