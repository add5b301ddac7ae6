/**
 * The course of an instance through the events of its stream: each is folded, what happens after it runs, and the
 * fibers are kept running that the state calls for.
 */
import { Clock, Deferred, Effect, Exit } from "effect"
import type { Scope } from "effect"
import type { Event } from "../domain/Event.ts"
import * as EventText from "../domain/EventText.ts"
import type { Fenced, Unavailable } from "../domain/StreamError.ts"
import * as AddedTypes from "../log/AddedTypes.ts"
import type { Instance as Stored } from "../log/Checkpoints.ts"
import type { AppendRequest, Page } from "../log/EventStore.ts"
import { Tail } from "../log/Tail.ts"
import { AskedFibers, view as viewOf } from "./AskedFibers.ts"
import * as Emission from "./Emission.ts"
import { describe } from "./ErrorText.ts"
import type { Folding, Frozen, Step } from "./Folding.ts"
import * as Halt from "./Halt.ts"
import { Idleness } from "./Idleness.ts"
import type { Beginning, Ended, Options, View } from "./Instance.ts"
import { typesOf } from "./Instance.ts"
import { Notices } from "./Notices.ts"
import type { Rejected, Standing, Unfit } from "./Outbox.ts"
import { Outbox } from "./Outbox.ts"
import * as Reaction from "./Reaction.ts"
import { RunningFibers } from "./RunningFibers.ts"

/** Events that are folded before others get their turn: some milliseconds. */
const foldedInTurn = 256
/** Under steady traffic the fibers are compared with the state this often, in nanoseconds. */
const compareEvery = 100_000_000n

export class Course {
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
  /** And those of a type behind this one. */
  private readonly addedAfter: (type: string) => number
  private readonly asked: AskedFibers
  /** The instance behind the last event that is through. */
  private standing: Standing & { readonly state: Frozen }
  private compared = 0n
  private isCaughtUp = false
  private readonly idleness: Idleness
  private readonly notices: Notices

