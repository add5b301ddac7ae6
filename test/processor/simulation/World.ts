/**
 * One log in memory, the processes that run processors over it, and the judge of each commit. What happens is drawn
 * from one seed, so that a run can be had again.
 */
import { Clock, Context, Effect, Layer, Option } from "effect"
import type { Exit } from "effect"
import type { StreamPath } from "../../../src/domain/StreamPath.ts"
import * as Path from "../../../src/domain/StreamPath.ts"
import type { Checkpoint, Instance, Lease, Registration } from "../../../src/log/Checkpoints.ts"
import { Checkpoints } from "../../../src/log/Checkpoints.ts"
import { Directory } from "../../../src/log/Directory.ts"
import type { Commit } from "../../../src/log/EventStore.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import { Growth } from "../../../src/log/Growth.ts"
import * as MemoryEventStore from "../../../src/log/MemoryEventStore.ts"
import type { Random } from "../../faults/Random.ts"
import { Journal } from "./Journal.ts"
import type { RunningJob } from "./Model.ts"
import * as Model from "./Model.ts"
import { Process } from "./Process.ts"
import { Time } from "./Time.ts"
import type { Variant } from "./Variants.ts"
import { Violation } from "./Violation.ts"

/** What befalls a process at a call, in thousandths. */
export interface Fortune {
  readonly away: number
  readonly dead: number
  readonly frozen: number
}

/** How many processes there are; each that dies is started again. */
const processes = 2

/** A checkpoint as it was written. */
export interface Written {
  readonly processor: string
  readonly checkpoint: Checkpoint
}

export class World {
  readonly time: Time
  readonly journal: Journal
  readonly store: EventStore["Service"]
  readonly checkpoints: Checkpoints["Service"]
  readonly directory: Directory["Service"]
  readonly written: Array<Written> = []
  readonly slots: Array<Process> = []
  readonly random: Random
  readonly fortune: Fortune
  readonly variant: Variant
  attempts = 0
  /** Of the definitions that a process runs that is started now. */
  version = 1
  /** Until when the log is away for all. */
  awayUntil = 0
  /** Whether nothing befalls anyone any more. */
  isCalm = false
  violation: Violation | undefined
  private readonly registrations = new Map<string, number>()
  private readonly epochs = new Map<string, bigint>()
  /** How each process found the streams of its instances. */
  private readonly openings = new Map<string, Instance>()
  private readonly cursors = new Map<string, number>()

  constructor(random: Random, fortune: Fortune, variant: Variant) {
    this.random = random
    this.fortune = fortune
    this.variant = variant
    this.time = new Time(random)
    const base = Layer.provideMerge(MemoryEventStore.layerOptions({ breaker: "off" }), Growth.layer)
    const services = Effect.runSync(Effect.scoped(Layer.build(base)))
    this.store = Context.get(services, EventStore)
    this.checkpoints = Context.get(services, Checkpoints)
    this.directory = Context.get(services, Directory)
    this.journal = new Journal(this.store)
    Context.get(services, Growth).onPrefix(Path.root, (grown) => {
      this.journal.hear(grown)
      for (const process of this.slots) process.signal(grown)
    })
  }

  /** Starts the processes. */
  start(): void {
    for (let slot = 0; slot < processes; slot++) this.slots[slot] = new Process(this, slot)
  }

  /** Starts another process in the place of one that died. */
  died({ slot }: Process): void {
    this.time.after(always, this.isCalm ? 1 : this.random.whole(1, 4_000), () => {
      this.slots[slot] = new Process(this, slot)
    })
  }

  /** Freezes a process for a while, often for longer than its leases hold. */
  freeze(process: Process): void {
    process.freeze()
    this.time.after(always, this.random.whole(1, 9_000), () => process.thaw())
  }

  violate(violation: Violation): void {
    this.violation ??= violation
  }

