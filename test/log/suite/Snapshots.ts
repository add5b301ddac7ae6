/** States that are kept: for time travel, and of a version that is prepared beside the one that is acted for. */
import { assert } from "@effect/vitest"
import { Effect, Option, Schedule } from "effect"
import type { StreamPath } from "../../../src/domain/StreamPath.ts"
import type { Lease, Snapshot } from "../../../src/log/Checkpoints.ts"
import { Checkpoints, keepEvery, maxPreparing } from "../../../src/log/Checkpoints.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import { append, below, event, fresh } from "./Fixture.ts"
import type { It } from "./Working.ts"
import { checkpoint, claimed, commit, opened, registration, working } from "./Working.ts"

const snapshot = (offset: number, state = "{}", fibers = "[]"): Snapshot => ({ offset, state, fibers })

const prepare = ({ processor }: Lease, version: number, left = 0) =>
  Effect.flatMap(Checkpoints, (checkpoints) => checkpoints.prepare(processor, version, left))
const keep = ({ processor }: Lease, version: number, life: bigint, kept: Snapshot) =>
  Effect.flatMap(Checkpoints, (checkpoints) => checkpoints.keep(processor, version, life, kept))
const found = ({ processor }: Lease, version: number, life: bigint, offset: number) =>
  Effect.flatMap(Checkpoints, (checkpoints) =>
    Effect.map(checkpoints.snapshot(processor, version, life, offset), Option.getOrUndefined))
const unprepared = ({ processor }: Lease, version: number, after = "") =>
  Effect.flatMap(Checkpoints, (checkpoints) => checkpoints.unprepared(processor, version, after))

/** Renews the lease until something is so: whoever acts comes by again and again, and states are swept meanwhile. */
const until = <A, E, R>({ processor }: Lease, look: Effect.Effect<A, E, R>, isSo: (value: A) => boolean) =>
  Effect.andThen(claimed(processor), look).pipe(
    Effect.repeat({ schedule: Schedule.spaced("20 millis"), until: isSo })
  )

/** An instance that is written at the end of its stream. */
const written = Effect.fnUntraced(function*(lease: Lease, path: StreamPath, count = 2) {
  yield* append(path, ...Array.from({ length: count }, () => event("ping")))
  const instance = yield* opened(lease, path)
  yield* commit(lease, { checkpoint: checkpoint(instance) })
  return instance
})

