/** The log on Postgres does what every log does; and what only Postgres can do wrong. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { EventStore, pageBytes } from "../../src/log/EventStore.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { suite } from "./EventStoreSuite.ts"
import { append, event, fresh, lines } from "./suite/Fixture.ts"

suite("Postgres", TestPostgres.log)

layer(TestPostgres.log, { excludeTestServices: true, timeout: "60 seconds" })("PgEventStore", (it) => {
  it.effect("a page takes no payload and no metadata for which it has no room", () =>
    Effect.gen(function*() {
      const path = fresh()
      const store = yield* EventStore
      const half = JSON.stringify("x".repeat(pageBytes / 2))
      const big = event("big", half, { metadata: `{"m":${half}}` })
      for (let i = 0; i < 10; i++) yield* append(path, big)
      const sent = yield* sentBy(store.read(path, { after: 1 }))
      assert.isAtLeast(sent, pageBytes)
      assert.isBelow(sent, 2 * pageBytes, "Nothing but the first event")
      assert.strictEqual((yield* lines(path)).length, 11)
    }))

  it.effect("appends are planned by index, whatever the statistics say", () =>
    Effect.gen(function*() {
      yield* append(fresh(), event("came"))
      const sql = yield* PgClient.PgClient
      const [beside] = yield* sql<{ readonly name: string }>`select current_setting('enable_seqscan') as name`
      assert.strictEqual(beside?.name, "on", "The client in scope is left as it is")
    }))
})
