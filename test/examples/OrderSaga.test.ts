import { assert, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as OrderSaga from "../../src/examples/OrderSaga.ts"
import { Streams } from "../../src/millstream.ts"
import { Scenario, TestHost } from "../../src/testing.ts"

const { Order, OrderCancelled, OrderPaid, OrderPlaced, PaymentReceived, PaymentRefunded, PaymentRequested } = OrderSaga

/** Types of a stream's events, but the first, which every stream has. */
const types = (path: string) =>
  Effect.flatMap(Streams, (streams) =>
    Effect.map(Stream.runCollect(streams.read(path)), (events) => events.slice(1).map(({ type }) => type)))

const saga = <A, E>(test: Effect.Effect<A, E, Streams | TestHost>) =>
  Effect.provide(test, OrderSaga.layer.pipe(Layer.provideMerge(TestHost.layer)))

const place = Effect.fnUntraced(function*(id: string) {
  const streams = yield* Streams
  yield* streams.append(`/orders/${id}`, OrderPlaced.make({ item: "lamp", cents: 2_900 }))
  yield* (yield* TestHost).quiet
})

const pay = (id: string) =>
  Effect.flatMap(Streams, (streams) => streams.append(`/payments/${id}`, PaymentReceived.make({})))

it.effect("an order that is paid in time is paid, and not cancelled later", () =>
  saga(Effect.gen(function*() {
    const host = yield* TestHost
    yield* place("17")
    assert.deepStrictEqual(yield* types("/payments/17"), ["payment/requested"])
    yield* host.pass("14 minutes")
    yield* pay("17")
    yield* host.pass("1 hour")
    assert.deepStrictEqual(yield* types("/orders/17"), ["order/placed", "order/paid"])
    assert.deepStrictEqual(yield* types("/payments/17"), ["payment/requested", "payment/received"])
    const { state } = yield* (yield* Streams).state("/orders/17", { processor: Order })
    assert.deepStrictEqual(state, { _tag: "Paid" })
  })))

it.effect("one that is not paid in time is cancelled, and what is paid too late or twice is given back", () =>
  saga(Effect.gen(function*() {
    const host = yield* TestHost
    yield* place("18")
    yield* host.pass("14 minutes")
    assert.deepStrictEqual(yield* types("/orders/18"), ["order/placed"])
    yield* host.pass("1 minute")
    assert.deepStrictEqual(yield* types("/orders/18"), ["order/placed", "order/cancelled"])
    yield* pay("18")
    yield* host.quiet
    assert.deepStrictEqual((yield* types("/payments/18")).slice(1), ["payment/received", "payment/refunded"])
    yield* place("19")
    yield* pay("19")
    yield* pay("19")
    yield* host.quiet
    assert.deepStrictEqual((yield* types("/payments/19")).filter((type) => type === "payment/refunded").length, 1)
  })))

it.effect("a request that names no order is passed over, and the payment goes on", () =>
  saga(Effect.gen(function*() {
    const streams = yield* Streams
    for (const order of ["no path", "/", "/orders/a/b", "/orders/.."]) {
      yield* streams.append("/payments/23", { type: PaymentRequested.type, payload: { order, cents: 1 } })
    }
    yield* place("23")
    yield* pay("23")
    yield* (yield* TestHost).quiet
    assert.notInclude(yield* types("/payments/23"), "processor/parked")
    assert.deepStrictEqual(yield* types("/orders/23"), ["order/placed", "order/paid"])
  })))

it.effect("what each step led to can be followed across the streams", () =>
  saga(Effect.gen(function*() {
    const streams = yield* Streams
    yield* place("20")
    yield* pay("20")
    yield* (yield* TestHost).quiet
    const chain = yield* streams.causes("/orders/20", 3)
    assert.deepStrictEqual(chain.map(({ type }) => type), ["payment/received", "order/paid"])
    const effects = yield* streams.causes("/orders/20", 2, { effects: true })
    const places = effects.map(({ streamPath, type }) => `${streamPath} ${type}`)
    assert.deepStrictEqual(places, ["/payments/20 payment/requested"])
  })))

it.effect("what an order does about a payment that comes too late, without a log", () =>
  Scenario.make(Order, OrderSaga.layer, { streamPath: "/orders/21" })
    .given(OrderPlaced.make({ item: "lamp", cents: 2_900 }), OrderCancelled.make({ reason: "changed my mind" }))
    .when(OrderPaid.make({}))
    .then({
      state: { _tag: "Cancelled" },
      emitted: [{ streamPath: "/payments/21", ...PaymentRefunded.make({ reason: "The order is Cancelled" }) }],
      asked: []
    }))

it.effect("what it asks for when it is placed", () =>
  Effect.gen(function*() {
    const { asked, emitted } = yield* Scenario.make(Order, OrderSaga.layer, { streamPath: "/orders/22" })
      .when(OrderPlaced.make({ item: "lamp", cents: 2_900 }))
    assert.deepStrictEqual(emitted.map(({ streamPath, type }) => [streamPath, type]), [
      ["/payments/22", PaymentRequested.type]
    ])
    assert.deepStrictEqual(asked, [{ kind: "timeout", key: "payment", input: "1970-01-01T00:15:00.000Z" }])
  }))
