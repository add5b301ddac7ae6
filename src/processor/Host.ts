/**
 * The instances of one processor that are awake on this server. A quiet stream costs a row and no fiber: its
 * instance wakes when the stream gets an event of concern, and when something was left undone.
 */
import { Deferred, Duration, Effect, FiberMap, Latch, Schedule, Semaphore } from "effect"
import type { Scope } from "effect"
import * as Control from "../domain/ControlEvent.ts"
import type { Fenced, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import * as StreamPattern from "../domain/StreamPattern.ts"
import type { Lease } from "../log/Checkpoints.ts"
import { pageInstances } from "../log/Checkpoints.ts"
import type { Grown } from "../log/Growth.ts"
import type { Status } from "./Instance.ts"
import * as Instance from "./Instance.ts"
import type { Any } from "./Processor.ts"
import * as Purity from "./Purity.ts"

/** How many instances may be catching up at a time: after a restart thousands may have something to do. */
const startingAtOnce = 256
/** One that takes longer is let go on beside them: what hangs in a hook must not keep the others from beginning. */
const startingTime = "1 second"
/** How long an instance without fibers stays awake when nothing comes; less where many are, since each holds memory. */
const idleTime = Duration.seconds(10)
const idleTimeOfMany = Duration.millis(100)
/** From so many on they are many: about 30 MB. */
const manyAwake = 1_000
/** The least time between two moves of the cursor, and the greatest, where a signal was lost. */
const advanceEvery = "1 second"
const advanceAtLeast = "5 seconds"
/** How late what was left undone is found, where neither a signal nor the cursor's answer arrived. */
const undoneEvery = "10 seconds"
/** Pause before an instance is opened again when the log was away or it met a defect. */
const openAgain = "500 millis"

export interface Options extends Instance.Shared {
  /** Which streams: a pattern. */
  readonly streams: string
}

interface Awake {
  readonly status: Status
  /** Whether its stream grew since it looked last. */
  hasGrown: boolean
}

export class Host {
  readonly processor: Any
  private readonly options: Options
  private readonly isMeant: (path: StreamPath) => boolean
  /** What wakes an instance; none: everything. */
  private readonly types: ReadonlySet<string> | undefined
  /** Whether it consumes nothing but what is told apart in notices. */
  private readonly isRare: boolean
  private readonly awake = new Map<StreamPath, Awake>()
  /** Streams that were named and are not looked at yet: each once, so bounded by the number of streams. */
  private readonly named = new Set<StreamPath>()
  /** Instances that were found parked since the lease was taken: bounded by how many there are. */
  private readonly parked = new Set<StreamPath>()
  private readonly someNamed = Latch.makeUnsafe()
  private readonly someGrown = Latch.makeUnsafe(true)
  private readonly someChanged = Latch.makeUnsafe()

  constructor(options: Options) {
    this.options = options
    this.processor = options.processor
    this.isMeant = StreamPattern.matcher(options.streams)
    const types = options.processor.consumes.map(({ type }) => type)
    this.types = types.includes("*") ? undefined : new Set(types)
    this.isRare = types.every((type) => Control.consumed.has(type))
  }

  status(path: StreamPath): Status | undefined {
    return this.awake.get(path)?.status
  }

  /** Keeps the instances at work for as long as the lease is held. */
  run(lease: Lease): Effect.Effect<never, Fenced> {
    return Effect.scoped(Effect.gen({ self: this }, function*() {
      const { growth } = this.options
      this.awake.clear()
      this.named.clear()
      this.parked.clear()
      yield* Effect.acquireRelease(
        Effect.sync(() => growth.onPrefix(Path.root, (grown) => this.hear(grown))),
        (stop) => Effect.sync(stop)
      )
      // Beside the work, which no fault of a look at states can end.
      yield* Effect.forkScoped(Purity.watch(this.options))
      const fenced = yield* Deferred.make<never, Fenced>()
      return yield* Effect.raceAllFirst([
        this.dispatch(lease, fenced),
        this.advance(lease),
        this.wakeUndone,
        Deferred.await(fenced)
      ])
    }))
  }

  private hear(grown: Grown): void {
    const { deleted, head, path, types } = grown
    this.someGrown.openUnsafe()
    if (deleted) this.parked.delete(path)
    // Nearly all that grows is of no concern to a processor: what costs least to know is asked first.
    const isChanged = types !== undefined && Instance.mayResume(types)
    const isOfConcern = this.concerns(grown)
    if (deleted || !isChanged && !isOfConcern || !this.isMeant(path)) return
    // What a person changed is undone: it is looked for, since only instances that there are can be meant.
    if (isChanged) this.someChanged.openUnsafe()
    if (isOfConcern && (isChanged || types === undefined || !this.parked.has(path))) this.name(path, head)
  }

  private concerns({ isCommon = false, types }: Grown): boolean {
    // What another server wrote is told without types.
    if (types === undefined) return !(isCommon && this.isRare)
    if (this.types === undefined) return true
    for (const type of types) if (this.types.has(type)) return true
    return false
  }

  private name(path: StreamPath, head = Number.POSITIVE_INFINITY): void {
    const awake = this.awake.get(path)
    // An instance that is awake hears its stream itself, and may have come so far already.
    if (awake !== undefined) awake.hasGrown ||= head > awake.status.offset
    else {
      this.named.add(path)
      this.someNamed.openUnsafe()
    }
  }

  /** Wakes what is named, some at a time. */
  private dispatch(lease: Lease, fenced: Deferred.Deferred<never, Fenced>): Effect.Effect<never, never, Scope.Scope> {
    return Effect.gen({ self: this }, function*() {
      const fibers = yield* FiberMap.make<StreamPath>()
      const starting = yield* Semaphore.make(startingAtOnce)
      while (true) {
        yield* this.someNamed.await
        const [path] = this.named
        if (path === undefined) {
          this.someNamed.closeUnsafe()
          continue
        }
        yield* starting.take(1)
        this.named.delete(path)
        this.parked.delete(path)
        let isStarting = true
        const onStarted = Effect.suspend(() => {
          if (!isStarting) return Effect.void
          isStarting = false
          return Effect.asVoid(starting.release(1))
        })
        const awake: Awake = { status: { now: "folding", offset: 0 }, hasGrown: false }
        this.awake.set(path, awake)
        yield* FiberMap.run(
          fibers,
          path,
          Effect.andThen(
            Effect.forkChild(Effect.delay(onStarted, startingTime)),
            this.keep(path, awake, lease, onStarted)
          ).pipe(
            Effect.catchTag("Fenced", (error) => Deferred.fail(fenced, error)),
            Effect.ensuring(onStarted)
          )
        )
      }
    })
  }

  /** Runs an instance as often as there is something to do. */
  private keep(path: StreamPath, awake: Awake, lease: Lease, onStarted: Effect.Effect<void>): Effect.Effect<void, Fenced> {
    const { status } = awake
    const onLook = () => {
      awake.hasGrown = false
    }
    const once = Effect.suspend(() => {
      onLook()
      return Effect.scoped(Instance.run({
        ...this.options,
        idleTime: () => this.awake.size > manyAwake ? idleTimeOfMany : idleTime,
        lease,
        onLook,
        onStarted,
        path,
        status
      }))
    })
    return Effect.gen({ self: this }, function*() {
      while (true) {
        const ended = yield* once.pipe(
          Effect.catchTag("Unavailable", (error) => this.pause(path, error)),
          Effect.catchDefect((defect) => this.pause(path, defect)),
          Effect.catchTag("Fenced", (error) =>
            error.lost === "lease" ? Effect.fail(error) : Effect.succeed<Instance.Ended>("changed"))
        )
        if (ended === "changed" || awake.hasGrown) continue
        if (ended === "parked") this.parked.add(path)
        return
      }
    }).pipe(
      // In the same turn as the last look at `hasGrown`: a stream that grows from here on is named anew.
      Effect.ensuring(Effect.sync(() => this.awake.delete(path)))
    )
  }

  private pause(path: StreamPath, reason: unknown): Effect.Effect<Instance.Ended> {
    return Effect.logWarning(`${this.processor.name} on ${path} is opened again`, reason).pipe(
      Effect.andThen(Effect.sleep(openAgain)),
      Effect.as("changed")
    )
  }

  /** Moves the cursor, and wakes what it met. */
  private advance(lease: Lease): Effect.Effect<never, Fenced> {
    const { checkpoints } = this.options
    return Effect.gen({ self: this }, function*() {
      while (true) {
        this.someGrown.closeUnsafe()
        let more = true
        while (more) {
          const moved = yield* Effect.catchTag(
            checkpoints.advance(lease),
            "Unavailable",
            (error: Unavailable) =>
              Effect.as(
                Effect.logWarning(`The cursor of ${this.processor.name} could not be moved; trying again`, error),
                { paths: [], more: false }
              )
          )
          for (const path of moved.paths) this.name(path)
          more = moved.more
        }
        yield* Effect.sleep(advanceEvery)
        yield* Effect.timeoutOption(this.someGrown.await, advanceAtLeast)
      }
    })
  }

  /** Wakes what has something to do: when the lease was taken, and from time to time, for what was lost since. */
  private readonly wakeUndone: Effect.Effect<never> = Effect.gen({ self: this }, function*() {
    const { checkpoints, processor } = this.options
    let after = ""
    while (true) {
      const paths = yield* checkpoints.undone(processor.name, after).pipe(
        Effect.tapError((error) => Effect.logWarning(`What ${processor.name} left undone is asked for again`, error)),
        Effect.retry({ schedule: undoneAgain }),
        Effect.orDie
      )
      for (const path of paths) this.name(path)
      const last = paths.at(-1)
      if (last === undefined || paths.length < pageInstances) {
        yield* Effect.timeoutOption(this.someChanged.await, undoneEvery)
        this.someChanged.closeUnsafe()
        after = ""
      } else after = last
    }
  })
}

const undoneAgain = Schedule.spaced(openAgain)
