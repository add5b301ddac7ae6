/**
 * A processor at work on one stream: folds what comes, runs what happens after each event, and keeps the fibers
 * running that the state calls for. It runs for as long as it has something to do.
 */
import { Cause, Clock, Deferred, Duration, Effect, Exit, Option } from "effect"
import type { Schedule, Scope } from "effect"
import * as Control from "../domain/ControlEvent.ts"
import type { Event } from "../domain/Event.ts"
import { Offset } from "../domain/Event.ts"
import * as EventText from "../domain/EventText.ts"
import type { Fenced, InvalidEvent, InvalidPath, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Checkpoints, Instance as Stored, Lease } from "../log/Checkpoints.ts"
import type { Directory } from "../log/Directory.ts"
import type { AppendRequest, EventStore, Page } from "../log/EventStore.ts"
import type { Growth } from "../log/Growth.ts"
import { Tail } from "../log/Tail.ts"
import * as Emission from "./Emission.ts"
import * as FiberRecords from "./FiberRecords.ts"
import type { Folding, Frozen, HookTools, Step } from "./Folding.ts"
import type { Rejected, Standing } from "./Outbox.ts"
import { Outbox } from "./Outbox.ts"
import type { Any } from "./Processor.ts"
import { RunningFibers } from "./RunningFibers.ts"

/** Events that are folded before others get their turn: some milliseconds. */
const foldedInTurn = 256
/** Under steady traffic the fibers are compared with the state this often, in nanoseconds. */
const compareEvery = 100_000_000n

export interface Options {
  readonly processor: Any
  readonly lease: Lease
  readonly path: StreamPath
  readonly retry: Schedule.Schedule<unknown, unknown>
  readonly maxHops: number
  readonly store: EventStore["Service"]
  readonly growth: Growth["Service"]
  readonly directory: Directory["Service"]
  readonly checkpoints: Checkpoints["Service"]
  readonly status: Status
  /** How long it stays awake without fibers when nothing comes. */
  readonly idleTime: () => Duration.Duration
  /** Called when history is folded, or when it turns out that this takes longer. */
  readonly onStarted: Effect.Effect<void>
  /** Called each time before it looks for what comes next: it finds whatever the stream grew before. */
  readonly onLook: () => void
}

/** How an instance fares, for those who ask. */
export interface Status {
  now: "folding" | "caught-up" | "retrying" | "waiting" | "parked"
  /** What is folded and done. */
  offset: number
  /** The state there and its fibers, once it is folded. */
  view?: (() => View) | undefined
}

export interface View {
  readonly offset: number
  readonly state: EventText.JsonText
  readonly fibers: ReadonlyArray<FiberView>
}

/** What the state asks for, and how it fares. */
export interface FiberView extends FiberRecords.FiberRecord {
  readonly status: "running" | "done" | "retrying" | "parked"
}

/** Why an instance ended. */
export type Ended = "idle" | "parked" | "gone" | "changed"

/** Those of an instance's own control events that tell of a person's change. */
const changes: ReadonlyArray<string> = [
  Control.ProcessorResumed.type,
  Control.ProcessorSkipped.type,
  Control.ProcessorRefolded.type
]
const noticed: ReadonlyArray<string> = [Control.Paused.type, Control.Resumed.type, ...changes]

/** The types that wake an instance; none means every one. */
export const typesOf = (processor: Any): ReadonlyArray<string> | undefined => {
  const types = processor.consumes.map(({ type }) => type)
  return types.includes("*") ? undefined : [...new Set([...types, ...noticed])]
}

