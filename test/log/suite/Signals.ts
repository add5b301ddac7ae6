/** What is told when streams grow, and that it is there when it is told. */
import { assert } from "@effect/vitest"
import { Effect, Fiber, Queue } from "effect"
import type { StreamPath } from "../../../src/domain/StreamPath.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import type { Grown } from "../../../src/log/Growth.ts"
import { Growth } from "../../../src/log/Growth.ts"
import type { It } from "./Fixture.ts"
import { append, below, event, fresh, lines, paused, range } from "./Fixture.ts"

/** What is signalled of a stream, or of all below it, while the test runs. */
const signals = Effect.fnUntraced(function*(path: StreamPath, kind: "onStream" | "onPrefix" = "onStream") {
  const growth = yield* Growth
  const queue = yield* Queue.unbounded<Grown>()
  yield* Effect.acquireRelease(
    Effect.sync(() => growth[kind](path, (grown) => Queue.offerUnsafe(queue, grown))),
    (stop) => Effect.sync(stop)
  )
  return queue
})

export const signalling = (it: It): void => {
  it.effect("who reads when signalled finds the event", () =>
    Effect.gen(function*() {
      const path = fresh()
      const queue = yield* signals(path)
      for (const n of range(2, 30)) {
        yield* append(path, event("came"))
        // From time to time those who listen are reminded, without types: a signal might have been lost.
        const grown = yield* Effect.repeat(Queue.take(queue), { until: ({ types }) => types !== undefined })
        assert.deepInclude(grown, { path, deleted: false, head: n })
        if (n > 2) assert.deepStrictEqual(grown.types, new Set(["came"]))
        assert.strictEqual((yield* lines(path)).length, n)
      }
    }))

  it.effect("a listener that reads at once finds the event", () =>
    Effect.gen(function*() {
      const path = fresh()
      const queue = yield* signals(path)
      // It reads in its own time, which may be before the append has answered.
      const reads = yield* Effect.forkChild(
        Effect.forEach(range(1, 20), () =>
          Effect.flatMap(Queue.take(queue), ({ head }) =>
            Effect.map(lines(path), (all) => assert.isAtLeast(all.length, head ?? 0))))
      )
      for (const _ of range(1, 20)) yield* append(path, event("came"))
      yield* Fiber.join(reads)
    }))

  it.effect("every stream that an append changes is signalled, and prefixes hear of all below them", () =>
    Effect.gen(function*() {
      const top = fresh()
      const path = below(below(top, "a"), "b")
      const own = yield* signals(path)
      const parents = yield* signals(below(top, "a"))
      const prefix = yield* signals(top, "onPrefix")
      const beside = yield* signals(below(top, "ab"), "onPrefix")
      yield* append(path, event("came"))
      assert.deepInclude(yield* Queue.take(own), { path, deleted: false })
      assert.deepInclude(yield* Queue.take(parents), { path: below(top, "a"), deleted: false })
      const heard = yield* Queue.takeAll(prefix)
      assert.sameMembers(heard.map((grown) => grown.path), [top, below(top, "a"), path])
      assert.strictEqual(yield* Queue.size(beside), 0)
    }))

  it.effect("a delete is signalled, and its parent grows", () =>
    Effect.gen(function*() {
      const top = fresh()
      const path = below(top, "a")
      const store = yield* EventStore
      yield* append(path, event("came"))
      const own = yield* signals(path)
      const parents = yield* signals(top)
      yield* store.remove(path, { recursive: false })
      assert.deepInclude(yield* Queue.take(own), { path, deleted: true })
      assert.deepInclude(yield* Queue.take(parents), { path: top, deleted: false, head: 3 })
      assert.deepStrictEqual(yield* lines(path), [])
      assert.strictEqual(store.recent(path, 0), undefined)
    }))

  it.effect("what records nothing signals nothing", () =>
    Effect.gen(function*() {
      const path = fresh()
      yield* append(path, event("came", "{}", { idempotencyKey: "k" }), paused)
      const queue = yield* signals(path)
      yield* append(path, event("came", "{}", { idempotencyKey: "k" }))
      yield* Effect.flip(append(path, event("came")))
      yield* Effect.flip(append(path, event("came", "{}", { offset: 9 })))
      assert.strictEqual(yield* Queue.size(queue), 0)
    }))
}
