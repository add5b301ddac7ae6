/**
 * A shop that embeds the log: its own port with its own routes beside the log's, its own tables and pool of connections
 * beside the log's, and a processor, all of it in one process. What it needs is a `PgClient` and an `HttpServer`.
 */
import { Effect, Layer, Schema } from "effect"
import { HttpRouter, HttpServerResponse } from "effect/http"
import { SqlClient, SqlSchema } from "effect/sql"
import { Streams } from "../millstream.ts"
import * as Millstream from "../server.ts"
import * as OrderSaga from "./OrderSaga.ts"

/** The shop's own table, in the same Postgres. */
const Prices = Layer.effectDiscard(Effect.gen(function*() {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE IF NOT EXISTS prices (item text PRIMARY KEY, cents integer NOT NULL)`
  yield* sql`INSERT INTO prices (item, cents) VALUES ('lamp', 2900), ('chair', 8900) ON CONFLICT DO NOTHING`
}))

/** An order is one segment of a path, as the saga's pattern has it; another text is answered with 400. */
const Wanted = Schema.Struct({
  item: Schema.String,
  order: Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9-]{0,63}$/)))
})

/** `POST /shop/17/lamp` places order 17 for a lamp, however often it is sent. */
const Shop = HttpRouter.use(Effect.fn("Shop")(function*(router) {
  const sql = yield* SqlClient.SqlClient
  const streams = yield* Streams
  const priceOf = SqlSchema.findOneOption({
    Request: Schema.String,
    Result: Schema.Struct({ cents: Schema.Int }),
    execute: (item) => sql`SELECT cents FROM prices WHERE item = ${item}`
  })
  yield* router.add(
    "POST",
    "/shop/:order/:item",
    Effect.gen(function*() {
      const { item, order } = yield* HttpRouter.schemaPathParams(Wanted)
      const price = yield* priceOf(item)
      if (price._tag === "None") return HttpServerResponse.text(`There is no ${item}\n`, { status: 404 })
      const { cents } = price.value
      const placed = OrderSaga.OrderPlaced.make({ item, cents }, { idempotencyKey: "placed" })
      yield* streams.append(`/orders/${order}`, placed)
      return HttpServerResponse.text(`Pay ${cents} cents at /payments/${order}\n`)
    })
  )
}))

/** The shop's routes and the log's on one router, and the processors beside them. */
export const layer = HttpRouter.serve(Layer.mergeAll(Shop, Millstream.routes), {
  routerConfig: Millstream.routerConfig,
  disableLogger: true
}).pipe(
  Layer.merge(OrderSaga.layer),
  Layer.provide(Prices),
  Layer.provide(Millstream.layerHeadless),
  Layer.provide(Millstream.ServiceConfig.layer)
)