/** Runs the instance until it has nothing to do. */
export const run = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Ended, Fenced | Unavailable, Scope.Scope> {
  const { checkpoints, directory, lease, path, status } = options
  const opened = yield* checkpoints.open(lease, path)
  if (Option.isNone(opened)) return "gone"
  const stored = opened.value
  status.offset = stored.offset
  if (stored.parked !== undefined) {
    status.now = "parked"
    yield* options.onStarted
    return "parked"
  }
  const stream = yield* directory.describe(path)
  if (Option.isNone(stream) || stream.value.id !== stored.life) return "changed"
  const { core, offset } = stream.value
  const instance = new Instance(options, stored, yield* Effect.scope, { paused: core.paused !== null, offset })
  return yield* instance.run
})

/** What ends the ordinary course of an instance. */
interface Stop {
  readonly _tag: "Stop"
  readonly ended: Ended
}

/** A hook or the reducer has failed for good at an event. */
interface Park {
  readonly _tag: "Park"
  readonly offset: number
  readonly error: string
}

class Instance {
  private readonly options: Options
  private readonly stored: Stored
  private readonly outbox: Outbox
  private readonly fibers: RunningFibers
  private readonly tail: Tail
  private readonly folding: Folding
  private readonly skipped: ReadonlySet<number>
  private readonly fenced = Deferred.makeUnsafe<never, Fenced>()
  /** Hooks run behind this one. */
  private readonly hooksAfter: number
  private readonly hasFibers: boolean
  private records: FiberRecords.FiberRecords = FiberRecords.none
  /** How fibers had ended before the state was folded anew. */
  private endedBefore: FiberRecords.FiberRecords | undefined
  /** The instance behind the last event that is through. */
  private standing: Standing & { readonly state: Frozen }
  private compared = 0n
  private isPaused: boolean
  /** Whether it waits for its stream, and how many steps of it there were. */
  private isCaughtUp = false
  private isWaiting = false
  private steps = 0
  /** Pauses up to here are known from the stream itself. */
  private readonly pausesAfter: number

  constructor(
    options: Options,
    stored: Stored,
    scope: Scope.Scope,
    stream: { readonly paused: boolean; readonly offset: number }
  ) {
    const { growth, lease, path, processor, store } = options
    this.options = options
    this.stored = stored
    this.isPaused = stream.paused
    this.pausesAfter = stream.offset
    this.skipped = new Set(stored.skipped)
    this.hooksAfter = Math.max(stored.hooksAfter, stored.offset)
    const isCurrent = stored.state !== undefined && stored.version === processor.version
    this.folding = processor.fold(isCurrent && stored.state !== undefined ? { state: stored.state } : undefined)
    this.hasFibers = processor.kinds.length > 0
    const before = FiberRecords.decode(stored.fibers ?? "[]")
    if (isCurrent) this.records = before
    else this.endedBefore = before
    const begin = isCurrent ? stored.offset : 0
    this.standing = { offset: begin, state: this.folding.freeze(), fibers: this.records }
    this.outbox = new Outbox({
      store,
      growth,
      lease,
      instance: { life: stored.life, revision: stored.revision, version: processor.version },
      // Until the state is folded anew as far as it was, only what had been done is written.
      standing: isCurrent ? this.standing : { offset: stored.offset, state: undefined, fibers: before },
      onWaiting: (isWaiting) => {
        options.status.now = isWaiting ? "waiting" : "caught-up"
        return options.onStarted
      }
    })
    this.fibers = new RunningFibers(scope, {
      store,
      lease,
      path,
      life: stored.life,
      retry: options.retry,
      maxHops: options.maxHops,
      cursors: stored.cursors,
      onEnded: (name, input, exit) => this.ended(name, input, exit),
      onFenced: (error) => {
        Deferred.doneUnsafe(this.fenced, Exit.fail(error))
      }
    })
    this.tail = new Tail(store, growth, path, {
      after: begin,
      types: typesOf(processor),
      life: stored.life,
      live: true,
      again: true
    })
  }

