/** What the tests of checkpoints say often: a processor of their own over streams of their own, and what it commits. */
import type { Vitest } from "@effect/vitest"
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import type { StreamPath } from "../../../src/domain/StreamPath.ts"
import * as Path from "../../../src/domain/StreamPath.ts"
import type { Checkpoint, Instance, Lease, Registration } from "../../../src/log/Checkpoints.ts"
import { Checkpoints } from "../../../src/log/Checkpoints.ts"
import type { Commit } from "../../../src/log/EventStore.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import type { Log } from "./Fixture.ts"
import { start } from "./Fixture.ts"

export type It = Vitest.MethodsNonLive<Log | Checkpoints>

/** Long enough for any test; a lease that shall run out is claimed for less. */
export const leaseMillis = 60_000

/** A processor of every event below a path, but for what the test says otherwise. */
export const registration = (top: StreamPath, more: Partial<Registration> = {}): Registration => ({
  processor: `suite-${crypto.randomUUID()}`,
  version: 1,
  consumes: ["ping"],
  emits: ["pong"],
  streams: `${top}/**`,
  startFrom: "start",
  ...more
})

export const claimed = Effect.fnUntraced(function*(processor: string, owner = "me") {
  const lease = yield* (yield* Checkpoints).claim(processor, owner, leaseMillis)
  assert.isTrue(Option.isSome(lease))
  return yield* Effect.orDie(Effect.fromOption(lease))
})

/** Registers a processor and takes its lease. */
export const working = Effect.fnUntraced(function*(top: StreamPath, more: Partial<Registration> = {}) {
  const registered = registration(top, more)
  yield* (yield* Checkpoints).register(registered)
  return yield* claimed(registered.processor)
})

/** Moves the cursor over all that was recorded before, and returns the streams that it named, in order. */
export const advance = Effect.fnUntraced(function*(lease: Lease) {
  const store = yield* EventStore
  const checkpoints = yield* Checkpoints
  const horizon = Effect.map(store.readWithin(Path.root, { after: start, limit: 1 }), (page) => page)
  const { newest } = yield* horizon
  yield* Effect.repeat(horizon, { until: (page) => page.horizon >= newest })
  const found = new Set<StreamPath>()
  let moves = 0
  let more = true
  while (more) {
    const moved = yield* checkpoints.advance(lease)
    for (const path of moved.paths) found.add(path)
    more = moved.more
    moves += 1
  }
  return { paths: [...found].sort(), moves }
})

export const undone = ({ processor }: Lease) => Effect.flatMap(Checkpoints, (checkpoints) => checkpoints.undone(processor, ""))

/** The instance on a stream, which has to exist. */
export const opened = Effect.fnUntraced(function*(lease: Lease, path: StreamPath) {
  return yield* Effect.orDie(Effect.fromOption(yield* (yield* Checkpoints).open(lease, path)))
})

/** A checkpoint of an instance as it was opened, at its stream's end. */
export const checkpoint = (instance: Instance, more: Partial<Checkpoint> = {}): Checkpoint => ({
  life: instance.life,
  revision: instance.revision,
  version: instance.version,
  offset: instance.head,
  state: "{}",
  fibers: "[]",
  busy: false,
  parked: undefined,
  keep: false,
  ...more
})

export const commit = (lease: Lease, more: Partial<Commit> = {}) =>
  Effect.flatMap(EventStore, (store) => store.commit({ lease, appends: [], ...more }))

/** What a commit was refused with: its tag, and what was lost. */
export const refusal = (lease: Lease, more: Partial<Commit> = {}) =>
  Effect.map(Effect.flip(commit(lease, more)), (error) =>
    error._tag === "Fenced" ? `${error._tag} ${error.lost}` : error._tag)
