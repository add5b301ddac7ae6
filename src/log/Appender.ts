/**
 * Group commit. Requests wait on a bounded queue; one writer takes all that wait and commits them
 * together, so throughput comes from what arrives while the last commit is under way, and the code for one
 * event and for a thousand is the same. What someone else has locked waits in a lane of its own.
 */
import { Effect, Exit, FiberSet, Latch, Metric } from "effect"
import type { AppendError } from "../domain/StreamError.ts"
import { Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Appended, AppendRequest } from "./EventStore.ts"
import type { GroupCommit, Outcome } from "./GroupCommit.ts"

/** Bound of what waits, in bytes of events: about a second of full throughput; beyond it the answer is 503. */
export const queueBytes = 64 * 1_048_576
/** Bounds of a group: it is one statement, held in memory on both sides. A larger request goes alone. */
export const groupBytes = 4 * 1_048_576
export const groupRequests = 1_000
/** Bound of what an event costs beside its text, in bytes. */
const eventBytes = 200
/** How often a request is tried on a stream that someone else has locked; each try waits a second for the lock. */
const laneTries = 5

/** How long a server that stops waits for what it has taken. */
const drainTime = "1 second"

interface Waiting {
  readonly request: AppendRequest
  readonly bytes: number
  readonly answer: (exit: Exit.Exit<Appended, AppendError>) => void
}

export interface Appender {
  /** Waits until the events are durable. Once it is queued it commits, even if nobody waits any more. */
  readonly append: (request: AppendRequest) => Effect.Effect<Appended, AppendError>
}

export interface Options {
  /** For the queue, and for lanes: each has batches of its own. */
  readonly main: GroupCommit
  readonly lane: Effect.Effect<GroupCommit>
}

const events = Metric.counter("millstream_events_appended_total", {
  description: "Events recorded at a client's request",
  incremental: true
})
const groups = Metric.counter("millstream_groups_total", { description: "Commits of the appender", incremental: true })
const waiting = Metric.gauge("millstream_append_queue_bytes", { description: "Bytes of events that wait to be committed" })