  readonly run: Effect.Effect<Ended, Fenced | Unavailable> = Effect.suspend(() =>
    Effect.raceAllFirst([this.loop, this.outbox.run, this.idleness, Deferred.await(this.fenced)]).pipe(
      Effect.catchTag("Rejected", ({ reason, unit }) => this.park({ _tag: "Park", offset: unit.offset, error: reason })),
      Effect.catchTag("Stop", ({ ended }) => Effect.succeed(ended)),
      Effect.ensuring(Effect.sync(() => this.tail.close()))
    )
  )

  private readonly loop: Effect.Effect<Ended, Stop | Fenced | Rejected | Unavailable> = Effect.suspend(() =>
    Effect.catchTag(this.course, "Park", (park) =>
      // What came before is written first, by the outbox, which goes on meanwhile.
      Effect.andThen(this.outbox.flushed, this.park(park)))
  )

  private readonly course: Effect.Effect<never, Stop | Park | Unavailable> = Effect.gen({ self: this }, function*() {
    this.options.status.now = "folding"
    while (true) {
      const step = yield* this.next
      this.steps += 1
      if (step._tag === "Deleted" || step._tag === "End") return yield* Effect.fail<Stop>({ _tag: "Stop", ended: "gone" })
      if (step._tag === "Events") yield* this.take(step.page)
      if (step._tag === "CaughtUp") this.pass(step.offset)
      this.isCaughtUp = step._tag !== "Events" || step.page.last >= step.page.head
      this.options.status.view = this.view
      if (this.isCaughtUp) yield* this.catchUp
      // Behind the head that it met: in history the state asks for work that was called off since.
      const isDue = step._tag === "Events" && step.page.last >= this.stored.head &&
        (yield* Clock.monotonicTimeNanos) - this.compared > compareEvery
      if (this.isCaughtUp || isDue) yield* this.compare
    }
  })

  private readonly next = Effect.suspend(() => {
    this.isWaiting = this.isCaughtUp
    this.options.onLook()
    return Effect.map(this.tail.next, (step) => {
      this.isWaiting = false
      return step
    })
  })

  /** Ends an instance that waits for its stream and has nothing else to do. */
  private readonly idleness: Effect.Effect<never, Stop> = Effect.gen({ self: this }, function*() {
    while (true) {
      const { steps } = this
      yield* Effect.sleep(this.options.idleTime())
      const isIdle = () => this.isWaiting && this.steps === steps && !FiberRecords.isBusy(this.records)
      if (!isIdle()) continue
      yield* this.outbox.flushed
      if (isIdle()) return yield* Effect.fail<Stop>({ _tag: "Stop", ended: "idle" })
    }
  })

  private readonly catchUp = Effect.suspend(() => {
    const { onStarted, status } = this.options
    if (status.now === "folding" || status.now === "retrying") status.now = "caught-up"
    return onStarted
  })

  private take(page: Page): Effect.Effect<void, Stop | Park> {
    return Effect.gen({ self: this }, function*() {
      for (const line of page.lines) {
        const event = EventText.decode(line)
        if (this.notices(event)) return yield* Effect.fail<Stop>({ _tag: "Stop", ended: "changed" })
        if (event.offset > this.stored.offset) this.keepEnded()
        const step = this.step(event)
        if (step._tag === "Park") return yield* Effect.fail(step)
        // What is only folded costs no effect: histories are long.
        const reaction = this.follow(event, step)
        if (reaction !== undefined) yield* reaction
        else if (event.offset % foldedInTurn === 0) yield* Effect.yieldNow
      }
      this.pass(page.last)
    })
  }

  /** Moves the position past what is not consumed. */
  private pass(last: number): void {
    this.stand(Math.max(last, this.standing.offset))
    if (last < this.stored.offset) return
    this.keepEnded()
    const { offset, state } = this.outbox.written
    if (last > offset || state === undefined) this.outbox.add({ ...this.standing, appends: [], isLazy: true })
  }

