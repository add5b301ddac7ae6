/**
 * Runs processors on this server: takes the lease of each, wakes its instances when their streams grow, and moves
 * its cursor over the log. A lost signal costs a delay, since the cursor finds what signals did not tell.
 */
import { Context, Data, Effect, Layer, Schedule } from "effect"
import type { Scope } from "effect"
import { nameProblem } from "../domain/Event.ts"
import * as StreamPattern from "../domain/StreamPattern.ts"
import { Checkpoints } from "../log/Checkpoints.ts"
import { Directory } from "../log/Directory.ts"
import { EventStore } from "../log/EventStore.ts"
import { Growth } from "../log/Growth.ts"
import { Host } from "./Host.ts"
import { HookTurns } from "./HookTurns.ts"
import type { Status } from "./Instance.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import { Ownership } from "./Ownership.ts"
import type { Any, LayerOptions } from "./Processor.ts"
import { Processors } from "./Processors.ts"
import * as Succession from "./Succession.ts"

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

/** The greatest version, as Postgres's integers hold it. */
const maxVersion = 2_147_483_647

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
  const turns = new HookTurns()

  const run = Effect.fnUntraced(function*(
    processor: Any,
    { retry = defaultRetry, startFrom = "end", streams = "/**" }: LayerOptions
  ): Effect.fn.Return<void, never, Scope.Scope> {
    const { consumes, emits, name, version } = processor
    const wrong = problem(processor, streams) ?? (hosts.has(name) ? "it is registered twice" : undefined)
    if (wrong !== undefined) {
      return yield* Effect.die(new Misconfigured({ message: `The processor ${name} can not run: ${wrong}` }))
    }
    const { maxHops } = options
    const host = new Host({ ...services, processor, streams, retry, maxHops, takeTurn: turns.share() })
    yield* Effect.acquireRelease(
      Effect.sync(() => hosts.set(name, host)),
      () => Effect.sync(() => hosts.delete(name))
    )
    const succession = yield* Succession.begin({
      ...services,
      processor,
      registration: {
        processor: name,
        version,
        consumes: consumes.map(({ type }) => type),
        emits: emits.map(({ type }) => type),
        streams,
        startFrom
      }
    })
    const { checkpoints } = services
    const ownership = new Ownership({ checkpoints, processor: name, version, millis: options.leaseMillis })
    yield* Effect.forkScoped(Effect.andThen(succession, ownership.whileHeld((lease) => host.run(lease))))
  })

  return Context.make(Processors, { run }).pipe(Context.add(Supervisor, {
    definition: (processor) => hosts.get(processor)?.processor,
    definitions: () => [...hosts.values()].map(({ processor }) => processor),
    status: (processor, path) => hosts.get(processor)?.status(path)
  }))
})

/** What is wrong with a registration: the log would refuse it, or take it for another one, for ever. */
const problem = ({ consumes, emits, name, version }: Any, streams: string): string | undefined => {
  const named = nameProblem(name) ?? (name.includes("/") ? "must not hold a slash" : undefined)
  if (named !== undefined) return `its name ${named}`
  if (!Number.isInteger(version) || version < 1 || version > maxVersion) {
    return `its version must be a whole number from 1 to ${maxVersion}, not ${version}`
  }
  for (const { type } of [...consumes, ...emits]) {
    const wrong = nameProblem(type)
    if (wrong !== undefined) return `the type ${JSON.stringify(type)} ${wrong}`
  }
  const pattern = StreamPattern.problem(streams)
  return pattern === undefined ? undefined : `\`streams\` is no pattern: ${pattern}`
}

/** Runs processors over the log in scope. */
export const layer = (
  options: Options
): Layer.Layer<Processors | Supervisor, never, EventStore | Growth | Directory | Checkpoints> =>
  Layer.effectContext(make(options))
