/** The cursor over the log: it notes each consumed event at its instance, and passes nothing else over in silence. */
import { assert } from "@effect/vitest"
import { Effect, Option } from "effect"
import { Checkpoints } from "../../../src/log/Checkpoints.ts"
import { EventStore } from "../../../src/log/EventStore.ts"
import { append, below, breakerOff, event, events, fresh } from "./Fixture.ts"
import type { It } from "./Working.ts"
import { advance, checkpoint, claimed, commit, opened, undone, working } from "./Working.ts"

export const advancing = (it: It): void => {
  it.effect("what is consumed is noted at its stream, once; the rest is passed", () =>
    Effect.gen(function*() {
      const top = fresh()
      const [a, b, c] = [below(top, "a"), below(top, "b"), below(top, "c")]
      const lease = yield* working(top)
      yield* append(a, event("ping"), event("other"))
      yield* append(b, event("ping"))
      yield* append(c, event("other"))
      yield* append(fresh(), event("ping"))
      yield* append(a, event("ping"))
      assert.deepStrictEqual((yield* advance(lease)).paths, [a, b])
      assert.deepStrictEqual(yield* undone(lease), [a, b])
      assert.deepStrictEqual((yield* advance(lease)).paths, [])
      assert.deepStrictEqual(yield* undone(lease), [a, b])
      const instance = yield* opened(lease, a)
      assert.deepInclude(instance, { path: a, offset: 0, head: 4, hooksAfter: 0, revision: 0, state: undefined })
      // The first of the two is done, then both.
      yield* commit(lease, { checkpoint: checkpoint(instance, { offset: 2 }) })
      assert.deepStrictEqual(yield* undone(lease), [a, b])
      yield* commit(lease, { checkpoint: checkpoint(instance, { offset: 4, revision: 1 }) })
      assert.deepStrictEqual(yield* undone(lease), [b])
      yield* append(a, event("other"))
      assert.deepStrictEqual((yield* advance(lease)).paths, [])
      yield* append(a, event("ping"))
      assert.deepStrictEqual((yield* advance(lease)).paths, [a])
      assert.deepStrictEqual(yield* undone(lease), [a, b])
    }))

  it.effect("what was done before the cursor came is not undone", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"))
      yield* commit(lease, { checkpoint: checkpoint(yield* opened(lease, path)) })
      assert.deepStrictEqual((yield* advance(lease)).paths, [])
      assert.deepStrictEqual(yield* undone(lease), [])
    }))

  it.effect("hooks begin behind the end of the log, or with its first event", () =>
    Effect.gen(function*() {
      const top = fresh()
      const path = below(top, "a")
      yield* append(path, event("ping"))
      const late = yield* working(top, { startFrom: "end" })
      const early = yield* working(top, { startFrom: "start" })
      assert.deepStrictEqual((yield* advance(late)).paths, [])
      assert.deepStrictEqual((yield* advance(early)).paths, [path])
      yield* append(path, event("ping"))
      yield* append(below(top, "b"), event("ping"))
      assert.deepStrictEqual((yield* advance(late)).paths, [path, below(top, "b")])
      assert.deepInclude(yield* opened(late, path), { offset: 0, hooksAfter: 2 })
      assert.deepInclude(yield* opened(late, below(top, "b")), { offset: 0, hooksAfter: 0 })
      assert.deepInclude(yield* opened(early, path), { offset: 0, hooksAfter: 0 })
    }))

  it.effect("a star consumes every event, those of the log itself too", () =>
    Effect.gen(function*() {
      const top = fresh()
      const lease = yield* working(top, { consumes: ["*"] })
      yield* append(below(top, "a"), event("anything"))
      assert.deepStrictEqual((yield* advance(lease)).paths, [top, below(top, "a")])
    }))

  it.effect("a pattern's star is one segment, and a path's own signs mean themselves", () =>
    Effect.gen(function*() {
      const top = fresh()
      const lease = yield* working(top, { streams: `${top}/*/x.y` })
      const meant = below(top, "a/x.y")
      for (const path of [meant, below(top, "a/xzy"), below(top, "a/b/x.y"), below(top, "x.y"), below(top, "a/x.y/z")]) {
        yield* append(path, event("ping"))
      }
      assert.deepStrictEqual((yield* advance(lease)).paths, [meant])
    }))

  it.effect("streams that a changed pattern covers newly count from the change", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const top = fresh()
      const [a, b] = [below(top, "a"), below(top, "b")]
      let lease = yield* working(top, { streams: `${a}/**` })
      yield* append(a, event("ping"))
      yield* append(b, event("ping"))
      assert.isTrue(Option.isNone(yield* checkpoints.open(lease, b)))
      const [registered] = (yield* checkpoints.registered).filter(({ processor }) => processor === lease.processor)
      if (registered === undefined) return assert.fail("the processor is not known")
      yield* checkpoints.register({ ...registered, streams: `${top}/**` })
      lease = yield* claimed(registered.processor)
      yield* append(a, event("ping"))
      yield* append(b, event("ping"))
      assert.deepStrictEqual((yield* advance(lease)).paths, [a, b])
      assert.deepInclude(yield* opened(lease, a), { hooksAfter: 0 })
      assert.deepInclude(yield* opened(lease, b), { hooksAfter: 2 })
      // A star at the end covers no more than before, and moves nothing.
      yield* checkpoints.register({ ...registered, streams: `${a}/**` })
      lease = yield* claimed(registered.processor)
      yield* append(below(a, "new"), event("ping"))
      yield* append(below(b, "new"), event("ping"))
      assert.deepStrictEqual((yield* advance(lease)).paths, [below(a, "new")])
      assert.deepInclude(yield* opened(lease, below(a, "new")), { hooksAfter: 0 })
    }))

  it.effect("what a changed pattern covers no more is neither opened nor undone, in whatever version", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const top = fresh()
      const [a, b] = [below(top, "a"), below(top, "b")]
      let lease = yield* working(top)
      const { processor } = lease
      for (const path of [a, b]) yield* append(path, event("ping"))
      assert.deepStrictEqual((yield* advance(lease)).paths, [a, b])
      lease = yield* working(top, { processor, streams: `${a}/**` })
      assert.deepStrictEqual(yield* undone(lease), [a])
      assert.isTrue(Option.isNone(yield* checkpoints.open(lease, b)))
      lease = yield* working(top, { processor, streams: `${a}/**`, version: 2 })
      assert.deepStrictEqual(yield* undone(lease), [a])
      lease = yield* working(top, { processor })
      assert.deepStrictEqual(yield* undone(lease), [a, b])
    }))

  it.effect("what came while the pattern did not cover a stream runs no hooks when it comes back", () =>
    Effect.gen(function*() {
      const top = fresh()
      const [a, b, c] = [below(top, "a"), below(top, "b"), below(top, "c")]
      let lease = yield* working(top)
      const { processor } = lease
      for (const path of [a, b]) yield* append(path, event("ping"))
      yield* advance(lease)
      for (const path of [a, b]) yield* commit(lease, { checkpoint: checkpoint(yield* opened(lease, path)) })
      lease = yield* working(top, { processor, streams: `${a}/**` })
      for (const path of [a, b, c]) yield* append(path, event("ping"))
      assert.deepStrictEqual((yield* advance(lease)).paths, [a])
      lease = yield* working(top, { processor })
      // Opened before the cursor comes, and behind it.
      assert.deepInclude(yield* opened(lease, b), { offset: 2, head: 3, hooksAfter: 3 })
      for (const path of [a, b, c]) yield* append(path, event("ping"))
      assert.deepStrictEqual((yield* advance(lease)).paths, [a, b, c])
      assert.deepInclude(yield* opened(lease, a), { offset: 2, hooksAfter: 0 })
      assert.deepInclude(yield* opened(lease, b), { offset: 2, head: 4, hooksAfter: 3 })
      assert.deepInclude(yield* opened(lease, c), { offset: 0, hooksAfter: 2 })
    }))

  it.effect("what the cursor meets on a stream that is covered again counts from the return too", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const top = fresh()
      const path = below(top, "a")
      let lease = yield* working(top)
      const { processor } = lease
      yield* append(path, event("ping"))
      yield* advance(lease)
      lease = yield* working(top, { processor, streams: below(top, "b") })
      yield* append(path, event("ping"))
      lease = yield* working(top, { processor })
      yield* append(path, event("ping"))
      assert.deepStrictEqual((yield* advance(lease)).paths, [path])
      assert.deepInclude((yield* checkpoints.instancesOn(path)).get(lease.processor), { hooksAfter: 3, head: 4 })
    }))

  it.effect("it goes on where it was, some thousand events at a time", () =>
    Effect.gen(function*() {
      const top = fresh()
      const lease = yield* working(top, { startFrom: "end", consumes: ["counted"] })
      const paths = ["a", "b", "c", "d", "e"].map((name) => below(top, name))
      for (const path of paths) yield* append(path, breakerOff, ...events(900))
      const { moves, paths: named } = yield* advance(lease)
      assert.deepStrictEqual(named, paths)
      assert.isAbove(moves, 1)
      assert.deepStrictEqual(yield* advance(lease), { paths: [], moves: 1 })
    }))

  it.effect("a stream that was deleted is passed, and its new life begins anew", () =>
    Effect.gen(function*() {
      const store = yield* EventStore
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"))
      yield* store.remove(path, { recursive: false })
      assert.deepStrictEqual((yield* advance(lease)).paths, [])
      yield* append(path, event("ping"))
      assert.deepStrictEqual((yield* advance(lease)).paths, [path])
      assert.deepInclude(yield* opened(lease, path), { offset: 2, head: 4, hooksAfter: 2 })
    }))
}