  private readonly view = (): View => ({
    offset: this.standing.offset,
    state: this.standing.state.text(),
    fibers: [...this.standing.fibers].map(([name, record]) => ({
      ...record,
      status: record.ended === undefined
        ? this.fibers.running.get(name)?.isRetrying === true ? "retrying" : "running"
        : record.ended._tag === "Done"
        ? "done"
        : "parked"
    }))
  })

  /** The instance behind an event. */
  private stand(offset: number): Standing & { readonly state: Frozen } {
    this.standing = { offset, state: this.folding.freeze(), fibers: this.records }
    this.options.status.offset = offset
    return this.standing
  }

  /** Once the state is folded anew as far as it was, what had ended there stays ended. */
  private keepEnded(): void {
    if (this.endedBefore === undefined) return
    this.records = FiberRecords.keepEnded(this.records, this.endedBefore)
    this.endedBefore = undefined
    this.stand(this.standing.offset)
  }

  /** Whether an event says that this instance was changed by a person; pauses are noted. */
  private notices(event: Event): boolean {
    if (event.offset > this.pausesAfter) {
      if (event.type === Control.Paused.type) this.isPaused = true
      if (event.type === Control.Resumed.type) this.isPaused = false
    }
    return event.offset > this.stored.head && changes.includes(event.type) && this.isOwn(event)
  }

  /** Whether an event is about this very processor: its hooks never see these. */
  private isOwn({ payload, type }: Event): boolean {
    return type.startsWith("processor/") && typeof payload === "object" && payload !== null && "name" in payload &&
      payload.name === this.options.processor.name
  }

  private step(event: Event): Step | Park {
    try {
      const step = this.folding.step(event)
      if (step._tag === "Folded" && this.hasFibers) {
        this.records = FiberRecords.follow(this.records, this.folding.asked(), event)
      }
      return step
    } catch (error) {
      return this.skipped.has(event.offset)
        ? { _tag: "Passed" }
        : { _tag: "Park", offset: event.offset, error: `The definition threw: ${describe(error)}` }
    }
  }

  /** Takes note of a folded event; what is to be done about it, where something is. */
  private follow(event: Event, step: Step): Effect.Effect<void, Park> | undefined {
    if (step._tag === "Passed") return undefined
    if (event.offset <= this.hooksAfter) {
      this.stand(event.offset)
      return undefined
    }
    const origin = this.origin(event)
    if (step._tag === "Misfit") {
      return this.deliver(event, [Emission.failure(origin, `The payload does not fit ${event.type}: ${step.message}`)])
    }
    const { hook } = step
    if (hook === undefined || this.skipped.has(event.offset) || this.isOwn(event)) {
      this.outbox.add({ ...this.stand(event.offset), appends: [], isLazy: true })
      return undefined
    }
    return Effect.flatMap(this.react(origin, hook), (appends) => this.deliver(event, appends))
  }

  /** Hands over what an event led to; waits while too much waits already. */
  private deliver(event: Event, appends: ReadonlyArray<AppendRequest>): Effect.Effect<void> {
    this.outbox.add({ ...this.stand(event.offset), appends, isLazy: false })
    return this.outbox.hasRoom
  }

  private origin(event: Event): Emission.Origin {
    const { path, processor } = this.options
    return { processor: processor.name, path, offset: event.offset, hops: event.cause?.hops ?? 0 }
  }

