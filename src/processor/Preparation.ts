/**
 * A version of a processor folded beside the one that acts, so that it is nearly there when it takes over: each instance
 * as far as it is, kept as a snapshot, and again those that have moved on meanwhile. No hook or fiber runs. An instance
 * whose folding fails is left for the takeover, where that shows. It folds between other work, some milliseconds at a
 * time; a single event whose folding takes longer, or a large state that is written, holds that up.
 */
import { Clock, Effect, Metric, Option, Result } from "effect"
import type { Event } from "../domain/Event.ts"
import * as EventText from "../domain/EventText.ts"
import type { Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as StreamPattern from "../domain/StreamPattern.ts"
import type { Checkpoints, Snapshot, Unprepared, UnpreparedPage } from "../log/Checkpoints.ts"
import { keepEvery } from "../log/Checkpoints.ts"
import type { EventStore } from "../log/EventStore.ts"
import * as FiberRecords from "./FiberRecords.ts"
import type { Folding } from "./Folding.ts"
import type { Any } from "./Processor.ts"
import * as StateSize from "./StateSize.ts"

/** Streams that are folded at a time: each holds a state and a page, and the log has others to serve. */
const foldedAtOnce = 2
/** Others get their turn after so long, in milliseconds of the machine's clock. */
const turn = 5
/** A round that took no longer, in milliseconds, was the last: what came meanwhile is soon folded at the takeover. */
const shortRound = 1_000
/** So is one that took more than this part of the one before: the log grows as fast as it is folded. */
const shortening = 0.75
/** How often it is told how many instances are left. */
const tellEvery = "5 seconds"

const leftGauge = Metric.gauge("millstream_preparing_instances", {
  description: "Instances that a version which is prepared to take over has no state of yet"
})

export interface Options {
  readonly processor: Any
  /** Pattern of the streams that it will run on: what another version has done elsewhere is left out. */
  readonly streams: string
  readonly store: EventStore["Service"]
  readonly checkpoints: Checkpoints["Service"]
}

/** A folding on its way to where its instance is. */
interface Journey {
  readonly instance: Unprepared
  readonly folding: Folding
  readonly skipped: ReadonlySet<number>
  /** Of the last event that is in its state. */
  offset: number
  fibers: FiberRecords.FiberRecords
}

export class Preparation {
  /** Instances that are prepared, or gone, and events that were folded for them. */
  instances = 0
  events = 0
  /** Instances whose folding failed in the last round. */
  failed = 0
  /** None until they were counted. */
  private left: number | undefined
  private readonly options: Options
  private readonly types: ReadonlyArray<string> | undefined
  private readonly isMeant: (path: StreamPath) => boolean

  constructor(options: Options) {
    const types = options.processor.consumes.map(({ type }) => type)
    this.options = options
    this.isMeant = StreamPattern.matcher(options.streams)
    this.types = types.includes("*") ? undefined : types
  }

  /** Returns once little is left. What was kept before stays, so it can be tried again. */
  readonly run: Effect.Effect<void, Unavailable> = Effect.suspend(() =>
    Effect.raceFirst(this.rounds, this.telling).pipe(Effect.ensuring(Metric.update(this.gauge, 0)))
  )

  private get gauge() {
    return Metric.withAttributes(leftGauge, { processor: this.options.processor.name })
  }

  private readonly rounds: Effect.Effect<void, Unavailable> = Effect.gen({ self: this }, function*() {
    let before = Number.POSITIVE_INFINITY
    while (true) {
      const from = yield* Clock.monotonicTimeNanos
      const counted = yield* this.count
      yield* this.tell
      this.failed = 0
      // No more than a page beyond those: of what comes meanwhile a round must not live on.
      yield* this.pages(
        (instances) =>
          Effect.forEach(instances, (each) => this.prepare(each), { concurrency: foldedAtOnce, discard: true }),
        counted
      )
      const took = Number((yield* Clock.monotonicTimeNanos) - from) / 1_000_000
      if (took <= shortRound || took > shortening * before) return
      before = took
    }
  })

  private readonly count = Effect.suspend(() =>
    Effect.tap(this.pages(() => Effect.void), (left) => Effect.sync(() => this.left = left))
  )

  /** Tells those who ask, which keeps the states too. */
  private readonly tell: Effect.Effect<void> = Effect.suspend(() => {
    const { checkpoints, processor: { name, version } } = this.options
    return checkpoints.prepare(name, version, this.left).pipe(
      Effect.tapError((error) => Effect.logDebug(`How far version ${version} of ${name} is could not be told`, error)),
      Effect.ignore,
      Effect.andThen(this.left === undefined ? Effect.void : Metric.update(this.gauge, this.left))
    )
  })

  private readonly telling: Effect.Effect<never> = Effect.suspend(() =>
    Effect.forever(Effect.andThen(Effect.sleep(tellEvery), this.tell))
  )

  /** Goes through what is not prepared, in order of path, until there were so many at least; how many there were. */
  private pages<E>(
    use: (instances: ReadonlyArray<Unprepared>) => Effect.Effect<void, E>,
    enough = Number.POSITIVE_INFINITY
  ): Effect.Effect<number, E | Unavailable> {
    const { checkpoints, processor: { name, version } } = this.options
    return Effect.gen({ self: this }, function*() {
      let count = 0
      for (let after: string | undefined = ""; after !== undefined && count < enough;) {
        const page: UnpreparedPage = yield* checkpoints.unprepared(name, version, after)
        const instances = page.instances.filter(({ path }) => this.isMeant(path))
        yield* use(instances)
        count += instances.length
        after = page.after
      }
      return count
    })
  }

  private prepare(instance: Unprepared): Effect.Effect<void, Unavailable> {
    const { checkpoints, processor: { name, version } } = this.options
    return Effect.gen({ self: this }, function*() {
      const kept = yield* checkpoints.snapshot(name, version, instance.life, instance.offset)
      const isPrepared = yield* Effect.catchDefect(
        Effect.suspend(() => this.travel(this.depart(instance, kept))),
        (defect) =>
          Effect.as(Effect.logWarning(`Version ${version} of ${name} met a defect on ${instance.path}`, defect), false)
      )
      if (isPrepared) this.instances += 1
      else this.failed += 1
      this.left = Math.max(0, (this.left ?? 0) - 1)
    })
  }

  private depart(instance: Unprepared, kept: Option.Option<Snapshot>): Journey {
    const { processor } = this.options
    const skipped = new Set(instance.skipped)
    // A state that the schema does not read any more is one to be folded again.
    return kept.pipe(
      Option.flatMap(Option.liftThrowable((each: Snapshot): Journey => ({
        instance,
        skipped,
        folding: processor.fold(each),
        offset: each.offset,
        fibers: FiberRecords.running(FiberRecords.decode(each.fibers))
      }))),
      Option.getOrElse((): Journey =>
        ({ instance, skipped, folding: processor.fold(), offset: 0, fibers: FiberRecords.none }))
    )
  }

  /** Folds up to where the instance is, and keeps the state there; whether that is so. */
  private travel(journey: Journey): Effect.Effect<boolean, Unavailable> {
    const { instance: { life, offset: to, path } } = journey
    const { store } = this.options
    const { types } = this
    return Effect.gen({ self: this }, function*() {
      let since = performance.now()
      for (let after = journey.offset; after < to;) {
        const page = yield* store.read(path, { after, before: to + 1, types })
        if (page.life !== life) return true
        for (const line of page.lines) {
          const event = EventText.decode(line)
          const isNext = stretchOf(event.offset) > stretchOf(journey.offset)
          if (isNext && journey.offset > 0 && !(yield* this.keep(journey))) return false
          if (!this.take(journey, event)) {
            // Where it failed it will fail again, at once.
            yield* this.keep(journey)
            return false
          }
          if (performance.now() - since < turn) continue
          yield* Effect.yieldNow
          since = performance.now()
        }
        if (page.last >= page.head) break
        after = page.last
      }
      journey.offset = to
      return yield* this.keep(journey)
    })
  }

  /** Folds an event; false where the definition threw and nobody has passed over it. */
  private take(journey: Journey, event: Event): boolean {
    const { folding, skipped } = journey
    const isSkipped = skipped.has(event.offset)
    try {
      const step = folding.step(event, isSkipped)
      if (step._tag === "Folded" && this.options.processor.kinds.length > 0) {
        journey.fibers = FiberRecords.follow(journey.fibers, folding.asked(), event)
      }
    } catch {
      // At the takeover it throws again, and that is told.
      if (!isSkipped) return false
    }
    journey.offset = event.offset
    this.events += 1
    return true
  }

  /** Keeps the state; false where it does not fit its schema, or is too large, or its instance is gone. */
  private keep({ fibers, folding, instance, offset }: Journey): Effect.Effect<boolean, Unavailable> {
    const { checkpoints, processor: { name, version } } = this.options
    return Effect.suspend(() => {
      const state = Result.try(() => folding.state())
      if (Result.isFailure(state) || StateSize.problem(state.success) !== undefined) return Effect.succeed(false)
      const snapshot = { offset, state: state.success, fibers: FiberRecords.encode(fibers) }
      return checkpoints.keep(name, version, instance.life, snapshot)
    })
  }
}

const stretchOf = (offset: number): number => Math.floor(offset / keepEvery)
