/** What owners commit on Postgres while others hold what it rests on: takeovers, cursors, transactions and locks. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import type { StreamPath } from "../../src/domain/StreamPath.ts"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { append, below, event, fresh, outline } from "./suite/Fixture.ts"
import { advance, checkpoint, claimed, commit, leaseMillis, opened, refusal, working } from "./suite/Working.ts"

/** A transaction of another server that did something and stays open until it is told to end. */
const open = <A, E>(statement: (sql: PgClient.PgClient) => Effect.Effect<A, E>) =>
  Effect.gen(function*() {
    const sql = yield* PgClient.PgClient
    const begun = yield* Deferred.make<void, E | SqlError>()
    const told = yield* Deferred.make<void>()
    const fiber = yield* Effect.forkChild(sql.withTransaction(
      Effect.andThen(statement(sql), Effect.andThen(Deferred.succeed(begun, undefined), Deferred.await(told)))
    ).pipe(Effect.onError((cause) => Deferred.failCause(begun, cause))))
    yield* Deferred.await(begun)
    return { end: Effect.andThen(Deferred.succeed(told, undefined), Fiber.join(fiber)) }
  })

/** What a delete does, up to its end. */
const ending = (sql: PgClient.PgClient, path: StreamPath) =>
  Effect.gen(function*() {
    yield* sql`select from millstream.streams where path = ${path} for update`
    yield* sql`
      delete from millstream.instances
      where stream_id = (select id from millstream.streams where path = ${path})`
    yield* sql`
      update millstream.streams
      set id = nextval(pg_get_serial_sequence('millstream.streams', 'id')), born = head, deleted_at = now()
      where path = ${path}`
  })

/** Returns once a session of the log waits for a lock. */
const someoneWaits = Effect.gen(function*() {
  const sql = yield* PgClient.PgClient
  yield* Effect.repeat(
    sql`select from pg_stat_activity where wait_event_type = 'Lock' and application_name like 'millstream%'`,
    { until: (rows) => rows.length > 0 }
  )
})