export const snapshots = (it: It): void => {
  it.effect("states that are kept are found again by offset and version, with what they ask for", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"), event("ping"), event("ping"))
      const instance = yield* opened(lease, path)
      const { life } = instance
      const write = (revision: number, offset: number, keep: boolean) =>
        commit(lease, {
          checkpoint: checkpoint(instance, { revision, offset, keep, state: String(revision), fibers: `["f${offset}"]` })
        })
      yield* write(0, 1, true)
      yield* write(1, 2, false)
      yield* write(2, 3, true)
      assert.isUndefined(yield* found(lease, 1, life, 0))
      assert.deepStrictEqual(yield* found(lease, 1, life, 1), snapshot(1, "0", "[\"f1\"]"))
      assert.deepStrictEqual(yield* found(lease, 1, life, 2), snapshot(1, "0", "[\"f1\"]"))
      assert.deepStrictEqual(yield* found(lease, 1, life, 99), snapshot(3, "2", "[\"f3\"]"))
      assert.isUndefined(yield* found(lease, 2, life, 99))
    }))

  it.effect("a version that is prepared is told of until it is registered", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const top = fresh()
      const first = registration(top)
      yield* checkpoints.register(first)
      const lease = yield* claimed(first.processor)
      const preparing = Effect.map(checkpoints.registered, (all) =>
        all.find(({ processor }) => processor === first.processor)?.preparing)
      assert.deepStrictEqual(yield* preparing, [])
      yield* prepare(lease, 3, 5)
      yield* prepare(lease, 2, 7)
      yield* prepare(lease, 2, 6)
      // What is registered is not prepared.
      yield* prepare(lease, 1, 9)
      assert.deepStrictEqual(yield* preparing, [{ version: 2, left: 6 }, { version: 3, left: 5 }])
      yield* checkpoints.register({ ...first, version: 2 })
      assert.deepStrictEqual(yield* preparing, [{ version: 3, left: 5 }])
      yield* prepare({ ...lease, processor: `${first.processor} unknown` }, 2)
    }))

  it.effect("of a version that is prepared it is told how many are left once somebody has counted them", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const { processor } = yield* working(fresh())
      const preparing = Effect.map(checkpoints.registered, (all) =>
        all.find((each) => each.processor === processor)?.preparing)
      yield* checkpoints.prepare(processor, 2, undefined)
      assert.deepStrictEqual(yield* preparing, [{ version: 2 }])
      yield* checkpoints.prepare(processor, 2, 5)
      // A second server begins.
      yield* checkpoints.prepare(processor, 2, undefined)
      assert.deepStrictEqual(yield* preparing, [{ version: 2, left: 5 }])
    }))

  it.effect("of the versions that are prepared those are remembered that were told of last", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const lease = yield* working(fresh())
      const versions = Array.from({ length: maxPreparing + 2 }, (_, n) => n + 2)
      for (const version of versions) {
        yield* prepare(lease, version)
        yield* prepare(lease, 2)
      }
      const known = (yield* checkpoints.registered).find(({ processor }) => processor === lease.processor)
      assert.deepStrictEqual(known?.preparing.map(({ version }) => version), [2, ...versions.slice(3)])
    }))

  it.effect("what a version has still to fold is listed until its state is kept, and again once that has moved on", () =>
    Effect.gen(function*() {
      const top = fresh()
      const lease = yield* working(top)
      const [a, b, untouched] = [below(top, "a"), below(top, "b"), below(top, "c")]
      const one = yield* written(lease, a)
      const two = yield* written(lease, b)
      yield* append(untouched, event("ping"))
      yield* opened(lease, untouched)
      const listed = (version: number, after = "") =>
        Effect.map(unprepared(lease, version, after), ({ after, instances }) => {
          assert.isUndefined(after)
          return instances
        })
      const told = ({ life, path }: typeof one) => ({ path, life, offset: 3, skipped: [] })
      const [first, second] = [told(one), told(two)]
      assert.deepStrictEqual(yield* listed(2), [first, second])
      assert.deepStrictEqual(yield* listed(2, a), [second])
      assert.deepStrictEqual(yield* listed(1), [], "the registered version is there already")
      assert.isTrue(yield* keep(lease, 2, one.life, snapshot(2)))
      assert.lengthOf(yield* listed(2), 2, "not as far as it is")
      assert.isTrue(yield* keep(lease, 2, one.life, snapshot(3)))
      assert.deepStrictEqual(yield* listed(2), [second])
      assert.lengthOf(yield* listed(3), 2, "another version has its own")
      yield* append(a, event("ping"))
      yield* commit(lease, { checkpoint: checkpoint(yield* opened(lease, a)) })
      assert.deepStrictEqual((yield* listed(2))[0], { path: a, life: one.life, offset: 4, skipped: [] })
    }))

  it.effect("what a person passed over is told of with what is to be folded", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"), event("ping"))
      const instance = yield* opened(lease, path)
      yield* commit(lease, { checkpoint: checkpoint(instance, { offset: 2, parked: { offset: 3, error: "no" } }) })
      yield* checkpoints.change(lease.processor, path, { _tag: "Skip" })
      const { instances } = yield* unprepared(lease, 2)
      assert.deepStrictEqual(instances, [{ path, life: instance.life, offset: 2, skipped: [3] }])
    }))

  it.effect("of the states that are kept within ten thousand events the last one counts", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      const instance = yield* written(lease, path)
      const { life } = instance
      yield* commit(lease, { checkpoint: checkpoint(instance, { revision: 1, offset: keepEvery + 5 }) })
      yield* prepare(lease, 2)
      for (const offset of [keepEvery - 2, keepEvery - 1, keepEvery, keepEvery + 5]) {
        yield* keep(lease, 2, life, snapshot(offset, String(offset)))
      }
      // A second one that prepares the same comes to the same.
      yield* keep(lease, 2, life, snapshot(keepEvery + 5, "again"))
      const at = (offset: number) => Effect.map(found(lease, 2, life, offset), (each) => each?.state)
      assert.isUndefined(yield* at(keepEvery - 2))
      assert.strictEqual(yield* at(keepEvery + 4), String(keepEvery - 1))
      assert.strictEqual(yield* at(keepEvery + 5), "again")
    }))

  it.effect("the owner that acts meanwhile does not touch what is prepared; what is of no more use is swept", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const path = fresh()
      const first = registration(path)
      yield* checkpoints.register(first)
      const lease = yield* claimed(first.processor)
      const instance = yield* written(lease, path)
      const { life } = instance
      yield* prepare(lease, 2)
      for (const version of [2, 3]) yield* keep(lease, version, life, snapshot(2, `"${version}"`))
      yield* commit(lease, { checkpoint: checkpoint(instance, { revision: 1, keep: true, state: "\"1\"" }) })
      const states = Effect.forEach([1, 2, 3], (version) =>
        Effect.map(found(lease, version, life, 9), (each) => each?.state))
      // Nobody said that a third one is prepared.
      yield* checkpoints.register(first)
      assert.deepStrictEqual(yield* until(lease, states, ([, , third]) => third === undefined), ["\"1\"", "\"2\"", undefined])
      yield* checkpoints.register({ ...first, version: 2 })
      assert.deepStrictEqual(yield* until(lease, states, ([old]) => old === undefined), [undefined, "\"2\"", undefined])
    }))

  it.effect("nothing is kept of an instance that is gone, and what was kept goes with it", () =>
    Effect.gen(function*() {
      const store = yield* EventStore
      const path = fresh()
      const lease = yield* working(path)
      const { life } = yield* written(lease, path)
      yield* prepare(lease, 2)
      assert.isFalse(yield* keep({ ...lease, processor: "nobody" }, 2, life, snapshot(2)))
      assert.isTrue(yield* keep(lease, 2, life, snapshot(2)))
      yield* store.remove(path, { recursive: false })
      assert.isUndefined(yield* found(lease, 2, life, 9))
      assert.isFalse(yield* keep(lease, 2, life, snapshot(2)))
      assert.isUndefined(yield* found(lease, 2, life, 9))
      assert.deepStrictEqual((yield* unprepared(lease, 2)).instances, [])
    }))

  it.effect("nothing is kept of the registered version, nor behind where the instance is", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const path = fresh()
      const first = registration(path)
      yield* checkpoints.register(first)
      const lease = yield* claimed(first.processor)
      const { life } = yield* written(lease, path)
      assert.isFalse(yield* keep(lease, 1, life, snapshot(3)))
      assert.isFalse(yield* keep(lease, 2, life, snapshot(4)))
      assert.isTrue(yield* keep(lease, 2, life, snapshot(3)))
      yield* checkpoints.register({ ...first, version: 2 })
      assert.isFalse(yield* keep(lease, 2, life, snapshot(2, "\"late\"")))
      assert.deepStrictEqual(yield* found(lease, 2, life, 9), snapshot(3))
    }))

  it.effect("a state that is folded anew at a person's word is prepared anew", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const path = fresh()
      const lease = yield* working(path)
      const { life } = yield* written(lease, path)
      yield* prepare(lease, 2)
      yield* keep(lease, 2, life, snapshot(3))
      yield* checkpoints.change(lease.processor, path, { _tag: "Refold" })
      assert.isUndefined(yield* found(lease, 2, life, 9))
      assert.lengthOf((yield* unprepared(lease, 2)).instances, 1)
    }))
}
