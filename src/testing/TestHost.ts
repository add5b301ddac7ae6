/**
 * Processors at work on a log in memory, for tests: time is Effect's `Clock`, so that the `TestClock` moves it, and a
 * test waits on facts. What a fiber does between two appends can not be seen from outside: tail what it appends. A
 * hook that sleeps is under way for as long as nobody lets time pass; so is everything on a host that waits for the lease
 * of another one.
 */
import { Context, Effect, Layer } from "effect"
import type { Duration } from "effect"
import { TestClock } from "effect/testing"
import type { StreamPath } from "../domain/StreamPath.ts"
import * as Path from "../domain/StreamPath.ts"
import * as StreamPattern from "../domain/StreamPattern.ts"
import type { Streams } from "../domain/Streams.ts"
import type { Limit } from "../domain/TokenBucket.ts"
import type { Causes } from "../log/Causes.ts"
import type { Registered } from "../log/Checkpoints.ts"
import { Checkpoints } from "../log/Checkpoints.ts"
import type { Directory } from "../log/Directory.ts"
import { EventStore } from "../log/EventStore.ts"
import { Growth } from "../log/Growth.ts"
import * as MemoryEventStore from "../log/MemoryEventStore.ts"
import { Instances } from "../processor/Instances.ts"
import type { Any } from "../processor/Processor.ts"
import type { Processors } from "../processor/Processors.ts"
import * as ProcessorStreams from "../processor/ProcessorStreams.ts"
import * as Supervisor from "../processor/Supervisor.ts"
import { TimeTravel } from "../processor/TimeTravel.ts"

/** Turns of the event loop in which nothing may happen: more than a signal needs from an append to its reader. */
const stillTurns = 8

export interface Options {
  /** The breaker of streams that configure none: 100 events at once and 100 a second by default. */
  readonly breaker?: Limit | "off" | undefined
  /** Bound of the crossings between streams in one chain of causes, 256 by default. */
  readonly maxHops?: number | undefined
  /** How long the lease of a processor holds, in milliseconds, 5,000 by default. */
  readonly leaseMillis?: number | undefined
  /** How long, by the machine's clock, `quiet` waits before it dies and says what is under way; 10,000 by default. */
  readonly patienceMillis?: number | undefined
}

/** What a test meets. */
export type Provided = TestHost | Processors | Streams
/** A log and what it keeps of processors. */
export type Log = EventStore | Directory | Causes | Checkpoints | Growth
/** What works on it. */
export type Host = Provided | Supervisor.Supervisor | Instances | TimeTravel

export class TestHost extends Context.Service<TestHost, {
  /** Returns once nothing is left to do but what waits for time, for a person or for another event. */
  readonly quiet: Effect.Effect<void>
  /** Lets time pass, and what is to do then be done. */
  readonly pass: (time: Duration.Input) => Effect.Effect<void>
}>()("millstream/testing/TestHost") {
  /** An empty log, which outlives what works on it: so a test restarts processors. */
  static readonly layerLog = ({ breaker = defaultBreaker }: Options = {}): Layer.Layer<Log> =>
    MemoryEventStore.layerOptions({ breaker }).pipe(Layer.provideMerge(Growth.layer))

  /** Processors at work on the log in scope; they stop with the layer's scope. */
  static readonly layerOver = (options: Options = {}): Layer.Layer<Host, never, Log> => {
    const { breaker = defaultBreaker, leaseMillis = 5_000, maxHops = 256, patienceMillis = 10_000 } = options
    return Layer.effect(TestHost, Effect.suspend(() => make(patienceMillis))).pipe(
      Layer.provideMerge(ProcessorStreams.layer({ breaker })),
      Layer.provideMerge(Instances.layer),
      Layer.provideMerge(TimeTravel.layer),
      Layer.provideMerge(Supervisor.layer({ maxHops, leaseMillis }))
    )
  }

  /** Both: `PingPong.layer.pipe(Layer.provideMerge(TestHost.layer))`. */
  static readonly layer: Layer.Layer<Provided> = Layer.suspend(() => TestHost.layerOptions())

  static readonly layerOptions = (options: Options = {}): Layer.Layer<Provided> =>
    TestHost.layerOver(options).pipe(Layer.provideMerge(TestHost.layerLog(options)))
}

const defaultBreaker: Limit = { capacity: 100, refillPerSecond: 100 }

const make = Effect.fnUntraced(function*(patienceMillis: number) {
  const checkpoints = yield* Checkpoints
  const growth = yield* Growth
  const store = yield* EventStore
  const supervisor = yield* Supervisor.Supervisor

  const grown = new Set<StreamPath>()
  let growths = 0
  yield* Effect.acquireRelease(
    Effect.sync(() => growth.onPrefix(Path.root, ({ path }) => {
      grown.add(path)
      growths += 1
    })),
    (stop) => Effect.sync(stop)
  )

  /** What a processor has to do on a stream now, if anything. */
  const todo = Effect.fnUntraced(function*({ name, consumes }: Any, path: StreamPath) {
    const row = (yield* checkpoints.instancesOn(path)).get(name)
    const status = supervisor.status(name, path)
    if (row?.parked !== undefined || (status !== undefined && waits.has(status.now))) return undefined
    const offset = status?.offset ?? row?.offset ?? 0
    const names = consumes.map(({ type }) => type)
    const types = names.includes("*") ? undefined : names
    const { lines } = yield* store.read(path, { after: offset, types, limit: 1 })
    return lines.length === 0 ? undefined : `${name} is at offset ${offset} of ${path}`
  })

  const todoAll = Effect.fnUntraced(function*({ owner, processor: name, streams }: Registered) {
    const processor = supervisor.definition(name)
    if (processor === undefined) return undefined
    if (owner === undefined) return `${name} has no owner yet`
    const isMeant = StreamPattern.matcher(streams)
    const undone = yield* checkpoints.undone(name, "")
    for (const path of new Set([...undone, ...[...grown].filter(isMeant)])) {
      const found = yield* todo(processor, path)
      if (found !== undefined) return found
    }
  })

  const underWay = Effect.gen(function*() {
    for (const registered of yield* checkpoints.registered) {
      const found = yield* todoAll(registered)
      if (found !== undefined) return found
    }
  }).pipe(Effect.orDie)

  const quiet = Effect.gen(function*() {
    const since = performance.now()
    for (let still = 0; still < stillTurns; still++) {
      const before = growths
      yield* turn
      const found = yield* underWay
      if (found !== undefined && performance.now() - since > patienceMillis) {
        return yield* Effect.die(new Error(`It does not become quiet: ${found}. Does a hook wait for time to pass?`))
      }
      if (found !== undefined || growths !== before) still = -1
    }
  })

  return TestHost.of({
    quiet,
    pass: (time) => Effect.andThen(Effect.andThen(quiet, TestClock.adjust(time)), quiet)
  })
})

/** What an instance does that waits for time or for a person. */
const waits: ReadonlySet<string> = new Set(["retrying", "waiting", "parked"])

/** Lets every other fiber take its turn. */
const turn = Effect.callback<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})
