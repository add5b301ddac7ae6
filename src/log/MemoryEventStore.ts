/**
 * The log in memory, for tests and for programs that need no durability: nothing survives the process, and
 * nothing bounds what it holds. An append is one turn of the event loop, so there is nothing to lock.
 */
import { Clock, Context, Effect, Layer, Option } from "effect"
import type { Limit } from "../domain/TokenBucket.ts"
import { Arrivals } from "./Arrivals.ts"
import { Causes } from "./Causes.ts"
import { Checkpoints } from "./Checkpoints.ts"
import { Directory } from "./Directory.ts"
import { EventStore } from "./EventStore.ts"
import { Growth } from "./Growth.ts"
import * as MemoryCauses from "./MemoryCauses.ts"
import { MemoryCheckpoints } from "./MemoryCheckpoints.ts"
import { MemoryLog } from "./MemoryLog.ts"

export interface Options {
  /** The breaker of streams that configure none. */
  readonly breaker: Limit | "off"
}

/** The log, empty at first, with the given breaker. Its time is Effect's `Clock`. */
export const layerOptions = (
  options: Options
): Layer.Layer<EventStore | Arrivals | Directory | Causes | Checkpoints, never, Growth> =>
  Layer.effectContext(Effect.map(Growth, (growth) => {
    const log = new MemoryLog(growth, options.breaker)
    const checkpoints = new MemoryCheckpoints(log)
    const now = Effect.map(Clock.currentTimeMillis, Math.floor)
    return Context.make(EventStore, {
      append: (request) => Effect.flatMap(now, (millis) => Effect.fromResult(log.append(request, millis))),
      commit: (commit) => Effect.flatMap(now, (millis) => Effect.fromResult(checkpoints.commit(commit, millis))),
      read: (path, options) => Effect.sync(() => log.read(path, options)),
      readWithin: (prefix, options) => Effect.sync(() => log.readWithin(prefix, options)),
      remove: (path, { recursive }) =>
        Effect.map(now, (millis) => {
          const removed = log.remove(path, recursive, millis)
          checkpoints.drop(removed)
          return removed
        }),
      recent: () => undefined
    }).pipe(
      Context.add(Arrivals, {
        record: (arrived) => Effect.flatMap(now, (millis) => Effect.fromResult(log.arrive(arrived, millis))),
        hint: (path) => Option.getOrUndefined(log.describe(path))?.core.verification
      }),
      Context.add(Directory, {
        describe: (path) => Effect.sync(() => log.describe(path)),
        children: (path, options) => Effect.sync(() => log.children(path, options)),
        check: Effect.void,
        horizonAge: Effect.succeed(0)
      }),
      Context.add(Causes, MemoryCauses.make(log)),
      Context.add(Checkpoints, {
        register: (registration) => Effect.sync(() => checkpoints.register(registration)),
        registered: Effect.map(now, (millis) => checkpoints.registered(millis)),
        claim: (processor, owner, millis, claimant) =>
          Effect.map(now, (at) => Option.fromUndefinedOr(checkpoints.claim(processor, owner, millis, at, claimant))),
        release: (lease) => Effect.sync(() => checkpoints.release(lease)),
        advance: (lease) => Effect.suspend(() => Effect.fromResult(checkpoints.advance(lease))),
        undone: (processor, after) => Effect.sync(() => checkpoints.undone(processor, after)),
        open: (lease, path) => Effect.suspend(() => Effect.fromResult(checkpoints.open(lease, path))),
        instances: (...asked) => Effect.sync(() => checkpoints.instances(...asked)),
        instancesOn: (path) => Effect.sync(() => checkpoints.instancesOn(path)),
        snapshot: (processor, version, life, offset) =>
          Effect.sync(() => Option.fromUndefinedOr(checkpoints.snapshot(processor, version, life, offset))),
        prepare: (processor, version, left) =>
          Effect.map(now, (millis) => checkpoints.prepare(processor, version, left, millis)),
        unprepared: (...asked) => Effect.sync(() => checkpoints.unprepared(...asked)),
        keep: (...kept) => Effect.sync(() => checkpoints.keep(...kept)),
        change: (processor, path, change) =>
          Effect.flatMap(now, (millis) => Effect.fromResult(checkpoints.change(processor, path, change, millis)))
      })
    )
  }))

/** The same with the breaker that a service has by default. */
export const layer = layerOptions({ breaker: { capacity: 100, refillPerSecond: 100 } })
