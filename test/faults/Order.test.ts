/**
 * Readers of many streams neither skip nor repeat, whatever commits late. Transactions are held open by calling
 * `append_events` as a server would, in connections beside the log.
 */
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Ref } from "effect"
import type { StreamPath } from "../../src/domain/StreamPath.ts"
import * as Path from "../../src/domain/StreamPath.ts"
import type { Server, Session } from "./TestLog.ts"
import { beginning, fresh, type Line, one, parse, proxy, readAll, server, session, TestLog, until } from "./TestLog.ts"

/** Appends one event to a stream that exists, in the transaction that the session has open. */
const appendIn = Effect.fnUntraced(function*(beside: Session, path: StreamPath, text: string) {
  const select = "select id, head, state, created_at from millstream.streams where path = $1"
  const [row] = yield* beside.query(select, [path])
  const head = Number(row?.["head"])
  const values = [
    [row?.["id"]], [head], [head + 1], [row?.["state"]], [row?.["created_at"]], [new Date()],
    [1], [head + 1], ["test"], [JSON.stringify({ text })], [new Date()]
  ]
  const [verdict] = yield* beside.query(
    `select * from millstream.append_events(0, null, $1::bigint[], $2::bigint[], $3::bigint[], $4::text[],
      $5::timestamptz[], $6::timestamptz[], '{}', '{}', '{}', '{}', '{}', '{}', '{}',
      $7::int[], $8::bigint[], $9::text[], $10::text[], '{}', '{}', '{}', '{}', '{}', '{}', $11::timestamptz[],
      '{}', '{}', 'beside the log')`,
    values
  )
  assert.deepStrictEqual([verdict?.["stale"], verdict?.["conflict"], verdict?.["lost"]], [null, false, false])
})

/** Reads on from where it is for as long as it is not interrupted. */
const readOn = Effect.fnUntraced(function*(log: Server, prefix: StreamPath, seen: Ref.Ref<ReadonlyArray<Line>>) {
  for (let after = beginning;;) {
    const page = yield* log.store.readWithin(prefix, { after, limit: 3 })
    after = page.last
    yield* Ref.update(seen, (lines) => [...lines, ...page.lines.map(({ line }) => parse(line))])
    yield* Effect.yieldNow
  }
})

const isAll = (count: number) => (seen: ReadonlyArray<Line>) => seen.length >= count

/** By stream, each in order and once; what is not in `paths` belongs to others. */
const assertWhole = Effect.fnUntraced(function*(
  log: Server,
  seen: ReadonlyArray<Line>,
  paths: ReadonlyArray<StreamPath>
) {
  for (const path of paths) {
    assert.deepStrictEqual(seen.filter(({ streamPath }) => streamPath === path), yield* readAll(log, path), path)
  }
})

