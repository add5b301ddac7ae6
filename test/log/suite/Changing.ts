/** What a person says to an instance, recorded on its stream. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import type { StreamPath } from "../../../src/domain/StreamPath.ts"
import type { Change, Checkpoint, Lease } from "../../../src/log/Checkpoints.ts"
import { Checkpoints } from "../../../src/log/Checkpoints.ts"
import type { Grown } from "../../../src/log/Growth.ts"
import { Growth } from "../../../src/log/Growth.ts"
import { append, event, fresh, paused, read } from "./Fixture.ts"
import type { It } from "./Working.ts"
import { advance, checkpoint, commit, opened, refusal, undone, working } from "./Working.ts"

const change = (lease: Lease, path: StreamPath, word: Change) =>
  Effect.flatMap(Checkpoints, (checkpoints) => checkpoints.change(lease.processor, path, word))

/** An instance of two events, as it is written first. */
const written = Effect.fnUntraced(function*(more: Partial<Checkpoint>) {
  const path = fresh()
  const lease = yield* working(path)
  yield* append(path, event("ping"))
  yield* advance(lease)
  const instance = yield* opened(lease, path)
  yield* commit(lease, { checkpoint: checkpoint(instance, more) })
  return { path, lease, instance }
})

/** A stream's last event, as far as a change says it. */
const last = (path: StreamPath) =>
  Effect.map(read(path), (all): unknown => all.slice(-1).map(({ offset, payload, type }) => ({ offset, type, payload }))[0])

const parked = { offset: 2, error: "Error: no" }

export const changing = (it: It): void => {
  it.effect("a parked instance that is resumed tries again", () =>
    Effect.gen(function*() {
      const { instance, lease, path } = yield* written({ offset: 1, parked })
      assert.deepStrictEqual(yield* undone(lease), [])
      yield* change(lease, path, { _tag: "Resume" })
      assert.deepStrictEqual(yield* undone(lease), [path])
      assert.deepInclude(yield* opened(lease, path), { revision: 2, offset: 1, parked: undefined, skipped: [], state: "{}" })
      assert.deepStrictEqual(yield* last(path), {
        offset: 3,
        type: "processor/resumed",
        payload: { name: lease.processor, offset: 2 }
      })
      // Who had it open meanwhile does not write over that.
      assert.strictEqual(yield* refusal(lease, { checkpoint: checkpoint(instance, { revision: 1 }) }), "Fenced instance")
    }))

  it.effect("one that skips an event names it from then on", () =>
    Effect.gen(function*() {
      const { lease, path } = yield* written({ offset: 1, parked })
      yield* change(lease, path, { _tag: "Skip" })
      assert.deepStrictEqual(yield* undone(lease), [path])
      const skipped = yield* opened(lease, path)
      assert.deepInclude(skipped, { revision: 2, offset: 1, parked: undefined, skipped: [2] })
      assert.deepStrictEqual(yield* last(path), {
        offset: 3,
        type: "processor/skipped",
        payload: { name: lease.processor, offset: 2, error: "Error: no" }
      })
      yield* commit(lease, { checkpoint: checkpoint(skipped, { parked: { offset: 3, error: "again" } }) })
      yield* change(lease, path, { _tag: "Skip" })
      assert.deepStrictEqual((yield* opened(lease, path)).skipped, [2, 3])
    }))

  it.effect("one that is folded anew forgets its states, not what it has done", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const { instance, lease, path } = yield* written({ keep: true, parked })
      yield* change(lease, path, { _tag: "Refold" })
      assert.deepStrictEqual(yield* undone(lease), [path])
      assert.deepInclude(yield* opened(lease, path), { revision: 2, offset: 2, parked: undefined, state: undefined })
      assert.deepStrictEqual(yield* last(path), {
        offset: 3,
        type: "processor/refolded",
        payload: { name: lease.processor, offset: 2, version: 1 }
      })
      assert.isTrue(Option.isNone(yield* checkpoints.snapshot(lease.processor, 1, instance.life, 99)))
    }))

  it.effect("a parked fiber starts again, and only that one", () =>
    Effect.gen(function*() {
      const fiber = (key: string, ended?: { readonly _tag: string; readonly error?: string }) => [
        `["ring","${key}"]`,
        { kind: "ring", key, input: "1", since: 2, hops: 0, ...(ended === undefined ? {} : { ended }) }
      ]
      const stopped = { _tag: "Parked", error: "Error: no" }
      const others = [fiber("b", stopped), fiber("c", { _tag: "Done" })]
      const { lease, path } = yield* written({ fibers: JSON.stringify([fiber("a", stopped), ...others]) })
      yield* change(lease, path, { _tag: "ResumeFiber", kind: "ring", key: "a" })
      const resumed = yield* opened(lease, path)
      assert.deepInclude(resumed, { revision: 2, busy: true })
      assert.deepStrictEqual(JSON.parse(resumed.fibers ?? ""), [fiber("a"), ...others])
      assert.deepStrictEqual(yield* undone(lease), [path])
      assert.deepStrictEqual(yield* last(path), {
        offset: 3,
        type: "processor/resumed",
        payload: { name: lease.processor, offset: 2, kind: "ring", key: "a" }
      })
      for (const key of ["a", "c", "d"]) {
        const error = yield* Effect.flip(change(lease, path, { _tag: "ResumeFiber", kind: "ring", key }))
        assert.strictEqual(error._tag, "NotFound")
      }
    }))

  it.effect("there is nothing to say where nothing is parked, or nothing was done", () =>
    Effect.gen(function*() {
      const { lease, path } = yield* written({})
      const refused = [
        change(lease, path, { _tag: "Resume" }),
        change(lease, path, { _tag: "Skip" }),
        change(lease, fresh(), { _tag: "Refold" }),
        change({ ...lease, processor: "nobody" }, path, { _tag: "Refold" })
      ]
      for (const each of refused) assert.strictEqual((yield* Effect.flip(each))._tag, "NotFound")
      assert.strictEqual((yield* read(path)).length, 2)
      assert.strictEqual((yield* opened(lease, path)).revision, 1)
    }))

  it.effect("a paused stream takes it, and whoever waits for the stream hears of it", () =>
    Effect.gen(function*() {
      const growth = yield* Growth
      const { lease, path } = yield* written({ parked })
      yield* append(path, paused)
      const heard: Array<Grown> = []
      const stop = growth.onStream(path, (grown) => heard.push(grown))
      yield* change(lease, path, { _tag: "Resume" })
      stop()
      assert.deepStrictEqual(heard, [{ path, head: 4, types: new Set(["processor/resumed"]), deleted: false }])
    }))
}
