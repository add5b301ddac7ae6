/** What owners commit on Postgres while others hold what it rests on: takeovers, cursors, transactions and locks. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Deferred, Effect, Fiber, Option } from "effect"
import type { SqlError } from "effect/sql/SqlError"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { append, below, event, fresh, outline } from "./suite/Fixture.ts"
import { checkpoint, claimed, commit, leaseMillis, opened, refusal, working } from "./suite/Working.ts"

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

  it.effect("of a stream that is deleted at the same time, nothing of the old life is recorded behind it", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const path = fresh()
      const lease = yield* working(path)
      yield* append(path, event("ping"))
      const instance = yield* opened(lease, path)
      // As a delete does, up to its end.
      const other = yield* open(() =>
        Effect.andThen(
          sql`select from millstream.streams where path = ${path} for update`,
          Effect.andThen(
            sql`delete from millstream.instances where stream_id = ${instance.life}`,
            sql`
              update millstream.streams
              set id = nextval(pg_get_serial_sequence('millstream.streams', 'id')), born = head, deleted_at = now()
              where path = ${path}`
          )
        )
      )
      const appends = [{ path, events: [event("pong")] }]
      const committing = yield* Effect.forkChild(refusal(lease, { appends, checkpoint: checkpoint(instance) }))
      yield* someoneWaits
      yield* other.end
      assert.strictEqual(yield* Fiber.join(committing), "Fenced instance")
      assert.deepStrictEqual(yield* outline(path), [])
    }))
})
