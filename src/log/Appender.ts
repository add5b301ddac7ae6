/**
 * Group commit. Requests wait on a bounded queue; one writer takes all that wait and commits them
 * together, so throughput comes from what arrives while the last commit is under way, and the code for one
 * event and for a thousand is the same. What someone else has locked waits in a lane of its own.
 */
import { Cause, Effect, Exit, FiberSet, Latch, Metric, Result } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { AppendError, Fenced } from "../domain/StreamError.ts"
import { Unavailable } from "../domain/StreamError.ts"
import * as Answers from "./AppendAnswers.ts"
import { AppendQueue } from "./AppendQueue.ts"
import type { Waiting } from "./AppendQueue.ts"
import type { Arrived, Unverified } from "./Arrivals.ts"
import type { Appended, AppendRequest, Commit } from "./EventStore.ts"
import type { GroupCommit, Outcome } from "./GroupCommit.ts"
import { sizeOf } from "./Submission.ts"

/** Bound of what waits, in bytes of events: about a second of full throughput; beyond it the answer is 503. */
const queueBytes = 64 * 1_048_576
/** Bounds of a group: it is one statement, held in memory on both sides. A larger request goes alone. */
const groupBytes = 4 * 1_048_576
const groupRequests = 1_000
/** Groups under way: while Postgres writes one, the answers of another are sent and what comes next is decided. */
const groupsAtOnce = 2
/** What waits is parted among them, in bytes; a smaller part would cost a call more than it saves, and waits. */
const leastPart = 12 * 1_024
/** How often a request is tried on a stream that someone else has locked; each try waits a second for the lock. */
const laneTries = 5
/** How long a server that stops waits for what it has taken. */
const drainTime = "1 second"

export interface Appender {
  /** Waits until the events are durable. Once it is queued it commits, even if nobody waits any more. */
  readonly append: (request: AppendRequest) => Effect.Effect<Appended, AppendError>
  /** The same for what arrived and is no event. */
  readonly arrive: (arrived: Arrived) => Effect.Effect<Appended, AppendError | Unverified>
  /** The same for what the owner of a processor records together. */
  readonly commit: (commit: Commit) => Effect.Effect<ReadonlyArray<Appended>, AppendError | Fenced>
  /** Goes the way of an append without an event: through the queue to a commit of its own. */
  readonly check: Effect.Effect<void, Unavailable>
}

export interface Options {
  /** For the queue, and for lanes: each has batches of its own. */
  readonly main: GroupCommit
  readonly lane: Effect.Effect<GroupCommit, SqlError>
}

const events = Metric.counter("millstream_events_appended_total", {
  description: "Events recorded at a client's request",
  incremental: true
})
const groups = Metric.counter("millstream_groups_total", { description: "Commits of the appender", incremental: true })
const waitingBytes = Metric.gauge("millstream_append_queue_bytes", {
  description: "Bytes of events that wait to be committed"
})
const openLanes = Metric.gauge("millstream_append_lanes", {
  description: "Streams that someone else has locked, whose appends wait in a lane of their own"
})

