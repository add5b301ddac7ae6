/** Several servers on one database: each finds out what the others did, and nothing is lost between them. */
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import type { StreamPath } from "../../src/domain/StreamPath.ts"
import * as Path from "../../src/domain/StreamPath.ts"
import { fresh, offsetOf, one, parse, readAll, type Server, server, session, TestLog, until } from "./TestLog.ts"

const numbers = (count: number) => Array.from({ length: count }, (_, i) => i)

/** A reader that is told, as a tail is: it reads whenever the stream grows, and never otherwise. */
const follow = Effect.fnUntraced(function*(log: Server, path: StreamPath) {
  const seen: Array<number> = []
  let grown = true
  const stop = log.growth.onStream(path, () => grown = true)
  yield* Effect.addFinalizer(() => Effect.sync(stop))
  const look = Effect.gen(function*() {
    if (!grown) return seen
    grown = false
    for (let more = true; more;) {
      const page = yield* log.store.read(path, { after: seen.at(-1) ?? 0 })
      for (const line of page.lines) seen.push(parse(line).offset)
      more = page.last < page.head
    }
    return seen
  })
  return (count: number) => until(`event ${count}`, look, ({ length }) => length >= count)
})

layer(TestLog.layer, { excludeTestServices: true, timeout: "60 seconds" })("Servers", (it) => {
  it.effect("append to the same streams at once: offsets are dense, nothing is lost, and tails see it all", () =>
    Effect.gen(function*() {
      const servers = [yield* server(), yield* server()] as const
      const paths = ["a", "b", "c"].map((name) => fresh(`both-${name}`))
      const tails = yield* Effect.forEach(paths, (path) => follow(servers[1], path))
      const acked = yield* Effect.forEach(numbers(600), (i) => {
        const path = paths[i % 3] ?? Path.root
        const { store } = servers[i % 2] ?? servers[0]
        return Effect.map(Effect.result(store.append(one(path, `event ${i}`))), (result) => ({ i, path, result }))
      }, { concurrency: 32 })
      for (const [n, path] of paths.entries()) {
        const events = yield* readAll(servers[0], path)
        assert.deepStrictEqual(events.map(({ offset }) => offset), numbers(201).map((i) => i + 1))
        for (const { i, result } of acked.filter((each) => each.path === path)) {
          assert.strictEqual(events[Number(offsetOf(result)) - 1]?.text, `event ${i}`)
        }
        const seen = yield* tails[n]?.(201) ?? Effect.succeed([])
        assert.deepStrictEqual(seen, numbers(201).map((i) => i + 1))
      }
    }))

  it.effect("record an idempotency key once, whoever is asked, at once or later", () =>
    Effect.gen(function*() {
      const servers = [yield* server(), yield* server()] as const
      const path = fresh("keys")
      const answers = yield* Effect.forEach(numbers(200), (i) => {
        const { store } = servers[i % 2] ?? servers[0]
        const key = Math.floor(i / 4)
        const appended = store.append(one(path, `event ${key}`, `key ${key}`))
        return Effect.map(Effect.result(appended), (result) => ({ key, result }))
      }, { concurrency: 32 })
      const events = yield* readAll(servers[0], path)
      assert.strictEqual(events.length, 1 + 50)
      for (const { key, result } of answers) {
        assert.strictEqual(events[Number(offsetOf(result)) - 1]?.text, `event ${key}`)
      }
      const conflict = yield* Effect.result(servers[1].store.append(one(path, "another", "key 0")))
      assert.strictEqual(offsetOf(conflict), "IdempotencyConflict")
    }))

  it.effect("grant an expected offset to one request only", () =>
    Effect.gen(function*() {
      const servers = [yield* server(), yield* server()] as const
      const path = fresh("expected")
      yield* servers[0].store.append(one(path, "made"))
      for (const round of numbers(10)) {
        const results = yield* Effect.forEach(numbers(4), (i) => {
          const { store } = servers[i % 2] ?? servers[0]
          const events = [{ type: "test", payload: "{}", offset: 3 + round }]
          return Effect.result(store.append({ path, events }))
        }, { concurrency: "unbounded" })
        assert.sameMembers(results.map(offsetOf), [3 + round, ...numbers(3).map(() => "OffsetMismatch")])
      }
    }))

  it.effect("share one circuit breaker, and one pause", () =>
    Effect.gen(function*() {
      const breaker = { capacity: 20, refillPerSecond: 1e-6 }
      const servers = [yield* server({ breaker }), yield* server({ breaker })] as const
      const path = fresh("breaker")
      const results = yield* Effect.forEach(numbers(60), (i) => {
        const { store } = servers[i % 2] ?? servers[0]
        return Effect.map(Effect.result(store.append(one(path, `event ${i}`))), offsetOf)
      }, { concurrency: 8 })
      const events = yield* readAll(servers[0], path)
      assert.strictEqual(results.filter((each) => typeof each === "number").length, 21)
      assert.strictEqual(results.filter((each) => each === "StreamPaused").length, 39)
      assert.deepStrictEqual(events.slice(-1).map(({ type }) => type), ["stream/paused"])
      assert.strictEqual(events.length, 1 + 21 + 1)
      yield* servers[1].store.append({ path, events: [{ type: "stream/resumed", payload: "{}" }] })
      assert.strictEqual(offsetOf(yield* Effect.result(servers[0].store.append(one(path, "after")))), 25)
    }))

  it.effect("see a delete by the other: appends go on after the old head, keys are free, readers are told", () =>
    Effect.gen(function*() {
      const [here, there] = [yield* server(), yield* server()]
      const above = fresh("deleted")
      const path = Path.StreamPath.make(`${above}/child`)
      yield* here.store.append(one(path, "first", "key"))
      yield* there.store.append(one(path, "second"))
      let deleted = 0
      const stop = here.growth.onStream(path, (grown) => deleted += grown.deleted ? 1 : 0)
      yield* Effect.addFinalizer(() => Effect.sync(stop))
      assert.deepStrictEqual(yield* there.store.remove(path, { recursive: false }), [path])
      // At once, without waiting for the notice: the cached head is of the life before.
      const again = yield* here.store.append(one(path, "third", "key"))
      assert.deepStrictEqual([again.known, again.lines.map((line) => parse(line).offset)], [false, [5]])
      assert.deepStrictEqual((yield* readAll(here, path)).map(({ offset, type }) => [offset, type]), [
        [4, "stream/initialized"],
        [5, "test"]
      ])
      assert.deepStrictEqual((yield* readAll(there, above)).map(({ type }) => type), [
        "stream/initialized",
        "stream/child-created",
        "stream/child-deleted",
        "stream/child-created"
      ])
      yield* until("word of the delete", Effect.sync(() => deleted), (count) => count === 1)
    }))

  it.effect("delete and append at once: every acknowledged event is after, or was before, each delete", () =>
    Effect.gen(function*() {
      const [here, there] = [yield* server(), yield* server()]
      const above = fresh("churn")
      const path = Path.StreamPath.make(`${above}/child`)
      const offsets: Array<number> = []
      const deletes = yield* Effect.all([
        Effect.forEach(numbers(150), (i) =>
          Effect.map(here.store.append(one(path, `event ${i}`)), ({ lines }) => {
            offsets.push(parse(lines[0] ?? "{}").offset)
          })),
        Effect.forEach(numbers(15), () => there.store.remove(path, { recursive: false }))
      ], { concurrency: "unbounded" })
      const removed = deletes[1].filter(({ length }) => length > 0).length
      assert.deepStrictEqual(offsets, [...new Set(offsets)].sort((a, b) => a - b))
      const left = yield* readAll(here, path)
      const told = (yield* readAll(there, above)).filter(({ type }) => type === "stream/child-deleted").length
      assert.strictEqual(told, removed)
      // What is left is dense, and holds all that was acknowledged since the last delete.
      const first = left[0]?.offset ?? 0
      assert.deepStrictEqual(left.map(({ offset }) => offset), left.map((_, i) => first + i))
      assert.deepStrictEqual(
        left.filter(({ type }) => type === "test").map(({ offset }) => offset),
        offsets.filter((offset) => offset > first)
      )
    }))

  it.effect("hear of each other again after their connections were cut", () =>
    Effect.gen(function*() {
      const [here, there] = [yield* server({ name: "here" }), yield* server({ name: "there" })]
      const beside = yield* session
      const path = fresh("cut-notices")
      yield* here.store.append(one(path, "first"))
      const seen = yield* follow(there, path)
      yield* seen(2)
      yield* beside.query(`select pg_terminate_backend(pid) from pg_stat_activity
        where application_name in ('here', 'there')`)
      yield* until("an append", Effect.result(here.store.append(one(path, "second", "key"))), (result) =>
        typeof offsetOf(result) === "number")
      assert.deepStrictEqual(yield* seen(3), [1, 2, 3])
    }))
})
