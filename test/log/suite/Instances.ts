/** Instances: what is written of them is what is read of them, and one that was changed is not written over. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Checkpoints } from "../../../src/log/Checkpoints.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import { maxCursors } from "../../../src/log/FiberCursors.ts"
import { append, below, event, fresh, outline } from "./Fixture.ts"
import type { It } from "./Working.ts"
import { advance, checkpoint, claimed, commit, opened, refusal, registration, undone, working } from "./Working.ts"

export const instances = (it: It): void => {
  it.effect("an instance is opened where the stream has events, and is as it was written last", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const path = fresh()
      const lease = yield* working(path)
      assert.isTrue(Option.isNone(yield* checkpoints.open(lease, path)))
      yield* append(path, event("ping"))
      const instance = yield* opened(lease, path)
      assert.deepInclude(instance, {
        path,
        revision: 0,
        version: 1,
        offset: 0,
        head: 2,
        hooksAfter: 0,
        skipped: [],
        state: undefined,
        fibers: undefined,
        busy: false,
        parked: undefined,
        cursors: []
      })
      const written = checkpoint(instance, {
        version: 3,
        state: "{\"n\":1.0,\"text\":\"\\u0000\\ud800\"}",
        fibers: "[[\"f\",{}]]",
        busy: true
      })
      yield* commit(lease, { checkpoint: written })
      const { keep: _, ...fields } = written
      const expected = { ...instance, ...fields, revision: 1 }
      assert.deepStrictEqual(yield* opened(lease, path), expected)
      assert.deepStrictEqual(yield* checkpoints.instances(lease.processor, ""), [expected])
      assert.deepStrictEqual((yield* checkpoints.instancesOn(path)).get(lease.processor), expected)
      assert.deepStrictEqual(yield* checkpoints.instances(lease.processor, path), [])
      assert.deepStrictEqual(yield* checkpoints.instances(lease.processor, "", 1), [expected])
      assert.deepStrictEqual(yield* checkpoints.instances(lease.processor, "", 0), [])
      assert.strictEqual((yield* checkpoints.instancesOn(fresh())).size, 0)
    }))

  it.effect("what is busy, or still to be folded, is undone; what is parked waits for a person", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"))
      let instance = yield* opened(lease, path)
      const become = Effect.fnUntraced(function*(more: Parameters<typeof checkpoint>[1]) {
        yield* commit(lease, { checkpoint: checkpoint(instance, more) })
        instance = yield* opened(lease, path)
        return yield* undone(lease)
      })
      assert.deepStrictEqual(yield* become({ busy: true }), [path])
      assert.deepStrictEqual(yield* become({}), [])
      assert.deepStrictEqual(yield* become({ state: undefined }), [path])
      assert.deepStrictEqual(yield* become({ busy: true, parked: { offset: 2, error: "no" } }), [])
      assert.deepStrictEqual(instance.parked, { offset: 2, error: "no" })
      yield* append(path, event("ping"))
      assert.deepStrictEqual((yield* advance(lease)).paths, [])
      assert.deepStrictEqual(yield* undone(lease), [])
      assert.deepStrictEqual(yield* become({ offset: 2 }), [path])
      assert.deepStrictEqual(yield* become({}), [])
    }))

  it.effect("what was folded by another version than the registered is undone, until it is folded anew", () =>
    Effect.gen(function*() {
      const top = fresh()
      const [path, parked] = [below(top, "a"), below(top, "b")]
      const checkpoints = yield* Checkpoints
      const first = registration(top)
      yield* checkpoints.register(first)
      let lease = yield* claimed(first.processor)
      yield* append(path, event("ping"))
      yield* append(parked, event("ping"))
      yield* commit(lease, { checkpoint: checkpoint(yield* opened(lease, path)) })
      const waiting = yield* opened(lease, parked)
      yield* commit(lease, { checkpoint: checkpoint(waiting, { parked: { offset: 2, error: "no" } }) })
      assert.deepStrictEqual(yield* undone(lease), [])
      yield* checkpoints.register({ ...first, version: 2 })
      lease = yield* claimed(first.processor)
      assert.deepStrictEqual(yield* undone(lease), [path])
      assert.deepStrictEqual(yield* checkpoints.undone(first.processor, path), [])
      yield* commit(lease, { checkpoint: checkpoint(yield* opened(lease, path), { version: 2 }) })
      assert.deepStrictEqual(yield* undone(lease), [])
    }))

  it.effect("one that was written meanwhile is not written over, and nothing of the commit is recorded", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"))
      const instance = yield* opened(lease, path)
      const appends = [{ path: below(path, "out"), events: [event("pong")] }]
      yield* commit(lease, { appends, checkpoint: checkpoint(instance) })
      const again = { appends, checkpoint: checkpoint(instance, { state: "2" }) }
      assert.strictEqual(yield* refusal(lease, again), "Fenced instance")
      assert.deepStrictEqual(yield* outline(below(path, "out")), ["1 stream/initialized", "2 pong"])
      assert.strictEqual((yield* opened(lease, path)).state, "{}")
    }))

  it.effect("of 10 commits of one instance at once one is recorded", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"))
      const instance = yield* opened(lease, path)
      const appends = [{ path, events: [event("pong")] }]
      const results = yield* Effect.forEach(
        Array.from({ length: 10 }),
        () => Effect.result(commit(lease, { appends, checkpoint: checkpoint(instance) })),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(results.filter(({ _tag }) => _tag === "Success").length, 1)
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 ping", "3 pong"])
      assert.strictEqual((yield* opened(lease, path)).revision, 1)
    }))

  it.effect("what hooks have done stays done where a state is folded anew", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"), event("ping"))
      const instance = yield* opened(lease, path)
      yield* commit(lease, { checkpoint: checkpoint(instance) })
      yield* commit(lease, { checkpoint: checkpoint(instance, { revision: 1, version: 2, offset: 2 }) })
      assert.deepInclude(yield* opened(lease, path), { version: 2, offset: 2, hooksAfter: 3 })
    }))

  it.effect("cursors of fibers move with what is committed, and outlive other checkpoints", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"))
      const instance = yield* opened(lease, path)
      const { life } = instance
      const move = (...values: ReadonlyArray<{ readonly kind: string; readonly key: string; readonly value: string }>) =>
        commit(lease, { cursors: { life, values } })
      yield* move({ kind: "b", key: "k", value: "1" }, { kind: "a", key: "k", value: "1.0" })
      yield* commit(lease, {
        appends: [{ path, events: [event("pong")] }],
        checkpoint: checkpoint(instance),
        cursors: { life, values: [{ kind: "a", key: "k", value: "\"\\u0000\"" }] }
      })
      const cursors = Effect.map(opened(lease, path), ({ cursors }) =>
        cursors.map(({ key, kind, value }) => `${kind} ${key} ${value}`).sort())
      assert.deepStrictEqual(yield* cursors, ["a k \"\\u0000\"", "b k 1"])
      yield* commit(lease, { checkpoint: checkpoint(instance, { revision: 1 }) })
      assert.deepStrictEqual(yield* cursors, ["a k \"\\u0000\"", "b k 1"])
      const stale = { life: life + 1_000_000n, values: [] }
      assert.strictEqual(yield* refusal(lease, { appends: [{ path, events: [event("pong")] }], cursors: stale }), "Fenced instance")
    }))

  it.effect("an instance keeps so many cursors and no more; those that it has still move", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"))
      const { life } = yield* opened(lease, path)
      const values = Array.from({ length: maxCursors }, (_, i) => ({ kind: "a", key: String(i), value: "1" }))
      yield* commit(lease, { cursors: { life, values } })
      const appends = [{ path, events: [event("pong")] }]
      const more = { appends, cursors: { life, values: [{ kind: "a", key: "more", value: "1" }] } }
      assert.strictEqual(yield* refusal(lease, more), "InvalidEvent")
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 ping"])
      yield* commit(lease, { appends, cursors: { life, values: [{ kind: "a", key: "7", value: "2" }] } })
      const { cursors } = yield* opened(lease, path)
      assert.lengthOf(cursors, maxCursors)
      assert.deepStrictEqual(cursors.filter(({ value }) => value === "2").map(({ key }) => key), ["7"])
    }))

  it.effect("any text may be a fiber's key, or an error", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"))
      const instance = yield* opened(lease, path)
      const odd = "\u0000\ud800 \"\n\u{1f600}"
      const values = [{ kind: odd, key: odd, value: "1" }, { kind: odd, key: "", value: "2" }]
      const parked = { offset: 2, error: odd }
      yield* commit(lease, { checkpoint: checkpoint(instance, { parked }), cursors: { life: instance.life, values } })
      const after = yield* opened(lease, path)
      assert.deepStrictEqual(after.parked, parked)
      assert.sameDeepMembers([...after.cursors], values)
    }))

  it.effect("a delete forgets what was done, and nothing of the old life comes back", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const store = yield* EventStore
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"))
      const instance = yield* opened(lease, path)
      const { life } = instance
      const values = [{ kind: "a", key: "k", value: "1" }]
      yield* commit(lease, { checkpoint: checkpoint(instance, { keep: true, busy: true }), cursors: { life, values } })
      yield* store.remove(path, { recursive: false })
      assert.deepStrictEqual(yield* undone(lease), [])
      assert.isTrue(Option.isNone(yield* checkpoints.open(lease, path)))
      const appends = [{ path, events: [event("pong")] }]
      assert.strictEqual(yield* refusal(lease, { appends, checkpoint: checkpoint(instance, { revision: 1 }) }), "Fenced instance")
      // What a fiber appends on its own names the life, so that it does not make the stream anew.
      assert.strictEqual(yield* refusal(lease, { appends, cursors: { life, values: [] } }), "Fenced instance")
      assert.deepStrictEqual(yield* outline(path), [])
      assert.isTrue(Option.isNone(yield* checkpoints.snapshot(lease.processor, 1, life, 99)))
      yield* append(path, event("ping"))
      const anew = yield* opened(lease, path)
      assert.deepInclude(anew, { revision: 0, offset: 2, head: 4, state: undefined, cursors: [] })
      assert.notStrictEqual(anew.life, life)
    }))
}
