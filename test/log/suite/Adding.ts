/** Types that a processor consumes since a later registration: where on each stream their hooks begin. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import type { StreamPath } from "../../../src/domain/StreamPath.ts"
import type { Lease } from "../../../src/log/Checkpoints.ts"
import { Checkpoints } from "../../../src/log/Checkpoints.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import { append, below, event, fresh } from "./Fixture.ts"
import type { It } from "./Working.ts"
import { advance, checkpoint, commit, opened, undone, working } from "./Working.ts"

const added = (lease: Lease, path: StreamPath) => Effect.map(opened(lease, path), ({ addedTypes }) => addedTypes)

export const adding = (it: It): void => {
  it.effect("a type that is consumed anew counts from there on every stream, however far its instance was", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const top = fresh()
      const [a, b, c] = [below(top, "a"), below(top, "b"), below(top, "c")]
      let lease = yield* working(top)
      const { processor } = lease
      yield* append(a, event("ping"))
      yield* advance(lease)
      yield* commit(lease, { checkpoint: checkpoint(yield* opened(lease, a)) })
      yield* append(a, event("other"), event("other"))
      yield* append(b, event("other"))
      yield* advance(lease)
      assert.deepStrictEqual(yield* added(lease, a), [])
      lease = yield* working(top, { processor, version: 2, consumes: ["ping", "other"] })
      assert.deepStrictEqual(yield* undone(lease), [a])
      const instance = yield* opened(lease, a)
      assert.deepInclude(instance, { offset: 2, hooksAfter: 0, addedTypes: [{ type: "other", hooksAfter: 4 }] })
      assert.deepStrictEqual((yield* checkpoints.instancesOn(a)).get(processor), instance)
      for (const path of [b, c]) yield* append(path, event("other"))
      assert.deepStrictEqual((yield* advance(lease)).paths, [b, c])
      assert.deepInclude(yield* opened(lease, b), { offset: 0, hooksAfter: 0 })
      assert.deepStrictEqual(yield* added(lease, b), [{ type: "other", hooksAfter: 2 }])
      assert.deepStrictEqual(yield* added(lease, c), [])
      // Behind it there is nothing to tell.
      yield* commit(lease, { checkpoint: checkpoint(instance) })
      yield* append(a, event("other"))
      assert.deepStrictEqual(yield* added(lease, a), [])
      // And the same definition once more moves nothing.
      lease = yield* working(top, { processor, version: 2, consumes: ["ping", "other"] })
      assert.deepStrictEqual(yield* added(lease, b), [{ type: "other", hooksAfter: 2 }])
    }))

  it.effect("a type that was dropped counts from when it came back, and others from when they came", () =>
    Effect.gen(function*() {
      const path = fresh()
      let lease = yield* working(path)
      const { processor } = lease
      for (const consumes of [["ping", "a"], ["a", "b", "ping"], ["b", "ping"], ["b", "a"]]) {
        yield* append(path, event("a"))
        lease = yield* working(path, { processor, consumes })
      }
      assert.deepStrictEqual(yield* added(lease, path), [{ type: "a", hooksAfter: 5 }, { type: "b", hooksAfter: 3 }])
    }))

  it.effect("where everything is consumed at last, what was consumed before keeps its place", () =>
    Effect.gen(function*() {
      const path = fresh()
      let lease = yield* working(path)
      const { processor } = lease
      yield* append(path, event("other"))
      lease = yield* working(path, { processor, consumes: ["ping", "a"] })
      yield* append(path, event("other"))
      lease = yield* working(path, { processor, consumes: ["*"] })
      const everything = [{ type: "*", hooksAfter: 3 }, { type: "a", hooksAfter: 2 }, { type: "ping", hooksAfter: 0 }]
      assert.deepStrictEqual(yield* added(lease, path), everything)
      // Named again they count as they did.
      yield* append(path, event("other"))
      lease = yield* working(path, { processor, consumes: ["ping", "a", "b"] })
      const named = [{ type: "a", hooksAfter: 2 }, { type: "b", hooksAfter: 3 }, { type: "ping", hooksAfter: 0 }]
      assert.deepStrictEqual(yield* added(lease, path), named)
    }))

  it.effect("of everything nothing is added", () =>
    Effect.gen(function*() {
      const path = fresh()
      let lease = yield* working(path, { consumes: ["*"] })
      const { processor } = lease
      yield* append(path, event("a"))
      lease = yield* working(path, { processor, consumes: ["a"] })
      assert.deepStrictEqual(yield* added(lease, path), [])
      lease = yield* working(path, { processor, consumes: ["*"] })
      assert.deepStrictEqual(yield* added(lease, path), [{ type: "*", hooksAfter: 2 }, { type: "a", hooksAfter: 0 }])
    }))

  it.effect("a stream that is written again after a delete has nothing from before", () =>
    Effect.gen(function*() {
      const store = yield* EventStore
      const path = fresh()
      let lease = yield* working(path)
      const { processor } = lease
      yield* append(path, event("other"))
      lease = yield* working(path, { processor, consumes: ["ping", "other"] })
      assert.deepStrictEqual(yield* added(lease, path), [{ type: "other", hooksAfter: 2 }])
      yield* store.remove(path, { recursive: false })
      yield* append(path, event("other"))
      assert.deepStrictEqual(yield* added(lease, path), [])
    }))
}
