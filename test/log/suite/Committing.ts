/** What an owner commits: the events of several streams and the instance together, or nothing of it. */
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { Checkpoints } from "../../../src/log/Checkpoints.ts"
import { append, appendOne, below, event, events, fresh, lines, outline, paused, range, read, resumed } from "./Fixture.ts"
import type { It } from "./Working.ts"
import { advance, checkpoint, claimed, commit, opened, refusal, working } from "./Working.ts"

const keyed = (idempotencyKey: string, payload = "{}") => event("pong", payload, { idempotencyKey })

export const committing = (it: It): void => {
  it.effect("appends to several streams are recorded in order, with the instance", () =>
    Effect.gen(function*() {
      const top = fresh()
      const [a, b] = [below(top, "a"), below(top, "b/c")]
      const lease = yield* working(top)
      const { offset, streamPath } = yield* appendOne(a, event("ping")).pipe(Effect.flatMap(Effect.fromNullishOr), Effect.orDie)
      const cause = { streamPath, offset, processor: lease.processor, hops: 1 }
      const appended = yield* commit(lease, {
        appends: [
          { path: a, events: [event("pong", "1"), event("pong", "2")], cause: { ...cause, hops: 0 } },
          { path: b, events: [event("pong", "3")], cause },
          { path: a, events: [event("pong", "4")] }
        ],
        checkpoint: checkpoint(yield* opened(lease, a), { state: "7" })
      })
      const [ofA, ofB] = [yield* lines(a), yield* lines(b)]
      assert.deepStrictEqual(appended, [
        { lines: ofA.slice(2, 4), known: false },
        { lines: ofB.slice(1), known: false },
        { lines: ofA.slice(4), known: false }
      ])
      assert.deepStrictEqual(yield* outline(a), ["1 stream/initialized", "2 ping", "3 pong", "4 pong", "5 pong"])
      assert.deepStrictEqual((yield* read(b)).at(-1)?.cause, cause)
      assert.deepInclude(yield* opened(lease, a), { state: "7", revision: 1 })
    }))

  it.effect("where one of three streams refuses, nothing is written, and the same commit may be made later", () =>
    Effect.gen(function*() {
      const top = fresh()
      const [a, b, c] = [below(top, "a"), below(top, "b"), below(top, "c")]
      const lease = yield* working(top)
      yield* append(a, event("ping"))
      yield* append(b, paused)
      const more = {
        appends: [a, b, c].map((path) => ({ path, events: [keyed("k"), event("pong")] })),
        checkpoint: checkpoint(yield* opened(lease, a))
      }
      assert.strictEqual(yield* refusal(lease, more), "StreamPaused")
      const offsets = more.appends.map((each) => ({ ...each, events: [event("pong", "{}", { offset: 3 })] }))
      assert.strictEqual(yield* refusal(lease, { ...more, appends: offsets.slice(0, 1).concat(offsets.slice(2)) }), "OffsetMismatch")
      assert.deepStrictEqual(yield* outline(a), ["1 stream/initialized", "2 ping"])
      assert.deepStrictEqual(yield* outline(c), [])
      assert.deepInclude(yield* opened(lease, a), { revision: 0, state: undefined })
      yield* append(b, resumed)
      assert.deepStrictEqual((yield* commit(lease, more)).map(({ known }) => known), [false, false, false])
      assert.deepStrictEqual(yield* outline(c), ["1 stream/initialized", "2 pong", "3 pong"])
    }))

  it.effect("an event that is known by its key counts as recorded, each for itself", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      const { lines: [first = ""] } = yield* append(path, keyed("a", "{\"x\":1,\"y\":2}"))
      const appended = yield* commit(lease, {
        appends: [
          { path, events: [keyed("a", "{\"y\":2,\"x\":1}")] },
          { path, events: [keyed("b"), keyed("a", "{\"x\":1,\"y\":2}"), keyed("b")] }
        ]
      })
      const [, , second = ""] = yield* lines(path)
      assert.deepStrictEqual(appended, [
        { lines: [first], known: true },
        { lines: [second, first, second], known: false }
      ])
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 pong", "3 pong"])
      // All of it once more, with an instance: its checkpoint is written all the same.
      const again = { appends: [{ path, events: [keyed("b"), keyed("a", "{\"x\":1,\"y\":2}")] }] }
      const instance = yield* opened(lease, path)
      assert.deepStrictEqual(yield* commit(lease, { ...again, checkpoint: checkpoint(instance, { state: "9" }) }), [
        { lines: [second, first], known: true }
      ])
      assert.strictEqual((yield* opened(lease, path)).state, "9")
    }))

  it.effect("a known key with another content is a failure, and nothing is written", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, keyed("a"))
      const others = [
        [{ path: below(path, "b"), events: [event("pong")] }, { path, events: [keyed("a", "1")] }],
        [{ path, events: [keyed("new"), keyed("new", "1")] }]
      ]
      for (const appends of others) assert.strictEqual(yield* refusal(lease, { appends }), "IdempotencyConflict")
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 pong"])
      assert.deepStrictEqual(yield* outline(below(path, "b")), [])
    }))

  it.effect("of the same key in commits and appends at once one is recorded", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      const answers = yield* Effect.forEach(range(1, 20), (n) =>
        n % 2 === 0
          ? append(path, keyed("k"))
          : Effect.map(commit(lease, { appends: [{ path, events: [keyed("k")] }] }), ([one]) => one), {
        concurrency: "unbounded"
      })
      assert.strictEqual(new Set(answers.map((each) => each?.lines.join())).size, 1)
      assert.strictEqual(answers.filter((each) => each?.known === false).length, 1)
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 pong"])
    }))

  it.effect("what the server itself says is neither refused nor counted", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      yield* commit(lease, { appends: [{ path, events: events(150), byServer: true }] })
      assert.strictEqual((yield* read(path, ["stream/paused"])).length, 0)
      yield* append(path, paused)
      assert.strictEqual(yield* refusal(lease, { appends: [{ path, events: events(1) }] }), "StreamPaused")
      yield* commit(lease, { appends: [{ path, events: events(1), byServer: true }] })
      assert.strictEqual((yield* outline(path)).at(-1), "153 counted")
    }))

  it.effect("what it has for one stream is counted as one batch", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      yield* commit(lease, { appends: range(1, 3).map(() => ({ path, events: events(50) })) })
      assert.deepStrictEqual((yield* outline(path)).slice(-2), ["151 counted", "152 stream/paused"])
      assert.strictEqual(yield* refusal(lease, { appends: [{ path, events: events(1) }] }), "StreamPaused")
    }))

  it.effect("one that is fenced fails alone", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const path = fresh()
      const lost = yield* working(path)
      yield* append(path, event("ping"))
      yield* checkpoints.release(lost)
      const held = yield* claimed(lost.processor, "you")
      const instance = yield* opened(held, path)
      const tell = (type: string) => [{ path, events: [event(type)] }]
      const results = yield* Effect.all([
        append(path, event("one")),
        refusal(lost, { appends: tell("lost"), checkpoint: checkpoint(instance) }),
        commit(held, { appends: tell("two"), checkpoint: checkpoint(instance) }),
        refusal(held, { appends: tell("changed"), checkpoint: checkpoint(instance, { revision: 7 }) }),
        refusal(held, { appends: tell("gone"), cursors: { life: instance.life + 1_000_000n, values: [] } }),
        append(path, event("three"))
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual([results[1], results[3], results[4]], ["Fenced lease", "Fenced instance", "Fenced instance"])
      assert.deepStrictEqual((yield* outline(path)).slice(2), ["3 one", "4 two", "5 three"])
    }))

  it.effect("many instances commit at once, beside appends, each once", () =>
    Effect.gen(function*() {
      const top = fresh()
      const lease = yield* working(top)
      const out = below(top, "out")
      const paths = range(1, 40).map((n) => below(top, `in-${n}`))
      yield* Effect.forEach(paths, (path) => append(path, event("ping")), { concurrency: "unbounded" })
      yield* Effect.all([
        Effect.forEach(paths, (path) => append(path, event("ping")), { concurrency: "unbounded" }),
        Effect.forEach(paths, Effect.fnUntraced(function*(path) {
          const instance = yield* opened(lease, path)
          for (const revision of range(0, 1)) {
            yield* commit(lease, {
              appends: [{ path, events: [event("pong")] }, { path: out, events: [event("pong")] }],
              checkpoint: checkpoint(instance, { revision, offset: instance.offset + revision })
            })
          }
        }), { concurrency: "unbounded" }),
        Effect.forEach(range(1, 10), () => advance(lease))
      ], { concurrency: "unbounded" })
      assert.deepStrictEqual((yield* outline(out)).slice(1), range(2, 81).map((offset) => `${offset} pong`))
      for (const path of paths) {
        assert.strictEqual((yield* read(path, ["pong"])).length, 2)
        assert.strictEqual((yield* opened(lease, path)).revision, 2)
      }
    }))
}
