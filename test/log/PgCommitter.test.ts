/** A group is written whole or leaves nothing, whatever its heads turn out to be. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as PgCommitter from "../../src/log/PgCommitter.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { planOf } from "./OneEach.ts"
import { append, event, fresh } from "./suite/Fixture.ts"

layer(TestPostgres.log, { excludeTestServices: true, timeout: "60 seconds" })("a group over several streams", (it) => {
  const begin = Effect.gen(function*() {
    const paths = [fresh(), fresh()] as const
    for (const path of paths) yield* append(path, event("a", "{}", { idempotencyKey: "known" }))
    const committer = yield* PgCommitter.make("beside")
    return { committer, paths, heads: yield* committer.heads(paths) }
  })

  it.effect("of which one head is stale leaves nothing, not even its batch", () =>
    Effect.gen(function*() {
      const { committer, heads, paths: [first, second] } = yield* begin
      for (const path of [first, second]) {
        const wrong = new Map([...heads].map(([each, head]) => [each, each === path ? { ...head, offset: 1 } : head]))
        assert.strictEqual((yield* committer.write(1, planOf(wrong)))._tag, "Stale")
      }
      assert.deepEqual(yield* committer.heads([first, second]), heads)
      assert.isFalse(yield* committer.settle(1))
      assert.strictEqual((yield* committer.write(1, planOf(heads)))._tag, "Lost")
      assert.deepEqual(yield* committer.heads([first, second]), heads)
      assert.strictEqual((yield* committer.write(2, planOf(heads)))._tag, "Written")
      assert.isTrue(yield* committer.settle(2))
    }))

  it.effect("of which a key is known leaves nothing; a new one is written", () =>
    Effect.gen(function*() {
      const { committer, heads, paths } = yield* begin
      assert.strictEqual((yield* committer.write(1, planOf(heads, "known")))._tag, "Known")
      assert.deepEqual(yield* committer.heads(paths), heads)
      assert.isFalse(yield* committer.settle(1))
      assert.strictEqual((yield* committer.write(2, planOf(heads, "new")))._tag, "Written")
    }))

  it.effect("keeps the order of a stream that remembers a later transaction", () =>
    Effect.gen(function*() {
      const { committer, heads, paths: [first, second] } = yield* begin
      const sql = yield* PgClient.PgClient
      yield* sql`update millstream.streams set tx = tx + 1000000 where path = ${second}`
      assert.strictEqual((yield* committer.write(1, planOf(heads)))._tag, "Written")
      const rows = yield* sql<{ readonly count: bigint }>`
        select count(distinct tx) as count from (
          select e.tx from millstream.events e join millstream.streams s on s.id = e.stream_id
          where s.path in (${first}, ${second}) and e.type = 'b'
          union all select tx from millstream.streams where path in (${first}, ${second})) t`
      assert.deepEqual(rows.map(({ count }) => Number(count)), [1])
    }))

  it.effect("that was settled as lost stays so, also where an earlier one is settled late", () =>
    Effect.gen(function*() {
      const { committer, heads } = yield* begin
      assert.isFalse(yield* committer.settle(5))
      assert.isFalse(yield* committer.settle(4))
      assert.strictEqual((yield* committer.write(5, planOf(heads)))._tag, "Lost")
    }))
})
