/**
 * Records what an instance did, in order: while one commit is under way the next hooks run, and what they emit
 * goes along together. Nothing is written before what came before it.
 */
import { Data, Duration, Effect, Latch, Result } from "effect"
import { maxRequestBytes } from "../domain/Bounds.ts"
import * as Control from "../domain/ControlEvent.ts"
import type { Fenced, StreamPaused } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Checkpoint, Lease, Parked } from "../log/Checkpoints.ts"
import { keepEvery } from "../log/Checkpoints.ts"
import type { AppendRequest, EventStore } from "../log/EventStore.ts"
import type { Growth } from "../log/Growth.ts"
import * as Growths from "../log/Growth.ts"
import * as Emission from "./Emission.ts"
import * as FiberRecords from "./FiberRecords.ts"
import type { Frozen } from "./Folding.ts"
import * as StateSize from "./StateSize.ts"

/** Bound of what waits behind a commit, in events: hooks that run ahead of it would run again after a crash. */
const maxWaiting = 100
/** The same in bytes: it goes along in one commit, of which the log's queue must hold many. */
const maxWaitingBytes = maxRequestBytes
/** How far a checkpoint may be behind where nothing was emitted, in events and in time: so much is folded again. */
const maxLazy = 1_000
const lazyTime = "1 second"
/** Pause before a commit is tried again while the log is away. */
const retryAfter = "200 millis"
/** A signal that was lost delays what waits for a resumption by so much; the first may have come before it waited. */
const pausedPoll = Duration.seconds(5)
const firstPoll = Duration.millis(100)
/** The instance as it is to be after some event. */
export interface Standing {
  readonly offset: number
  /** None while it is folded anew. */
  readonly state: Frozen | undefined
  readonly fibers: FiberRecords.FiberRecords
}

/** What one event led to. */
export interface Unit extends Standing {
  readonly appends: ReadonlyArray<AppendRequest>
  /** Whether it can wait: nothing but the instance itself has changed. */
  readonly isLazy: boolean
}

/** What an event led to can not be recorded, whatever is tried. */
export class Rejected extends Data.TaggedError("Rejected")<{ readonly unit: Unit; readonly reason: string }> {}

/** The state of one of the last events does not fit its schema, or is too large: which one is known by folding them strictly. */
export class Unfit extends Data.TaggedError("Unfit")<{ readonly error: unknown }> {}

export interface Options {
  readonly store: EventStore["Service"]
  readonly growth: Growth["Service"]
  readonly lease: Lease
  readonly instance: Pick<Checkpoint, "life" | "revision" | "version">
  readonly standing: Standing
  /** Hears whether a commit waits for a paused stream. */
  readonly onWaiting: (isWaiting: boolean) => Effect.Effect<void>
}

export class Outbox {
  /** What is written. */
  written: Standing
  private readonly options: Options
  private units: Array<Unit> = []
  private isCommitting = false
  private lazyEvents = 0
  private bytes = 0
  private kept: number
  private revision: number
  private readonly due = Latch.makeUnsafe()
  private readonly lazy = Latch.makeUnsafe()
  private readonly room = Latch.makeUnsafe(true)
  private readonly empty = Latch.makeUnsafe(true)

  constructor(options: Options) {
    this.options = options
    this.written = options.standing
    this.revision = options.instance.revision
    this.kept = Math.floor(options.standing.offset / keepEvery)
  }

  /** Whether nothing waits and nothing is under way. */
  get isEmpty(): boolean {
    return this.units.length === 0 && !this.isCommitting
  }

  /** Adds what an event led to. */
  add(unit: Unit): void {
    const last = this.units.at(-1)
    if (last !== undefined && last.isLazy && unit.isLazy) this.units[this.units.length - 1] = unit
    else this.units.push(unit)
    this.empty.closeUnsafe()
    if (unit.isLazy) {
      this.lazyEvents += 1
      this.lazy.openUnsafe()
    }
    if (!unit.isLazy || this.lazyEvents >= maxLazy) this.due.openUnsafe()
    for (const append of unit.appends) this.bytes += Emission.sizeOf(append)
    if (this.units.length >= maxWaiting || this.bytes >= maxWaitingBytes) this.room.closeUnsafe()
  }

  /** Returns once there is room for another. */
  readonly hasRoom: Effect.Effect<void> = Effect.suspend(() => this.room.await)

  /** Returns once everything is written. */
  readonly flushed: Effect.Effect<void> = Effect.suspend(() => {
    if (this.units.length > 0) this.due.openUnsafe()
    return this.empty.await
  })

  /** Writes what is added, for ever. */
  readonly run: Effect.Effect<never, Fenced | Rejected | Unfit> = Effect.suspend(() =>
    Effect.raceFirst(this.committing, this.hurrying)
  )

