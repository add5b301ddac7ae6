/** A group that is not as it was planned leaves nothing; calls that follow each other unanswered count in order or not. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect, Result } from "effect"
import * as PgAtHeads from "../../src/log/PgAtHeads.ts"
import * as PgCommitter from "../../src/log/PgCommitter.ts"
import * as PgPipe from "../../src/log/PgPipe.ts"
import * as Watchdog from "../../src/log/Watchdog.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { planOf } from "./OneEach.ts"
import { append, event, fresh } from "./suite/Fixture.ts"

const reasonOf = (write: ReturnType<PgAtHeads.PgAtHeads["write"]>) =>
  Effect.map(Effect.flip(write), ({ reason }) => reason._tag)

layer(TestPostgres.log, { excludeTestServices: true, timeout: "60 seconds" })("a group written at its heads", (it) => {
  const begin = Effect.gen(function*() {
    const paths = [fresh(), fresh()] as const
    for (const path of paths) yield* append(path, event("a", "{}", { idempotencyKey: "known" }))
    const { config } = yield* PgClient.PgClient
    const committer = yield* PgCommitter.make("beside")
    const pipe = yield* PgPipe.make({ ...config, applicationName: "pipe" }, yield* Watchdog.make, 100)
    const atHeads = PgAtHeads.make(pipe, committer.writer, "beside")
    return { atHeads, committer, paths, heads: yield* committer.heads(paths) }
  })

  it.effect("of which one head is stale leaves nothing, not even its batch", () =>
    Effect.gen(function*() {
      const { atHeads, committer, heads, paths } = yield* begin
      for (const path of paths) {
        const wrong = new Map([...heads].map(([each, head]) => [each, each === path ? { ...head, offset: 1 } : head]))
        assert.strictEqual(yield* reasonOf(atHeads.write(1, planOf(wrong), undefined)), "SerializationError")
      }
      assert.deepEqual(yield* committer.heads(paths), heads)
      assert.isFalse(yield* committer.settle(1))
      assert.strictEqual(yield* reasonOf(atHeads.write(1, planOf(heads), undefined)), "SerializationError")
      assert.isNumber(yield* atHeads.write(2, planOf(heads), undefined))
      assert.isTrue(yield* committer.settle(2))
    }))

  it.effect("of which a key is known leaves nothing; a new one is written", () =>
    Effect.gen(function*() {
      const { atHeads, committer, heads, paths } = yield* begin
      assert.isUndefined(yield* atHeads.write(1, planOf(heads, "known"), undefined))
      assert.deepEqual(yield* committer.heads(paths), heads)
      assert.isFalse(yield* committer.settle(1))
      assert.isNumber(yield* atHeads.write(2, planOf(heads, "new"), undefined))
    }))

  it.effect("of which a stream was deleted, or remembers a later transaction, leaves nothing", () =>
    Effect.gen(function*() {
      const { atHeads, committer, heads, paths: [first, second] } = yield* begin
      const sql = yield* PgClient.PgClient
      yield* sql`update millstream.streams set tx = tx + 1000000 where path = ${second}`
      assert.strictEqual(yield* reasonOf(atHeads.write(1, planOf(heads), undefined)), "SerializationError")
      yield* sql`update millstream.streams set tx = tx - 1000000, deleted_at = now() where path = ${second}`
      assert.strictEqual(yield* reasonOf(atHeads.write(2, planOf(heads), undefined)), "SerializationError")
      yield* sql`update millstream.streams set deleted_at = null where path = ${second}`
      assert.deepEqual(yield* committer.heads([first, second]), heads)
      assert.isNumber(yield* atHeads.write(3, planOf(heads), undefined))
    }))

  it.effect("counts right behind the batch that it names, sent before that one is answered, or not at all", () =>
    Effect.gen(function*() {
      const { atHeads, committer, heads, paths } = yield* begin
      const first = planOf(heads)
      const second = planOf(first.heads)
      const clocks = yield* Effect.all([atHeads.write(1, first, undefined), atHeads.write(2, second, 1)], {
        concurrency: "unbounded"
      })
      assert.isTrue(clocks.every((clock) => clock !== undefined))
      const written = yield* committer.heads(paths)
      assert.deepStrictEqual([...written.values()].map(({ offset }) => offset), [4, 4])
      // The heads are as promised, but the batch before was not committed.
      assert.strictEqual(yield* reasonOf(atHeads.write(4, planOf(written), 3)), "SerializationError")
      assert.isFalse(yield* committer.settle(3))
      assert.isNumber(yield* atHeads.write(4, planOf(written), 2))
    }))

  it.effect("goes through another session once the first was ended, or did not answer in time", () =>
    Effect.gen(function*() {
      const { atHeads, committer, heads, paths } = yield* begin
      const sql = yield* PgClient.PgClient
      const first = planOf(heads)
      yield* atHeads.write(1, first, undefined)
      const [ended] = yield* sql<{ readonly count: number }>`
        select count(pg_terminate_backend(pid, 10000))::int as count from pg_stat_activity
        where application_name = 'pipe' and datname = current_database()`
      assert.strictEqual(ended?.count, 1)
      // Whether it notices before it is asked or by asking: the call after that has another one.
      const again = yield* Effect.result(atHeads.write(2, planOf(first.heads), undefined))
      if (Result.isFailure(again)) {
        assert.strictEqual(again.failure.reason._tag, "ConnectionError")
        assert.isNumber(yield* atHeads.write(3, planOf(first.heads), undefined))
      }
      const second = planOf(yield* committer.heads(paths))
      yield* Effect.scoped(Effect.gen(function*() {
        const beside = yield* sql.reserve
        yield* beside.executeValues("begin", [])
        yield* beside.executeValues("select from millstream.streams where path = $1 for update", [paths[0]])
        // Both are given up: the one that waits, and the one behind it.
        const lost = yield* Effect.all([
          reasonOf(atHeads.write(4, second, undefined)),
          reasonOf(atHeads.write(5, planOf(second.heads), 4))
        ], { concurrency: "unbounded" })
        assert.deepStrictEqual(lost, ["ConnectionError", "ConnectionError"])
        yield* beside.executeValues("rollback", [])
      }))
      // Postgres may come to them all the same, in their order; once it is asked it says what is for ever.
      const settled = [yield* committer.settle(4), yield* committer.settle(5)]
      assert.notDeepEqual(settled, [false, true])
      const found = yield* committer.heads(paths)
      const offset = 4 + settled.filter((isWritten) => isWritten).length
      assert.deepStrictEqual([...found.values()].map((head) => head.offset), [offset, offset])
      assert.isNumber(yield* atHeads.write(6, planOf(found), undefined))
    }))

  it.effect("goes through the same session until all who use it have ended", () =>
    Effect.gen(function*() {
      const { config } = yield* PgClient.PgClient
      const backends: Array<unknown> = []
      yield* Effect.scoped(Effect.gen(function*() {
        const pipe = yield* PgPipe.make(config, yield* Watchdog.make, 5_000)
        const look = Effect.map(Effect.orDie(pipe.query("select pg_backend_pid() as pid", [])), ([row]) => {
          backends.push(row?.["pid"])
        })
        yield* Effect.addFinalizer(() => look)
        yield* look
      }))
      assert.strictEqual(backends.length, 2)
      assert.strictEqual(new Set(backends).size, 1)
    }))
})
