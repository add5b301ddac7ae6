/**
 * Runs processors on this server: takes the lease of each, wakes its instances when their streams grow, and moves
 * its cursor over the log. A lost signal costs a delay, since the cursor finds what signals did not tell.
 */
import { Context, Data, Effect, Layer, Schedule } from "effect"
import type { Scope } from "effect"
import * as StreamPattern from "../domain/StreamPattern.ts"
import { Checkpoints } from "../log/Checkpoints.ts"
import { Directory } from "../log/Directory.ts"
import { EventStore } from "../log/EventStore.ts"
import { Growth } from "../log/Growth.ts"
import { Host } from "./Host.ts"
import type { Status } from "./Instance.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import { Ownership } from "./Ownership.ts"
import type { Any, LayerOptions } from "./Processor.ts"
import { Processors } from "./Processors.ts"

/** A registration makes no sense; the message says what to change. */
export class Misconfigured extends Data.TaggedError("Misconfigured")<{ readonly message: string }> {}

export interface Options {
  /** Bound of the crossings between streams in one chain of causes. */
  readonly maxHops: number
  /** How long the lease of a processor holds, in milliseconds. */
  readonly leaseMillis: number
}

/** How hooks and fibers that fail are tried again by default: within about ten seconds, then they are parked. */
const defaultRetry = Schedule.exponential("150 millis").pipe(Schedule.jittered, Schedule.upTo({ times: 6 }))
/** Pause before a registration is tried again while the log is away. */
const registerAgain = Schedule.spaced("1 second")

/** The processors at work on this server. */
export class Supervisor extends Context.Service<Supervisor, {
  readonly definition: (processor: string) => Any | undefined
  /** All of them, in the order in which they were registered. */
  readonly definitions: () => ReadonlyArray<Any>
  /** How an instance fares; none where it is asleep or another server's. */
  readonly status: (processor: string, path: StreamPath) => Status | undefined
}>()("millstream/processor/Supervisor") {}

const make = Effect.fnUntraced(function*(options: Options) {
  const services = {
    store: yield* EventStore,
    growth: yield* Growth,
    directory: yield* Directory,
    checkpoints: yield* Checkpoints
  }
  const hosts = new Map<string, Host>()

  const run = Effect.fnUntraced(function*(
    processor: Any,
    { retry = defaultRetry, startFrom = "end", streams = "/**" }: LayerOptions
  ): Effect.fn.Return<void, never, Scope.Scope> {
    const { consumes, emits, name, version } = processor
    const wrong = StreamPattern.problem(streams)
    if (wrong !== undefined) return yield* Effect.die(misconfigured(name, `\`streams\` is no pattern: ${wrong}`))
    if (hosts.has(name)) return yield* Effect.die(misconfigured(name, "it is registered twice"))
    const host = new Host({ ...services, processor, streams, retry, maxHops: options.maxHops })
    yield* Effect.acquireRelease(
      Effect.sync(() => hosts.set(name, host)),
      () => Effect.sync(() => hosts.delete(name))
    )
    yield* services.checkpoints.register({
      processor: name,
      version,
      consumes: consumes.map(({ type }) => type),
      emits: emits.map(({ type }) => type),
      streams,
      startFrom
    }).pipe(
      Effect.tapError((error) => Effect.logWarning(`${name} could not be registered; trying again`, error)),
      Effect.retry(registerAgain),
      Effect.orDie
    )
    const ownership = new Ownership(services.checkpoints, name, options.leaseMillis)
    yield* Effect.forkScoped(ownership.whileHeld((lease) => host.run(lease)))
  })

  return Context.make(Processors, { run }).pipe(Context.add(Supervisor, {
    definition: (processor) => hosts.get(processor)?.processor,
    definitions: () => [...hosts.values()].map(({ processor }) => processor),
    status: (processor, path) => hosts.get(processor)?.status(path)
  }))
})

const misconfigured = (name: string, reason: string) =>
  new Misconfigured({ message: `The processor ${name} can not run: ${reason}` })

/** Runs processors over the log in scope. */
export const layer = (
  options: Options
): Layer.Layer<Processors | Supervisor, never, EventStore | Growth | Directory | Checkpoints> =>
  Layer.effectContext(make(options))
