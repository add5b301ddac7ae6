/** What holds for all processors of the server's own. */
import * as PgClient from "@effect/sql-pg/PgClient"
import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import { CircuitBreaker } from "../../src/builtin/CircuitBreaker.ts"
import { Schedule } from "../../src/builtin/schedule/Schedule.ts"
import { Subscription } from "../../src/builtin/subscription/Subscription.ts"
import { Transformer } from "../../src/builtin/transformer/Transformer.ts"
import * as Control from "../../src/domain/ControlEvent.ts"
import * as TestPostgres from "../TestPostgres.ts"

const definitions = [CircuitBreaker, Schedule, Subscription, Transformer]

layer(TestPostgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("built-in processors", (it) => {
  it.effect("consume what the log has an index of, and nothing else: they must not walk all that is written", () =>
    Effect.gen(function*() {
      const sql = yield* PgClient.PgClient
      const indexed = yield* sql<{ readonly type: string }>`select unnest(millstream.control_types()) as type`
      const consumed = new Set(definitions.flatMap(({ consumes }) => consumes.map(({ type }) => type)))
      assert.deepStrictEqual(indexed.map(({ type }) => type).toSorted(), [...consumed].toSorted())
      assert.deepStrictEqual([...Control.consumed].toSorted(), [...consumed].toSorted())
    }).pipe(Effect.provide(TestPostgres.logOver)))
})