export const make = Effect.fnUntraced(function*(options: Options) {
  const queue = new Queue()
  const lanes = new Map<StreamPath, Queue>()
  const fibers = yield* FiberSet.make()
  const idle = Latch.makeUnsafe(true)
  let closing = false

  /** Answers a request; false where it has to be decided again. */
  const answer = (each: Waiting, outcome: Outcome | undefined): boolean => {
    const decision = outcome?._tag === "Decided" ? outcome.decision : undefined
    switch (decision?._tag) {
      case "Recorded":
        each.answer(Exit.succeed({ lines: decision.events.map((event) => event.line), known: false }))
        return true
      case "Known":
        each.answer(Exit.succeed({ lines: decision.lines, known: true }))
        return true
      case "Refused":
        each.answer(Exit.fail(decision.error))
        return true
      case "Deferred":
        return false
      case undefined:
        each.answer(Exit.fail(locked(each.request.path)))
        return true
    }
  }

  const runGroup = Effect.fnUntraced(function*(group: ReadonlyArray<Waiting>) {
    const outcomes = yield* options.main.commit(group.map((each) => each.request))
    const again: Array<Waiting> = []
    let recorded = 0
    for (let i = 0; i < group.length; i++) {
      const each = group[i]
      const outcome = outcomes[i]
      if (each === undefined) continue
      if (outcome?._tag === "Decided" && outcome.decision._tag === "Recorded") {
        recorded += outcome.decision.events.length
      }
      if (outcome?._tag === "Contended") yield* toLane(outcome.path, each)
      else if (!answer(each, outcome)) again.push(each)
    }
    queue.putBack(again)
    yield* Metric.update(events, recorded)
    yield* Metric.update(groups, 1)
    yield* Metric.update(waiting, queue.bytes)
  })

  const toLane = Effect.fnUntraced(function*(path: StreamPath, each: Waiting) {
    const known = lanes.get(path)
    if (known !== undefined) return known.put(each)
    const lane = new Queue()
    lane.put(each)
    lanes.set(path, lane)
    yield* FiberSet.run(fibers, runLane(path, lane))
  })

  /** Tries what waits for one stream, one request at a time, until none is left. */
  const runLane = Effect.fnUntraced(
    function*(path: StreamPath, lane: Queue) {
      const { commit } = yield* options.lane
      for (let [each] = lane.take(1); each !== undefined; [each] = lane.take(1)) {
        const { request } = each
        let [outcome] = yield* commit([request])
        for (let tries = 1; outcome?._tag === "Contended" && tries < laneTries; tries++) {
          [outcome] = yield* commit([request])
        }
        if (!answer(each, outcome)) lane.putBack([each])
      }
    },
    (effect, path, lane) =>
      Effect.ensuring(
        effect,
        Effect.sync(() => {
          lanes.delete(path)
          for (const each of lane.take(Number.POSITIVE_INFINITY)) each.answer(Exit.fail(locked(path)))
        })
      )
  )

  const loop = Effect.gen(function*() {
    while (true) {
      yield* queue.filled.await
      // What arrives in the same turn of the event loop goes along: a larger group costs Postgres little more.
      yield* Effect.yieldNow
      const group = queue.take(groupRequests)
      const free = lanes.size === 0 ? group : group.filter((each) => {
        const lane = options.main.needed(each.request.path).map((path) => lanes.get(path)).find((lane) => lane)
        lane?.put(each)
        return lane === undefined
      })
      if (free.length > 0) yield* runGroup(free)
      if (queue.bytes === 0) idle.openUnsafe()
    }
  })

  yield* Effect.forkScoped(loop)
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      closing = true
      return Effect.timeoutOption(idle.await, drainTime)
    })
  )

  const appender: Appender = {
    append: (request) =>
      Effect.callback<Appended, AppendError>((resume) => {
        const bytes = sizeOf(request)
        if (closing || queue.bytes + bytes > queueBytes) {
          return resume(Effect.fail(
            new Unavailable({
              reason: closing ? "The server is stopping" : "More appends wait than the log can take",
              retryAfterSeconds: 1
            })
          ))
        }
        idle.closeUnsafe()
        queue.put({ request, bytes, answer: resume })
      })
  }
  return appender
})

const locked = (path: StreamPath) =>
  new Unavailable({ reason: `Another connection holds the lock of ${path}`, retryAfterSeconds: 1 })

const sizeOf = (request: AppendRequest): number => {
  let bytes = 0
  for (const event of request.events) {
    bytes += event.payload.length + (event.metadata?.length ?? 0) + event.type.length + eventBytes
  }
  return bytes
}

/** What waits, first come first served. */
class Queue {
  private items: Array<Waiting> = []
  bytes = 0
  readonly filled = Latch.makeUnsafe()

  put(each: Waiting): void {
    this.items.push(each)
    this.grow(each)
  }

  /** Puts those that could not be decided before all others. */
  putBack(again: ReadonlyArray<Waiting>): void {
    if (again.length === 0) return
    this.items = [...again, ...this.items]
    for (const each of again) this.grow(each)
  }

  /** The first ones, at most so many, within the bytes of a group; at least one where any waits. */
  take(requests: number): ReadonlyArray<Waiting> {
    let count = 0
    let bytes = 0
    for (const each of this.items) {
      if (count === requests || (count > 0 && bytes + each.bytes > groupBytes)) break
      bytes += each.bytes
      count += 1
    }
    const taken = count === this.items.length ? this.items : this.items.slice(0, count)
    this.items = count === this.items.length ? [] : this.items.slice(count)
    this.bytes -= bytes
    if (this.items.length === 0) this.filled.closeUnsafe()
    return taken
  }

  private grow(each: Waiting): void {
    this.bytes += each.bytes
    this.filled.openUnsafe()
  }
}