  /** Runs a hook until one attempt succeeds; only that one's events count. */
  private react(
    origin: Emission.Origin,
    hook: (tools: HookTools) => Effect.Effect<unknown, unknown, Scope.Scope>
  ): Effect.Effect<ReadonlyArray<AppendRequest>, Park> {
    const { maxHops, path, retry, status } = this.options
    const attempt = Effect.suspend(() => {
      const appends: Array<AppendRequest> = []
      const refused: Array<InvalidPath | InvalidEvent> = []
      const tools: HookTools = {
        streamPath: path,
        idempotencyKey: `${origin.processor}${path}/${origin.offset}`,
        emit: (event, { streamPath } = {}) =>
          Effect.flatMap(Effect.result(Emission.append(origin, event, streamPath, maxHops)), (result) => {
            if (result._tag === "Success") appends.push(result.success)
            else if (result.failure._tag === "InvalidPath") return Effect.fail(result.failure)
            else refused.push(result.failure)
            return Effect.void
          })
      }
      return Effect.scoped(hook(tools)).pipe(
        Effect.catchDefect((defect) => Effect.fail(defect)),
        Effect.andThen(Effect.suspend(() => refused[0] === undefined ? Effect.succeed(appends) : Effect.fail(refused[0])))
      )
    })
    return attempt.pipe(
      Effect.tapError(() =>
        Effect.suspend(() => {
          status.now = "retrying"
          return this.options.onStarted
        })
      ),
      Effect.retry(retry),
      Effect.mapError((error): Park => ({ _tag: "Park", offset: origin.offset, error: describe(error) }))
    )
  }

  /** Starts and interrupts fibers, so that exactly what the state asks for runs. */
  private readonly compare = Effect.flatMap(Clock.monotonicTimeNanos, (now) => {
    this.compared = now
    if (!this.hasFibers) return Effect.void
    const asked = this.folding.asked()
    const { interrupt, start } = FiberRecords.compare(this.records, asked, this.fibers.running, this.isPaused)
    return Effect.andThen(
      Effect.forEach(interrupt, (name) => this.fibers.interrupt(name), { discard: true }),
      Effect.forEach(start, (name) => {
        const work = asked.get(name)
        const record = this.records.get(name)
        return work === undefined || record === undefined ? Effect.void : this.fibers.start(name, work, record)
      }, { discard: true })
    )
  })

  private ended(name: string, input: EventText.JsonText, exit: Exit.Exit<unknown, unknown>): void {
    // The state may ask for another input by now: what ended was not that.
    const record = [this.records, this.standing.fibers].map((each) => each.get(name)).find((each) => each?.input === input)
    if (record === undefined) return
    const { path, processor } = this.options
    const error = Exit.isSuccess(exit) ? undefined : describe(Cause.squash(exit.cause))
    const ended = error === undefined ? { _tag: "Done" as const } : { _tag: "Parked" as const, error }
    // A hook may be under way: the state has its event already, what is written has not.
    this.records = FiberRecords.end(this.records, name, input, ended)
    this.standing = { ...this.standing, fibers: FiberRecords.end(this.standing.fibers, name, input, ended) }
    const { hops, key, kind, since } = record
    const origin = { processor: processor.name, path, offset: since, hops }
    const appends = error === undefined ? [] : [
      Emission.notice(origin, Control.ProcessorParked.make({ name: processor.name, offset: Offset.make(since), kind, key, error }))
    ]
    this.outbox.add({ ...this.standing, appends, isLazy: false })
  }

  /** Writes that the instance waits for a person. Nothing else may be under way. */
  private park({ error, offset }: Park): Effect.Effect<Ended, Fenced> {
    const { path, processor, status } = this.options
    const origin = { processor: processor.name, path, offset, hops: 0 }
    const event = Control.ProcessorParked.make({ name: processor.name, offset: Offset.make(offset), error })
    return this.outbox.park({ offset, error }, [Emission.notice(origin, event)]).pipe(
      // The log takes the server's own events always.
      Effect.catchTag("Rejected", ({ reason }) => Effect.die(new Error(reason))),
      Effect.andThen(Effect.suspend(() => {
        status.now = "parked"
        return this.options.onStarted
      })),
      Effect.as<Ended>("parked")
    )
  }
}

/** Bound of an error's text in an event, in characters. */
const maxError = 1_000

/** A failure in one line, for an event that tells of it. */
const describe = (error: unknown): string => {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return text.replaceAll(/\s+/g, " ").slice(0, maxError)
}