  constructor(
    options: Options,
    stored: Stored,
    begin: Beginning,
    scope: Scope.Scope,
    stream: { readonly isPaused: boolean; readonly offset: number }
  ) {
    const { growth, lease, path, processor, store } = options
    this.options = options
    this.stored = stored
    this.notices = new Notices({ processor: processor.name, head: stored.head, stream })
    this.skipped = new Set(stored.skipped)
    this.hooksAfter = Math.max(stored.hooksAfter, stored.offset)
    this.addedAfter = AddedTypes.hooksAfter(stored.addedTypes)
    this.folding = begin.folding
    this.asked = new AskedFibers({ processor, path, folding: begin.folding, begin })
    this.standing = { offset: begin.offset, state: this.folding.freeze(), fibers: this.asked.records }
    this.outbox = new Outbox({
      store,
      growth,
      lease,
      instance: { life: stored.life, revision: stored.revision, version: processor.version },
      // Until the state is folded anew as far as it was, only what had been done is written.
      standing: begin.before === undefined
        ? this.standing
        : { offset: stored.offset, state: undefined, fibers: begin.before },
      onWaiting: (isWaiting) => {
        options.status.now = isWaiting ? "waiting" : this.isCaughtUp ? "caught-up" : "folding"
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
    this.idleness = new Idleness({
      time: options.idleTime,
      isBusy: () => this.asked.isBusy,
      flushed: this.outbox.flushed
    })
    this.tail = new Tail(store, growth, path, {
      after: begin.offset,
      types: typesOf(processor),
      life: stored.life,
      live: true,
      again: true
    })
  }

  /** Until it has nothing to do. */
  readonly run: Effect.Effect<Ended, Fenced | Unavailable> = Effect.suspend(() =>
    Effect.raceAllFirst([
      this.loop,
      this.outbox.run,
      Effect.as(this.idleness.comes, "idle" as const),
      Deferred.await(this.fenced)
    ]).pipe(
      Effect.catchTags({
        Rejected: ({ reason, unit }) => this.park(Halt.park(unit.offset, describe(reason))),
        Unfit: () => this.reopenStrictly,
        Stop: ({ ended }) => Effect.succeed(ended)
      }),
      Effect.ensuring(Effect.sync(() => this.tail.close()))
    )
  )

  /** From what is written, judging each state: so the event is found that made the first one that does not fit. */
  private readonly reopenStrictly: Effect.Effect<Ended> = Effect.sync(() => {
    this.options.status.isStrict = true
    return "changed"
  })

  private readonly loop: Effect.Effect<Ended, Halt.Stop | Fenced | Rejected | Unfit | Unavailable> = Effect.suspend(() =>
    Effect.catchTag(this.course, "Park", (park) =>
      // What came before is written first, by the outbox, which goes on meanwhile.
      Effect.andThen(this.outbox.flushed, this.park(park)))
  )

  private readonly course = Effect.gen({ self: this }, function*(): Effect.fn.Return<
    never,
    Halt.Stop | Halt.Park | Unavailable
  > {
    this.options.status.now = "folding"
    while (true) {
      const step = yield* this.next
      if (step._tag === "Deleted" || step._tag === "End") return yield* Effect.fail(Halt.stop("gone"))
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
    this.idleness.wait(this.isCaughtUp)
    this.options.onLook()
    return Effect.tap(this.tail.next, () => Effect.sync(() => this.idleness.step()))
  })

  private readonly catchUp = Effect.suspend(() => {
    const { onStarted, status } = this.options
    if (status.now === "folding" || status.now === "retrying") status.now = "caught-up"
    return onStarted
  })

  private take(page: Page): Effect.Effect<void, Halt.Stop | Halt.Park> {
    return Effect.gen({ self: this }, function*() {
      for (const line of page.lines) {
        const event = EventText.decode(line)
        if (this.notices.hear(event)) return yield* Effect.fail(Halt.stop("changed"))
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
    fibers: viewOf(this.standing.fibers, this.fibers)
  })

  /** The instance behind an event. */
  private stand(offset: number): Standing & { readonly state: Frozen } {
    this.standing = { offset, state: this.folding.freeze(), fibers: this.asked.records }
    this.options.status.offset = offset
    return this.standing
  }

  private keepEnded(): void {
    if (this.asked.keepEnded()) this.stand(this.standing.offset)
  }

  private step(event: Event): Step | Halt.Park {
    const isSkipped = this.skipped.has(event.offset)
    try {
      const step = this.folding.step(event, isSkipped || this.options.status.isStrict)
      if (step._tag === "Folded") this.asked.follow(event)
      return step
    } catch (error) {
      return isSkipped
        ? { _tag: "Passed" }
        : Halt.park(event.offset, `The definition threw: ${describe(error)}`)
    }
  }

  /** Takes note of a folded event; what is to be done about it, where something is. */
  private follow(event: Event, step: Step): Effect.Effect<void, Halt.Park> | undefined {
    if (step._tag === "Passed") return undefined
    if (event.offset <= Math.max(this.hooksAfter, this.addedAfter(event.type))) {
      this.stand(event.offset)
      return undefined
    }
    const origin = Emission.originOf(this.options.processor.name, event)
    if (step._tag === "Misfit") {
      // What the runtime says of processors is never answered so: two of them could answer each other for ever.
      if (Emission.isFailure(event)) return undefined
      return this.deliver(event, [Emission.failure(origin, `The payload does not fit ${event.type}: ${step.message}`)])
    }
    const { hook } = step
    const isSkipped = this.skipped.has(event.offset)
    if (hook === undefined || isSkipped || Emission.isAbout(event, this.options.processor.name)) {
      this.outbox.add({ ...this.stand(event.offset), appends: [], isLazy: true })
      return undefined
    }
    const { maxHops, retry, takeTurn } = this.options
    return Reaction.react({ origin, hook, maxHops, retry, takeTurn, onFailed: this.retrying }).pipe(
      Effect.mapError((error) => Halt.park(event.offset, describe(error))),
      Effect.andThen((appends) => {
        if (this.options.status.now === "retrying") this.options.status.now = "folding"
        return this.deliver(event, appends)
      })
    )
  }

  private readonly retrying = Effect.suspend(() => {
    this.options.status.now = "retrying"
    return this.options.onStarted
  })

  /** Hands over what an event led to; waits while too much waits already. */
  private deliver(event: Event, appends: ReadonlyArray<AppendRequest>): Effect.Effect<void> {
    this.outbox.add({ ...this.stand(event.offset), appends, isLazy: false })
    return this.outbox.hasRoom
  }

  private readonly compare = Effect.flatMap(Clock.monotonicTimeNanos, (now) => {
    this.compared = now
    this.idleness.noteBusy()
    return this.asked.compare(this.fibers, this.notices.isPaused)
  })

  private ended(name: string, input: EventText.JsonText, exit: Exit.Exit<unknown, unknown>): void {
    const end = this.asked.end(name, input, exit, this.standing.fibers)
    if (end === undefined) return
    this.idleness.noteBusy()
    this.standing = { ...this.standing, fibers: end.apply(this.standing.fibers) }
    this.outbox.add({ ...this.standing, appends: end.appends, isLazy: false })
  }

  /** Writes that the instance waits for a person. Nothing else may be under way. */
  private park({ error, offset }: Halt.Park): Effect.Effect<Ended, Fenced> {
    const { path, processor, status } = this.options
    const notice = Emission.parked({ processor: processor.name, path, offset, hops: 0 }, { error })
    return this.outbox.park({ offset, error }, [notice]).pipe(
      // The log takes the server's own events always, and what is written fits.
      Effect.catchTags({ Rejected: ({ reason }) => Effect.die(new Error(reason)), Unfit: Effect.die }),
      Effect.andThen(Effect.suspend(() => {
        status.now = "parked"
        return this.options.onStarted
      })),
      Effect.as<Ended>("parked")
    )
  }
}