  /** Makes what can wait due in time. Once for all, since a race before each commit costs as much as a hook. */
  private readonly hurrying: Effect.Effect<never> = Effect.gen({ self: this }, function*() {
    while (true) {
      yield* this.lazy.await
      yield* Effect.sleep(Duration.fromInputUnsafe(lazyTime))
      if (this.units.length > 0) this.due.openUnsafe()
    }
  })

  private readonly committing: Effect.Effect<never, Fenced | Rejected | Unfit> = Effect.gen({ self: this }, function*() {
    while (true) {
      yield* this.due.await
      const { units } = this
      this.units = []
      this.lazyEvents = 0
      this.bytes = 0
      this.isCommitting = true
      this.due.closeUnsafe()
      this.lazy.closeUnsafe()
      this.room.openUnsafe()
      yield* this.commit(units)
      this.isCommitting = false
      if (this.units.length === 0) this.empty.openUnsafe()
    }
  })

  /** Writes the instance as parked, with the event that says so. Nothing else may be under way. */
  park(parked: Parked, appends: ReadonlyArray<AppendRequest>): Effect.Effect<void, Fenced | Rejected | Unfit> {
    // Behind what is written when it runs, not when it is made.
    return Effect.suspend(() => this.write([{ ...this.written, appends, isLazy: false }], parked))
  }

  private commit(units: ReadonlyArray<Unit>): Effect.Effect<void, Fenced | Rejected | Unfit> {
    return this.write(units, undefined).pipe(
      Effect.catchIf(
        (error) => error._tag === "Rejected" && units.length > 1,
        // Alone each one succeeds, or is the culprit.
        () => Effect.forEach(units, (unit) => this.write([unit], undefined), { discard: true })
      )
    )
  }

  private write(units: ReadonlyArray<Unit>, parked: Parked | undefined): Effect.Effect<void, Fenced | Rejected | Unfit> {
    const unit = units.at(-1)
    if (unit === undefined) return Effect.void
    const { instance, lease, store } = this.options
    const encoded = Result.try(() => unit.state?.text())
    if (Result.isFailure(encoded)) return Effect.fail(new Unfit({ error: encoded.failure }))
    const state = encoded.success
    const wrong = state === undefined ? undefined : StateSize.problem(state)
    if (wrong !== undefined) return Effect.fail(new Unfit({ error: new Error(wrong) }))
    const keep = Math.floor(unit.offset / keepEvery) > this.kept
    const commit = Effect.suspend(() =>
      store.commit({
        lease,
        appends: units.flatMap(({ appends }) => appends),
        checkpoint: {
          life: instance.life,
          revision: this.revision,
          version: instance.version,
          offset: unit.offset,
          state,
          fibers: FiberRecords.encode(unit.fibers),
          busy: FiberRecords.isBusy(unit.fibers),
          parked,
          keep
        }
      }).pipe(
        Effect.andThen(Effect.sync(() => {
          this.written = { offset: unit.offset, state: unit.state, fibers: unit.fibers }
          this.revision += 1
          if (keep) this.kept = Math.floor(unit.offset / keepEvery)
        })),
        // What was sent may be recorded: whoever opens the instance next has to wait for it.
        Effect.uninterruptible,
        Effect.result
      )
    )
    return Effect.gen({ self: this }, function*() {
      let poll = firstPoll
      for (let tries = 0;; tries++) {
        const committed = yield* commit
        if (Result.isSuccess(committed)) return
        const error = committed.failure
        if (error._tag === "Fenced") return yield* error
        if (error._tag === "Unavailable") {
          if (tries === 0) yield* Effect.logWarning(`What ${lease.processor} did waits for the log`, error)
          yield* Effect.sleep(retryAfter)
        } else if (error._tag === "StreamPaused") {
          // Alone each one waits for its own targets only, and not for a pause that it emitted itself.
          if (units.length > 1 || pausesItself(unit, error.streamPath)) {
            return yield* new Rejected({ unit, reason: `It emits to ${error.streamPath}, which is paused` })
          }
          yield* this.resumption(error, poll)
          poll = pausedPoll
        } else return yield* new Rejected({ unit, reason: `The log refused what was emitted: ${error.message}` })
      }
    })
  }

  /** Waits until a stream may be resumed. What was collected is kept: no hook runs twice for it. */
  private resumption({ streamPath }: StreamPaused, poll: Duration.Duration): Effect.Effect<void> {
    const { growth, onWaiting } = this.options
    return Effect.acquireUseRelease(
      onWaiting(true),
      () => Effect.asVoid(Effect.timeoutOption(Growths.next(growth, streamPath), poll)),
      () => onWaiting(false)
    )
  }
}

/** Whether what one event led to pauses a stream and goes on: nobody could resume it in between. */
const pausesItself = ({ appends }: Unit, target: StreamPath): boolean => {
  const types = appends.flatMap(({ events, path }) => path === target ? events.map(({ type }) => type) : [])
  return types.some((type, index) =>
    type === Control.Paused.type && index + 1 < types.length && types[index + 1] !== Control.Resumed.type)
}
