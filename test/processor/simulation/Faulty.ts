/**
 * The services of a process, which answer late, not at all, or that they are away, before or after what they were
 * asked for was done; and at each call the process may die or freeze. What is done is done in one turn.
 */
import { Effect } from "effect"
import type { Exit } from "effect"
import { Unavailable } from "../../../src/domain/StreamError.ts"
import type { Checkpoints } from "../../../src/log/Checkpoints.ts"
import type { Directory } from "../../../src/log/Directory.ts"
import type { EventStore } from "../../../src/log/EventStore.ts"
import * as Model from "./Model.ts"
import type { Process } from "./Process.ts"

type Fate = "on" | "late" | "away" | "dead" | "frozen"

/** What befalls a process at a call, by chance in thousandths. */
const fateOf = ({ world: { awayUntil, fortune, isCalm, random, time } }: Process): Fate => {
  if (isCalm) return "on"
  if (time.now < awayUntil) return "away"
  const number = random.whole(1, 1_000)
  if (number <= fortune.dead) return "dead"
  if (number <= fortune.dead + fortune.frozen) return "frozen"
  if (number <= fortune.dead + fortune.frozen + fortune.away) return "away"
  return number <= 300 ? "late" : "on"
}

/** Lets something befall the process; fails where the other side is away. */
const gate = (process: Process): Effect.Effect<void, Unavailable> =>
  Effect.suspend(() => {
    const { random } = process.world
    switch (fateOf(process)) {
      case "on":
        return Effect.void
      case "late":
        if (random.whole(0, 1) === 0) return Effect.yieldNow
        // Seldom for longer than a lease holds.
        return Effect.sleep(random.whole(1, 30) === 1 ? 4_000 : random.whole(1, 40))
      case "away":
        return Effect.fail(new Unavailable({ reason: "away", retryAfterSeconds: 1 }))
      case "dead":
        process.kill()
        return Effect.never
      case "frozen":
        process.world.freeze(process)
        return Effect.yieldNow
    }
  })

/** The same within a hook or a fiber. */
export const pass = (process: Process): Effect.Effect<void, Model.Failed> =>
  Effect.mapError(gate(process), () => new Model.Failed({ message: "no luck" }))

/** Does what a call asks for in one turn; its answer may be lost. */
const faulty = <A, E>(process: Process, call: () => Exit.Exit<A, E>): Effect.Effect<A, E | Unavailable> =>
  Effect.flatMap(gate(process), () => {
    const exit = call()
    return Effect.andThen(gate(process), exit)
  })

/** What a base service answers, at once. */
const now = <A, E>(process: Process, effect: Effect.Effect<A, E>): Exit.Exit<A, E> => process.world.now(effect)

export const store = (process: Process): EventStore["Service"] => {
  const { world } = process
  const base = world.store
  return {
    append: (request) => faulty(process, () => now(process, base.append(request))),
    commit: (commit) => {
      const land = (presented: typeof commit, actual: typeof commit) =>
        faulty(process, () => world.commit(process, presented, actual))
      return world.variant.commit?.(commit, { land, world }) ?? land(commit, commit)
    },
    // Small pages, so that history is often not read at once.
    read: (path, options) => {
      const limit = Math.min(options.limit ?? 1_000, world.isCalm ? 1_000 : world.random.whole(1, 6))
      return faulty(process, () => now(process, base.read(path, { ...options, limit })))
    },
    readWithin: (prefix, options) => faulty(process, () => now(process, base.readWithin(prefix, options))),
    remove: (path, options) => faulty(process, () => now(process, base.remove(path, options))),
    recent: () => undefined
  }
}

export const checkpoints = (process: Process): Checkpoints["Service"] => {
  const { world } = process
  const base = world.checkpoints
  const call = <A, E>(effect: Effect.Effect<A, E>) => faulty(process, () => now(process, effect))
  return {
    register: (registration) => call(Effect.tap(base.register(registration), () => world.registered(registration))),
    registered: call(base.registered),
    claim: (processor, owner, millis) =>
      call(Effect.tap(base.claim(processor, owner, millis), (lease) => world.claimed(lease))),
    release: (lease) => call(base.release(lease)),
    advance: (lease) => call(base.advance(lease)),
    undone: (processor, after) => call(base.undone(processor, after)),
    open: (lease, path) => call(Effect.tap(base.open(lease, path), (instance) => world.opened(process, lease, instance))),
    instances: (processor, after) => call(base.instances(processor, after)),
    instancesOn: (path) => call(base.instancesOn(path)),
    snapshot: (processor, version, life, offset) => call(base.snapshot(processor, version, life, offset)),
    prepare: (...asked) => call(base.prepare(...asked)),
    unprepared: (...asked) => call(base.unprepared(...asked)),
    keep: (...kept) => call(base.keep(...kept)),
    change: (processor, path, change) => call(base.change(processor, path, change))
  }
}

export const directory = (process: Process): Directory["Service"] => {
  const base = process.world.directory
  const call = <A, E>(effect: Effect.Effect<A, E>) => faulty(process, () => now(process, effect))
  return {
    describe: (path) => call(base.describe(path)),
    children: (path, options) => call(base.children(path, options)),
    check: call(base.check),
    horizonAge: call(base.horizonAge)
  }
}