export const make = Effect.fnUntraced(function*(options: Options) {
  const queue = new AppendQueue()
  /** By the path of the stream, or the name of the instance, that is locked. */
  const lanes = new Map<string, AppendQueue>()
  /** Of lanes that are closed, for the next ones: each has a row of its own in the log. */
  const spares: Array<GroupCommit> = []
  const fibers = yield* FiberSet.make()
  const idle = Latch.makeUnsafe(true)
  const isWorthATurn = Latch.makeUnsafe()
  /** Groups under way, and their bytes. */
  let groupsUnderWay = 0
  let underWay = 0
  const checks: Array<(exit: Exit.Exit<void, Unavailable>) => void> = []
  /** Of all that was taken and is not answered: in the queue, in lanes and under way. */
  let bytes = 0
  let closing = false

  /** A call beside another one costs more than it saves where little waits. */
  const weigh = (): void => {
    const isWorth = groupsUnderWay === 0
      ? queue.bytes > 0
      : groupsUnderWay < groupsAtOnce && queue.bytes >= leastPart
    if (isWorth || checks.length > 0) isWorthATurn.openUnsafe()
    else isWorthATurn.closeUnsafe()
  }

  const refuse = (each: Waiting, error: AppendError): void => {
    each.answer(Exit.fail(error))
    leave(each)
  }
  const leave = (each: Waiting): void => {
    bytes -= each.bytes
    if (bytes === 0) idle.openUnsafe()
  }

  /** Answers a request; false where it has to be decided again. */
  const answer = (each: Waiting, outcome: Outcome | undefined): boolean => {
    if (outcome?._tag === "Decided" && outcome.decision._tag === "Deferred") return false
    if (outcome?._tag !== "Decided") refuse(each, outcome === undefined ? Answers.broken : Answers.locked(outcome.place))
    else {
      if (each._tag === "Append") each.answer(Answers.appended(outcome.decision))
      else if (each._tag === "Arrival") each.answer(Answers.arrived(outcome.decision))
      else each.answer(Answers.committed(outcome.decision))
      leave(each)
    }
    return true
  }

  const count = Effect.fnUntraced(function*(outcomes: ReadonlyArray<Outcome>) {
    let recorded = 0
    for (const outcome of outcomes) {
      if (outcome._tag !== "Decided") continue
      const { decision } = outcome
      if (decision._tag === "Recorded") recorded += decision.events.length
      else if (decision._tag === "Committed") recorded += decision.recorded
    }
    yield* Metric.update(events, recorded)
    yield* Metric.update(groups, 1)
    yield* Metric.update(waitingBytes, bytes)
  })

  const runGroup = (group: ReadonlyArray<Waiting>, unanswered: Set<Waiting>, onCommitted: Effect.Effect<void>) =>
    // What is committed is answered so, also where the server stops meanwhile.
    Effect.uninterruptibleMask(Effect.fnUntraced(function*(restore) {
      const outcomes = yield* restore(options.main.commit(group.map((each) => each.request)))
      yield* onCommitted
      // What waits is sent before this is answered, so that Postgres need not wait for it.
      if (queue.bytes > 0) yield* Effect.yieldNow
      const again: Array<Waiting> = []
      for (let i = 0; i < group.length; i++) {
        const each = group[i]
        const outcome = outcomes[i]
        if (each === undefined) continue
        unanswered.delete(each)
        if (outcome?._tag === "Contended") yield* toLane(outcome.place, each)
        else if (!answer(each, outcome)) again.push(each)
      }
      queue.putBack(again)
      weigh()
      yield* count(outcomes)
    }))

  /** Whatever goes wrong with a group, its requests are answered and the next group has its turn. */
  const guarded = <R>(waiting: Iterable<Waiting>, effect: (unanswered: Set<Waiting>) => Effect.Effect<void, never, R>) =>
    Effect.suspend(() => {
      const unanswered = new Set(waiting)
      return effect(unanswered).pipe(
        Effect.tapCause((cause) =>
          Cause.hasInterruptsOnly(cause) ? Effect.void : Effect.logError("Appends ended in a defect", cause)
        ),
        Effect.catchDefect(() => Effect.void),
        Effect.ensuring(Effect.sync(() => {
          for (const each of unanswered) refuse(each, Answers.broken)
        }))
      )
    })

  const toLane = Effect.fnUntraced(function*(place: string, each: Waiting) {
    const known = lanes.get(place)
    if (known !== undefined) return known.put(each)
    const lane = new AppendQueue()
    lane.put(each)
    lanes.set(place, lane)
    yield* FiberSet.run(fibers, runLane(place, lane))
    yield* Metric.update(openLanes, lanes.size)
  })

  /** Tries what waits for one stream or instance, one request at a time, until none is left or the first is given up. */
  const runLane = Effect.fnUntraced(
    function*(_: string, lane: AppendQueue) {
      const spare = spares.pop()
      const opened = spare === undefined ? yield* Effect.result(options.lane) : Result.succeed(spare)
      let isOpen = opened._tag === "Success"
      for (let [each] = lane.take(1, groupBytes); each !== undefined; [each] = lane.take(1, groupBytes)) {
        const current = each
        yield* guarded([current], Effect.fnUntraced(function*(unanswered) {
          if (!isOpen || opened._tag === "Failure") return
          let [outcome] = yield* opened.success.commit([current.request])
          for (let tries = 1; outcome?._tag === "Contended" && tries < laneTries; tries++) {
            [outcome] = yield* opened.success.commit([current.request])
          }
          unanswered.delete(current)
          // Who waits behind one that was given up has waited as long.
          isOpen = outcome?._tag !== "Contended"
          if (!answer(current, outcome)) lane.putBack([current])
          if (outcome !== undefined) yield* count([outcome])
        }))
      }
      if (opened._tag === "Success") spares.push(opened.success)
    },
    (effect, place, lane) =>
      Effect.ensuring(
        effect,
        Effect.suspend(() => {
          lanes.delete(place)
          for (const each of lane.take(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)) {
            refuse(each, Answers.locked(place))
          }
          return Metric.update(openLanes, lanes.size)
        })
      )
  )

  /** Has its turn until it is committed. */
  const start = (group: ReadonlyArray<Waiting>) => {
    const size = group.reduce((sum, each) => sum + each.bytes, 0)
    groupsUnderWay += 1
    underWay += size
    let isUnderWay = true
    const onCommitted = Effect.sync(() => {
      if (!isUnderWay) return
      isUnderWay = false
      groupsUnderWay -= 1
      underWay -= size
      weigh()
    })
    return FiberSet.run(
      fibers,
      Effect.ensuring(guarded(group, (unanswered) => runGroup(group, unanswered, onCommitted)), onCommitted)
    )
  }

  const loop = Effect.gen(function*() {
    while (true) {
      yield* isWorthATurn.await
      // What arrives in the same turn of the event loop goes along: a larger group costs Postgres little more.
      yield* Effect.yieldNow
      const asked = checks.splice(0)
      const part = Math.max(leastPart, (queue.bytes + underWay) / groupsAtOnce)
      const group = groupsUnderWay < groupsAtOnce ? queue.take(groupRequests, Math.min(groupBytes, part)) : []
      const free = lanes.size === 0 ? group : group.filter((each) => {
        const lane = options.main.needed(each.request).map((place) => lanes.get(place)).find((lane) => lane)
        lane?.put(each)
        return lane === undefined
      })
      if (free.length > 0) yield* start(free)
      weigh()
      if (asked.length > 0) {
        const exit = yield* Effect.exit(options.main.check)
        for (const each of asked) each(exit)
      }
    }
  })

  yield* Effect.forkScoped(loop)
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      closing = true
      return Effect.timeoutOption(idle.await, drainTime)
    })
  )

  /** Puts a request on the queue, or says why not. */
  const take = (waiting: Waiting): Unavailable | undefined => {
    if (closing || bytes + waiting.bytes > queueBytes) {
      return new Unavailable({
        reason: closing ? "The server is stopping" : "More appends wait than the log can take",
        retryAfterSeconds: 1
      })
    }
    bytes += waiting.bytes
    idle.closeUnsafe()
    queue.put(waiting)
    weigh()
    return undefined
  }

  const appender: Appender = {
    append: (request) =>
      Effect.callback((resume) => {
        const refused = take({ _tag: "Append", request, bytes: sizeOf(request), answer: resume })
        if (refused !== undefined) resume(Effect.fail(refused))
      }),
    arrive: (request) =>
      Effect.callback((resume) => {
        const refused = take({ _tag: "Arrival", request, bytes: sizeOf(request), answer: resume })
        if (refused !== undefined) resume(Effect.fail(refused))
      }),
    commit: (commit) =>
      Effect.callback((resume) => {
        const refused = take({ _tag: "Commit", request: commit, bytes: sizeOf(commit), answer: resume })
        if (refused !== undefined) resume(Effect.fail(refused))
      }),
    check: Effect.callback((resume) => {
      checks.push(resume)
      weigh()
    })
  }
  return appender
})