  /** What a base service answers at once, at the virtual time. */
  now<A, E>(effect: Effect.Effect<A, E>): Exit.Exit<A, E> {
    const { now } = this.time
    const nanos = BigInt(Math.floor(now)) * 1_000_000n
    return Effect.runSyncExitWith(Context.make(Clock.Clock, {
      currentTimeMillisUnsafe: () => now,
      currentTimeMillis: Effect.succeed(now),
      currentTimeNanosUnsafe: () => nanos,
      currentTimeNanos: Effect.succeed(nanos),
      monotonicTimeNanosUnsafe: () => nanos,
      monotonicTimeNanos: Effect.succeed(nanos),
      sleep: () => Effect.die("The log in memory does not sleep")
    }))(effect)
  }

  registered({ processor, startFrom }: Registration): Effect.Effect<void> {
    return Effect.sync(() => {
      const place = startFrom === "start" ? 0 : this.journal.size
      if (!this.registrations.has(processor)) this.registrations.set(processor, place)
    })
  }

  /** Place in the journal from which on a processor's hooks run. */
  registeredAt(processor: string): number {
    return this.registrations.get(processor) ?? Number.POSITIVE_INFINITY
  }

  claimed(lease: Option.Option<Lease>): Effect.Effect<void> {
    return Effect.sync(() => {
      if (Option.isSome(lease)) this.epochs.set(lease.value.processor, lease.value.epoch)
    })
  }

  epochOf(processor: string): bigint {
    return this.epochs.get(processor) ?? 0n
  }

  opened(process: Process, { processor }: Lease, instance: Option.Option<Instance>): Effect.Effect<void> {
    return Effect.sync(() => {
      if (Option.isNone(instance)) return
      this.openings.set(`${process.name} ${processor} ${instance.value.path}`, instance.value)
    })
  }

  /** Commits in one turn and judges what has landed. `presented` is what the process asked for. */
  commit(process: Process, presented: Commit, actual: Commit) {
    const exit = this.now(this.store.commit(actual))
    if (exit._tag === "Success") this.judge(process, presented, actual)
    return exit
  }

  private judge(process: Process, { lease }: Commit, { checkpoint, cursors }: Commit): void {
    const { processor } = lease
    const epoch = this.epochOf(processor)
    if (lease.epoch !== epoch) {
      const detail = `${process.name} committed for ${processor} in epoch ${lease.epoch}, but epoch ${epoch} has begun`
      this.violate(new Violation("owner", detail))
    }
    if (checkpoint !== undefined) this.written.push({ processor, checkpoint })
    for (const { key, kind, value } of cursors?.values ?? []) {
      const name = `${cursors?.life} ${kind} ${key}`
      const before = this.cursors.get(name) ?? 0
      const after = Number(value)
      if (after < before) this.violate(new Violation("fibers", `the cursor of ${name} went from ${before} to ${after}`))
      this.cursors.set(name, after)
    }
  }

  /** A fiber must not start for work that was called off before its process looked at the stream. */
  judgeStart(process: Process, { input, key, path }: RunningJob): void {
    const opening = this.openings.get(`${process.name} jobs ${path}`)
    const life = opening === undefined ? undefined : this.journal.life(opening.life)
    if (opening === undefined || life === undefined) return
    const name = JSON.stringify(["work", key])
    const steps = this.journal.steps(Model.named("jobs"), life)
    const isWanted = life.events.some(({ event: { offset } }, i) =>
      offset >= opening.head && steps[i]?.asked.get(name)?.input === input)
    if (isWanted) return
    const detail = `starts ${key} with ${input} on ${path}, which was called off before offset ${opening.head}`
    this.violate(new Violation("fibers", `${process.name} ${detail}`))
  }

  instancesOn(path: StreamPath): ReadonlyMap<string, Instance> {
    return Effect.runSync(this.checkpoints.instancesOn(path))
  }
}

/** Whose timers are never dropped. */
const always = { isAlive: true, isFrozen: false }