layer(TestLog.layer, { excludeTestServices: true, timeout: "60 seconds" })("Order", (it) => {
  for (const wide of [false, true]) {
    it.effect(`a reader of ${wide ? "/**" : "a prefix"} sees what commits late, in its place and once`, () =>
      Effect.gen(function*() {
        const log = yield* server()
        const above = fresh("late")
        const [a, b, c] = ["a", "b", "c"].map((name) => Path.StreamPath.make(`${above}/${name}`))
        if (a === undefined || b === undefined || c === undefined) return assert.fail()
        for (const path of [a, b, c]) yield* log.store.append(one(path, "made"))
        const early = yield* session
        const late = yield* session
        const seen = yield* Ref.make<ReadonlyArray<Line>>([])
        const reader = yield* Effect.forkChild(readOn(log, wide ? Path.root : above, seen))

        // A is locked and written; then B is written and committed; then C, which A's transaction takes up last.
        yield* early.query("begin")
        yield* appendIn(early, a, "A, committed last")
        yield* late.query("begin")
        yield* appendIn(late, b, "B, committed first")
        yield* appendIn(late, c, "C, committed first")
        yield* late.query("commit")
        yield* appendIn(early, c, "C, committed last")
        const committed = (yield* readAll(log, b)).map(({ text }) => text)
        assert.deepStrictEqual(committed, [undefined, "made", "B, committed first"])
        yield* log.store.append(one(b, "B, by the log"))
        yield* early.query("commit")

        const count = (path: StreamPath) => Effect.map(readAll(log, path), ({ length }) => length)
        const total = (yield* Effect.forEach([above, a, b, c], count)).reduce((sum, each) => sum + each, 0)
        const ours = Effect.map(Ref.get(seen), (lines) =>
          lines.filter(({ streamPath }) => Path.isWithin(Path.StreamPath.make(streamPath), above)))
        const lines = yield* until("the last event", ours, isAll(total))
        yield* Fiber.interrupt(reader)
        assert.strictEqual(lines.length, total)
        yield* assertWhole(log, lines, [above, a, b, c])
      }))
  }

  it.effect("a reader waits for a transaction that is under way, and others appear behind it", () =>
    Effect.gen(function*() {
      const log = yield* server()
      const above = fresh("waits")
      const [a, b] = [Path.StreamPath.make(`${above}/a`), Path.StreamPath.make(`${above}/b`)]
      yield* log.store.append(one(a, "made"))
      yield* log.store.append(one(b, "made"))
      const before = yield* log.store.readWithin(above, { after: beginning })
      const early = yield* session
      yield* early.query("begin")
      yield* appendIn(early, a, "first")
      yield* log.store.append(one(b, "second"))
      const meanwhile = yield* log.store.readWithin(above, { after: before.last })
      assert.deepStrictEqual(meanwhile.lines, [])
      yield* early.query("commit")
      const after = yield* log.store.readWithin(above, { after: before.last })
      assert.deepStrictEqual(after.lines.map(({ line }) => parse(line).text), ["first", "second"])
    }))

  for (const [step, text] of [
    ["which streams there are", "limit $4::int"],
    ["how far it may read", "pg_snapshot_xmin"]
  ] as const) {
    it.effect(`a reader of a prefix sees a stream that is made before it asks ${step}`, () =>
      Effect.gen(function*() {
        const between = yield* proxy
        const reader = yield* server({ port: between.port })
        const log = yield* server()
        const above = fresh("made")
        const [a, b] = [Path.StreamPath.make(`${above}/a`), Path.StreamPath.make(`${above}/b`)]
        yield* log.store.append(one(a, "first"))
        const { last } = yield* log.store.readWithin(above, { after: beginning })
        const held = between.hold(text)
        const reading = yield* Effect.forkChild(reader.store.readWithin(above, { after: last }))
        yield* Effect.promise(() => held.reached)
        yield* log.store.append(one(b, "new"))
        yield* log.store.append(one(a, "second"))
        held.release()
        const page = yield* Fiber.join(reading)
        const rest = yield* reader.store.readWithin(above, { after: page.last })
        const seen = [...page.lines, ...rest.lines].map(({ line }) => parse(line))
        yield* assertWhole(log, [...(yield* readAll(log, a)).slice(0, 2), ...seen], [a, b])
      }))
  }

  it.effect("readers neither skip nor repeat while many servers make and write streams", () =>
    Effect.gen(function*() {
      const above = fresh("many")
      const servers = yield* Effect.all([server(), server(), server()])
      const [log] = servers
      const seen = yield* Ref.make<ReadonlyArray<Line>>([])
      const reader = yield* Effect.forkChild(readOn(log, above, seen))
      yield* Effect.forEach(Array.from({ length: 300 }, (_, i) => i), (i) => {
        const path = Path.StreamPath.make(`${above}/${i % 60}`)
        const { store } = servers[i % 3] ?? log
        return store.append(one(path, `event ${i}`))
      }, { concurrency: 12, discard: true })
      const children = yield* log.directory.children(above, { recursive: true, limit: 1_000 })
      const paths = [above, ...children.map(({ path }) => path)]
      assert.strictEqual(paths.length, 61)
      // 300 events, 60 streams made and told of, and the prefix itself.
      const lines = yield* until("the last event", Ref.get(seen), isAll(300 + 60 + 60 + 1)).pipe(
        Effect.catch(() => Ref.get(seen))
      )
      yield* Fiber.interrupt(reader)
      yield* assertWhole(log, lines, paths)
    }))
})
