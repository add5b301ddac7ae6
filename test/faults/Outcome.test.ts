/** What becomes of appends whose connection breaks around the commit: each is recorded once, and answered as it is. */
import { assert, layer } from "@effect/vitest"
import { Effect, Option } from "effect"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { fresh, offsetOf, one, parse, proxy, readAll, server, type Server, TestLog, until } from "./TestLog.ts"

/** A processor of a server, at work on one stream. */
const working = Effect.fnUntraced(function*({ checkpoints }: Server, path: StreamPath) {
  const processor = path.slice(1)
  yield* checkpoints.register({ processor, version: 1, consumes: ["*"], emits: [], streams: path, startFrom: "start" })
  const lease = yield* Effect.orDie(Effect.fromOption(yield* checkpoints.claim(processor, "me", 60_000)))
  return { lease, instance: yield* Effect.orDie(Effect.fromOption(yield* checkpoints.open(lease, path))) }
})

layer(TestLog.layer, { excludeTestServices: true, timeout: "60 seconds" })("Outcome", (it) => {
  for (const where of ["before", "after"] as const) {
    for (const key of [undefined, "key"]) {
      it.effect(`records once when the connection is cut ${where} Postgres has answered, with ${key ?? "no key"}`, () =>
        Effect.gen(function*() {
          const between = yield* proxy
          const log = yield* server({ port: between.port })
          const path = fresh("cut")
          yield* log.store.append(one(path, "first"))
          const cut = between.cut("the-one", where)
          const appended = yield* Effect.result(log.store.append(one(path, "the-one", key)))
          yield* Effect.promise(() => cut)
          assert.strictEqual(offsetOf(appended), 3)
          assert.strictEqual(offsetOf(yield* Effect.result(log.store.append(one(path, "next")))), 4)
          const texts = (yield* readAll(log, path)).map(({ text }) => text)
          assert.deepStrictEqual(texts, [undefined, "first", "the-one", "next"])
        }))
    }

    it.effect(`records once on a new path when the connection is cut ${where} Postgres has answered`, () =>
      Effect.gen(function*() {
        const between = yield* proxy
        const log = yield* server({ port: between.port })
        const path = fresh("new")
        const cut = between.cut("the-one", where)
        const appended = yield* Effect.result(log.store.append(one(path, "the-one")))
        yield* Effect.promise(() => cut)
        assert.strictEqual(offsetOf(appended), 2)
        assert.deepStrictEqual((yield* readAll(log, path)).map(({ offset }) => offset), [1, 2])
      }))

    it.effect(`commits to three streams once when the connection is cut ${where} Postgres has answered`, () =>
      Effect.gen(function*() {
        const between = yield* proxy
        const log = yield* server({ port: between.port })
        const path = fresh("commit")
        yield* log.store.append(one(path, "first"))
        const { instance, lease } = yield* working(log, path)
        const cut = between.cut("the-one", where)
        const appends = ["in", "out", "on"].map((name) => one(StreamPath.make(`${path}/${name}`), "the-one"))
        const checkpoint = { ...instance, offset: 2, state: "{}", fibers: "[]", keep: false }
        const appended = yield* log.store.commit({ lease, appends, checkpoint })
        yield* Effect.promise(() => cut)
        for (const [i, append] of appends.entries()) {
          const lines = yield* readAll(log, append.path)
          assert.deepStrictEqual(lines.slice(1), appended[i]?.lines.map(parse))
        }
        const after = Option.getOrUndefined(yield* log.checkpoints.open(lease, path))
        assert.deepInclude(after ?? {}, { revision: 1, offset: 2, state: "{}" })
        assert.strictEqual((yield* Effect.flip(log.store.commit({ lease, appends, checkpoint })))._tag, "Fenced")
      }))

    it.effect(`records once when the question about the outcome is cut ${where} Postgres has answered too`, () =>
      Effect.gen(function*() {
        const between = yield* proxy
        const log = yield* server({ port: between.port })
        const path = fresh("settle")
        yield* log.store.append(one(path, "first"))
        for (const append of ["before", "after"] as const) {
          const cuts = [between.cut(`lost-${append}`, append), between.cut("millstream.settle", where)]
          const appended = yield* Effect.result(log.store.append(one(path, `lost-${append}`)))
          yield* Effect.promise(() => Promise.all(cuts))
          const recorded = (yield* readAll(log, path)).filter(({ text }) => text === `lost-${append}`)
          assert.deepStrictEqual(recorded.map(({ offset }) => offset), [offsetOf(appended)], append)
        }
      }))
  }

  it.effect("answers that it is unavailable when the database stays away, and goes on when it is back", () =>
    Effect.gen(function*() {
      const between = yield* proxy
      const log = yield* server({ port: between.port })
      const path = fresh("away")
      yield* log.store.append(one(path, "first"))
      between.set("refuse")
      const away = yield* Effect.result(log.store.append(one(path, "away", "key")))
      assert.strictEqual(offsetOf(away), "Unavailable")
      assert.strictEqual((yield* Effect.flip(log.directory.check))._tag, "Unavailable")
      between.set("pass")
      const again = yield* until("the log", Effect.result(log.store.append(one(path, "away", "key"))), (result) =>
        offsetOf(result) !== "Unavailable")
      assert.strictEqual(offsetOf(again), 3)
      assert.deepStrictEqual((yield* readAll(log, path)).map(({ text }) => text), [undefined, "first", "away"])
    }), 60_000)
})
