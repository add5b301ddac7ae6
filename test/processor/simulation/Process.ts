/**
 * A server's process in virtual time: a Supervisor with the processors, over services that may fail it. It can be
 * killed, frozen and stopped between any two steps of its fibers, as the system does to a real one.
 */
import { Clock, Context, Duration, Effect, Fiber, Layer, Random, References, Scheduler } from "effect"
import { Checkpoints } from "../../../src/log/Checkpoints.ts"
import { Directory } from "../../../src/log/Directory.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import type { Grown } from "../../../src/log/Growth.ts"
import { Growth } from "../../../src/log/Growth.ts"
import { Processors } from "../../../src/processor/Processors.ts"
import * as Supervisor from "../../../src/processor/Supervisor.ts"
import * as Faulty from "./Faulty.ts"
import type { RunningJob } from "./Model.ts"
import { Acting } from "./Model.ts"
import * as Model from "./Model.ts"
import type { Owner } from "./Time.ts"
import { Violation } from "./Violation.ts"
import type { World } from "./World.ts"

/** How long a lease holds, in milliseconds. */
export const leaseMillis = 3_000
/** Of so many steps a fiber gives way after one, as it may after any. */
const steadiness = 60
const maxSteps = 2_048

export class Process implements Owner {
  readonly name: string
  readonly slot: number
  readonly world: World
  readonly running = new Set<RunningJob>()
  isAlive = true
  isFrozen = false
  supervisor: Supervisor.Supervisor["Service"] | undefined
  private readonly fiber: Fiber.Fiber<unknown>
  private readonly growth: Growth["Service"]

  constructor(world: World, slot: number) {
    this.world = world
    this.slot = slot
    this.name = `process ${slot}`
    this.growth = Effect.runSync(Effect.scoped(Effect.map(Layer.build(Growth.layer), Context.get(Growth))))
    const { version } = world
    const main = Effect.scoped(Effect.gen({ self: this }, function*() {
      const runtime = yield* Layer.build(Supervisor.layer({ maxHops: 256, leaseMillis }))
      this.supervisor = Context.get(runtime, Supervisor.Supervisor)
      for (const { options, processor } of Model.processors) {
        const definition = { ...(world.variant.processor?.(processor) ?? processor), version }
        yield* Context.get(runtime, Processors).run(definition, options)
      }
      return yield* Effect.never
    }))
    this.fiber = Effect.runForkWith(this.context)(main)
    this.fiber.addObserver(() => this.kill())
    this.look()
  }

  /** Ends at once: nothing that it would do at its end is done. */
  kill(): void {
    if (!this.isAlive) return
    this.isAlive = false
    this.running.clear()
    this.world.time.drop(this)
    this.world.died(this)
  }

  /** Ends as a server does that is told to. */
  stop(): void {
    this.fiber.interruptUnsafe()
  }

  /** Halts, while time goes on. */
  freeze(): void {
    this.isFrozen = this.isAlive
  }

  thaw(): void {
    this.isFrozen = false
  }

  /** Tells it that a stream grew: at once, late or not at all. */
  signal(grown: Grown): void {
    const { isCalm, random, time, variant } = this.world
    if (grown.deleted && variant.hidesDeletes === true) return
    const told = random.whole(0, 1) === 0 ? grown : { ...grown, head: undefined, types: undefined }
    const tell = () => this.growth.announce(told)
    const fate = isCalm ? 0 : random.whole(0, 9)
    if (fate < 6) time.schedule(this, tell)
    else if (fate < 9) time.after(this, random.whole(1, 300), tell)
  }

  /** The slow look at what is watched, for what was lost. */
  private look(): void {
    const { time } = this.world
    time.after(this, 5_000, () => {
      for (const path of this.growth.watched()) {
        const head = this.world.journal.at(path)?.events.at(-1)?.event.offset
        this.growth.announce({ path, head, types: undefined, deleted: false })
      }
      this.look()
    })
  }

  private get context() {
    const { world } = this
    return Context.make(Clock.Clock, this.clock).pipe(
      Context.add(Scheduler.Scheduler, this.scheduler),
      Context.add(Random.Random, {
        nextIntUnsafe: () => world.random.whole(0, 2 ** 31),
        nextDoubleUnsafe: () => world.random.whole(0, 2 ** 31 - 1) / 2 ** 31
      }),
      Context.add(References.MinimumLogLevel, "None"),
      Context.add(Acting, this.acting),
      Context.add(Growth, this.growth),
      Context.add(Directory, Faulty.directory(this)),
      Context.add(Checkpoints, Faulty.checkpoints(this)),
      Context.add(EventStore, Faulty.store(this))
    )
  }

  private get scheduler(): Scheduler.Scheduler {
    const { random, time } = this.world
    return {
      executionMode: "async",
      shouldYield: ({ currentOpCount }) =>
        !this.isAlive || this.isFrozen || currentOpCount > maxSteps ||
        !this.world.isCalm && random.whole(1, steadiness) === 1,
      makeDispatcher: () => ({ scheduleTask: (task) => time.schedule(this, task), flush: () => undefined })
    }
  }

  private get clock(): Clock.Clock {
    const { time } = this.world
    const nanos = () => BigInt(Math.floor(time.now * 1_000)) * 1_000n
    return {
      currentTimeMillisUnsafe: () => time.now,
      currentTimeMillis: Effect.sync(() => time.now),
      currentTimeNanosUnsafe: nanos,
      currentTimeNanos: Effect.sync(nanos),
      monotonicTimeNanosUnsafe: nanos,
      monotonicTimeNanos: Effect.sync(nanos),
      sleep: (duration) =>
        Effect.callback((resume) => {
          const timer = time.after(this, Duration.toMillis(duration), () => resume(Effect.void))
          return Effect.sync(() => time.cancel(timer))
        })
    }
  }

  private get acting(): Acting {
    const { world } = this
    return {
      attempt: Effect.sync(() => ++world.attempts),
      pass: Faulty.pass(this),
      running: (job, effect) =>
        Effect.acquireUseRelease(
          Effect.sync(() => this.begin(job)),
          () => effect,
          () => Effect.sync(() => this.running.delete(job))
        )
    }
  }

  private begin(job: RunningJob): void {
    const { key, path } = job
    if ([...this.running].some((each) => each.key === key && each.path === path)) {
      this.world.violate(new Violation("fibers", `two run at once for ${key} on ${path} in ${this.name}`))
    }
    this.world.judgeStart(this, job)
    this.running.add(job)
  }
}
