/** The shop of the example on a port and a Postgres of its own, met over HTTP. */
import { NodeHttpServer } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { FetchHttpClient, HttpClient, HttpServer } from "effect/http"
import { createServer } from "node:http"
import * as Client from "../../src/client.ts"
import * as Embedded from "../../src/examples/Embedded.ts"
import { OrderPaid, PaymentReceived, PaymentRequested } from "../../src/examples/OrderSaga.ts"
import * as TestPostgres from "../TestPostgres.ts"

const served = Embedded.layer.pipe(
  Layer.provideMerge(
    NodeHttpServer.layer(createServer, { host: "127.0.0.1", port: 0, gracefulShutdownTimeout: "100 millis" })
  ),
  Layer.provide(TestPostgres.layer)
)

layer(Layer.merge(served, FetchHttpClient.layer), { excludeTestServices: true })("a shop that embeds the log", (it) => {
  it.effect("takes an order at its own route and has it paid by way of the log's", () =>
    Effect.gen(function*() {
      const { address } = yield* HttpServer.HttpServer
      const baseUrl = `http://127.0.0.1:${"port" in address ? address.port : 0}`
      const http = yield* HttpClient.HttpClient
      const post = (path: string) => Effect.flatMap(http.post(`${baseUrl}${path}`), ({ status, text }) =>
        Effect.map(text, (body) => [status, body]))
      assert.deepStrictEqual(yield* post("/shop/17/lamp"), [200, "Pay 2900 cents at /payments/17\n"])
      assert.deepStrictEqual(yield* post("/shop/17/lamp"), [200, "Pay 2900 cents at /payments/17\n"])
      assert.deepStrictEqual(yield* post("/shop/17/moon"), [404, "There is no moon\n"])
      for (const order of ["a%2Fb", "%2E%2E%2F", "a%20b"]) {
        assert.strictEqual((yield* post(`/shop/${order}/lamp`))[0], 400, order)
      }

      const streams = yield* Client.make({ baseUrl })
      const requests = streams.tail("/payments/17", { types: [PaymentRequested] })
      const asked = yield* Stream.runCollect(Stream.take(requests, 1))
      assert.deepStrictEqual(asked.map(({ payload }) => payload), [{ order: "/orders/17", cents: 2_900 }])
      yield* streams.append("/payments/17", PaymentReceived.make({}))
      const paid = yield* streams.tail("/orders/17", { types: [OrderPaid] }).pipe(Stream.take(1), Stream.runCollect)
      assert.deepStrictEqual(paid.map(({ cause }) => cause?.processor), ["payment"])
      const all = yield* Stream.runCollect(streams.read("/orders/17"))
      assert.deepStrictEqual(all.map(({ type }) => type), ["stream/initialized", "order/placed", "order/paid"])
    }))
})