layer(TestPostgres.log, { excludeTestServices: true, timeout: "60 seconds" })("commits on Postgres", (it) => {
  it.effect("one that meets a takeover waits for it and is refused", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"))
      const instance = yield* opened(lease, path)
      const takeover = yield* open((sql) => sql`
        with taken as (select name from millstream.processors where name = ${lease.processor} for update)
        update millstream.processors p set epoch = p.epoch + 1, owner = 'you' from taken where p.name = taken.name`)
      const appends = [{ path: below(path, "out"), events: [event("pong")] }, { path, events: [event("pong")] }]
      const committing = yield* Effect.forkChild(refusal(lease, { appends, checkpoint: checkpoint(instance) }))
      yield* someoneWaits
      yield* takeover.end
      assert.strictEqual(yield* Fiber.join(committing), "Fenced lease")
      assert.deepStrictEqual(yield* outline(path), ["1 stream/initialized", "2 ping"])
      assert.deepStrictEqual(yield* outline(below(path, "out")), [])
      const held = { ...lease, epoch: lease.epoch + 1n }
      yield* commit(held, { appends, checkpoint: checkpoint(instance) })
      assert.strictEqual((yield* outline(path)).length, 4)
    }))

  it.effect("a takeover waits for the commits of the epoch before; a renewal does not", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const lease = yield* working(fresh())
      // As a commit does that is under way.
      const other = yield* open((sql) => sql`select from millstream.processors where name = ${lease.processor} for key share`)
      assert.deepStrictEqual(yield* checkpoints.claim(lease.processor, "me", 0), Option.some(lease))
      const takeover = yield* Effect.forkChild(claimed(lease.processor, "you"))
      yield* someoneWaits
      yield* other.end
      assert.strictEqual((yield* Fiber.join(takeover)).epoch, lease.epoch + 1n)
      assert.isTrue(Option.isNone(yield* checkpoints.claim(lease.processor, "me", leaseMillis)))
    }))

  it.effect("the cursor does not pass what an older transaction may still commit", () =>
    Effect.gen(function*() {
      const checkpoints = yield* Checkpoints
      const path = fresh()
      const lease = yield* working(path)
      const older = yield* open((sql) => sql`select pg_current_xact_id()::text`)
      yield* append(path, event("ping"))
      assert.deepStrictEqual(yield* checkpoints.advance(lease), { paths: [], more: false })
      yield* older.end
      assert.deepStrictEqual((yield* checkpoints.advance(lease)).paths, [path])
    }))

  it.effect("an instance that someone has locked holds up nobody but its own commit", () =>
    Effect.gen(function*() {
      const [locked, free] = [fresh(), fresh()]
      const lease = yield* working(locked)
      yield* append(locked, event("ping"))
      const instance = yield* opened(lease, locked)
      const other = yield* open((sql) => sql`select from millstream.instances where stream_id = ${instance.life} for update`)
      const appends = [{ path: below(locked, "out"), events: [event("pong")] }]
      const committing = yield* Effect.forkChild(commit(lease, { appends, checkpoint: checkpoint(instance) }))
      yield* someoneWaits
      for (const path of [free, locked]) yield* append(path, event("ping"))
      assert.isUndefined(committing.pollUnsafe())
      yield* other.end
      yield* Fiber.join(committing)
      assert.deepStrictEqual(yield* outline(below(locked, "out")), ["1 stream/initialized", "2 pong"])
      assert.strictEqual((yield* opened(lease, locked)).revision, 1)
    }))

  it.effect("a lease, or an instance that must exist, that someone has locked holds up nobody else either", () =>
    Effect.gen(function*() {
      const [path, free] = [fresh(), fresh()]
      const lease = yield* working(path)
      yield* append(path, event("ping"))
      const { life } = yield* opened(lease, path)
      const locks = [
        (sql: PgClient.PgClient) => sql`select from millstream.processors where name = ${lease.processor} for update`,
        (sql: PgClient.PgClient) => sql`select from millstream.instances where stream_id = ${life} for update`
      ]
      for (const lock of locks) {
        const other = yield* open(lock)
        const committing = yield* Effect.forkChild(commit(lease, {
          appends: [{ path: below(path, "out"), events: [event("pong")] }],
          cursors: { life, values: [] }
        }))
        yield* someoneWaits
        for (const each of [free, path]) yield* append(each, event("ping"))
        assert.isUndefined(committing.pollUnsafe())
        yield* other.end
        yield* Fiber.join(committing)
      }
      assert.deepStrictEqual(yield* outline(below(path, "out")), ["1 stream/initialized", "2 pong", "3 pong"])
    }))

  it.effect("a lease is renewed while the cursors of others wait for a lock, on all connections that they have", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const path = fresh()
      const renewed = yield* working(path)
      const leases = yield* Effect.replicateEffect(working(path), 4)
      yield* append(path, event("ping"))
      for (const lease of leases) yield* opened(lease, path)
      const other = yield* open((sql) => sql`select from millstream.instances where path = ${path} for update`)
      const moving = yield* Effect.forkChild(Effect.forEach(leases, advance, { concurrency: "unbounded" }))
      const waiting = Effect.map(
        sql<{ readonly since: string }>`
          select query_start::text as since from pg_stat_activity
          where wait_event_type = 'Lock' and application_name = 'millstream processors' order by since`,
        (rows) => rows.map(({ since }) => since)
      )
      const before = yield* Effect.repeat(waiting, { until: (all) => all.length === 4 })
      assert.deepStrictEqual(yield* claimed(renewed.processor), renewed)
      assert.deepStrictEqual(yield* waiting, before)
      yield* other.end
      yield* Fiber.join(moving)
    }))

  for (const isKnown of [false, true]) {
    it.effect(`no ${isKnown ? "known" : "new"} instance of a stream is left by a cursor that meets its delete`, () =>
      Effect.gen(function*() {
        const sql = yield* PgClient.PgClient
        const path = fresh()
        const lease = yield* working(path)
        yield* append(path, event("ping"))
        if (isKnown) {
          yield* advance(lease)
          yield* append(path, event("ping"))
        }
        const rows = sql`select from millstream.instances where processor = ${lease.processor}`
        assert.lengthOf(yield* rows, isKnown ? 1 : 0)
        const other = yield* open((sql) => ending(sql, path))
        const moving = yield* Effect.forkChild(advance(lease))
        yield* someoneWaits
        yield* other.end
        assert.deepStrictEqual((yield* Fiber.join(moving)).paths, [])
        assert.lengthOf(yield* rows, 0)
      }))
  }

  it.effect("of a stream that is deleted at the same time, nothing of the old life is recorded behind it", () =>
    Effect.gen(function*() {
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"))
      const instance = yield* opened(lease, path)
      const other = yield* open((sql) => ending(sql, path))
      const appends = [{ path, events: [event("pong")] }]
      const committing = yield* Effect.forkChild(refusal(lease, { appends, checkpoint: checkpoint(instance) }))
      yield* someoneWaits
      yield* other.end
      assert.strictEqual(yield* Fiber.join(committing), "Fenced instance")
      assert.deepStrictEqual(yield* outline(path), [])
    }))
})
