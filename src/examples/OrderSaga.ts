/**
 * An order and its payment, on two streams that know each other only by events. `/orders/17` asks `/payments/17` for
 * the money and waits a quarter of an hour; what is paid after that is given back.
 */
import { DateTime, Effect, Layer, Schema } from "effect"
import { EventType, Processor, StreamPaths } from "../millstream.ts"

export const OrderPlaced = EventType.make("order/placed", Schema.Struct({ item: Schema.String, cents: Schema.Int }))
export const OrderPaid = EventType.make("order/paid", Schema.Struct({}))
export const OrderCancelled = EventType.make("order/cancelled", Schema.Struct({ reason: Schema.String }))

/** Anyone may append anything: one that names no order does not fit, and is passed over. */
const OrderPath = Schema.String.pipe(
  Schema.check(Schema.makeFilter((text: string) => /^\/orders\/[^/]+$/.test(text) && StreamPaths.is(text)))
)

export const PaymentRequested = EventType.make(
  "payment/requested",
  Schema.Struct({ order: OrderPath, cents: Schema.Int })
)
/** Said by whoever takes the money, such as a web shop's till. */
export const PaymentReceived = EventType.make("payment/received", Schema.Struct({}))
export const PaymentRefunded = EventType.make("payment/refunded", Schema.Struct({ reason: Schema.String }))

export const Order = Processor.make("order", {
  state: Schema.Union([
    Schema.TaggedStruct("None", {}),
    Schema.TaggedStruct("Open", { until: Schema.DateTimeUtcFromString }),
    Schema.TaggedStruct("Paid", {}),
    Schema.TaggedStruct("Cancelled", {})
  ]),
  initial: { _tag: "None" },
  consumes: [OrderPlaced, OrderPaid, OrderCancelled],
  emits: [PaymentRequested, PaymentRefunded, OrderCancelled]
}).reduce({
  "order/placed": (state, { createdAt }) =>
    state._tag === "None" ? { _tag: "Open", until: DateTime.add(createdAt, { minutes: 15 }) } : state,
  "order/paid": (state) => state._tag === "Open" ? { _tag: "Paid" } : state,
  "order/cancelled": (state) => state._tag === "Open" ? { _tag: "Cancelled" } : state
}).fibers({
  // An order that is paid or cancelled asks for no timeout any more: then the fiber is interrupted.
  timeout: (state) => state._tag === "Open" ? { payment: state.until } : {}
})

export const Payment = Processor.make("payment", {
  state: Schema.Struct({ order: Schema.NullOr(Schema.String) }),
  initial: { order: null },
  consumes: [PaymentRequested, PaymentReceived],
  emits: [OrderPaid]
}).reduce({
  "payment/requested": (_, { payload }) => ({ order: payload.order }),
  "payment/received": (state) => state
})

/** Of the order on a stream. */
const paymentOf = (order: string) => order.replace("/orders/", "/payments/")

const orders = Order.toLayer({
  afterAppend: {
    "order/placed": ({ payload: { cents }, streamPath: order }, { emit, previous }) =>
      previous._tag === "None"
        ? emit(PaymentRequested.make({ order, cents }), { streamPath: paymentOf(order) })
        : Effect.void,
    "order/paid": ({ streamPath: order }, { emit, previous }) =>
      previous._tag === "Open"
        ? Effect.void
        : emit(PaymentRefunded.make({ reason: `The order is ${previous._tag}` }), { streamPath: paymentOf(order) })
  },
  fibers: {
    timeout: (until, { append }) =>
      Effect.gen(function*() {
        yield* Effect.sleep(DateTime.distance(yield* DateTime.now, until))
        yield* append(OrderCancelled.make({ reason: "It was not paid in time" }), { once: "cancelled" })
      })
  }
}, { streams: "/orders/*" })

const payments = Payment.toLayer({
  afterAppend: {
    "payment/received": (_, { emit, state }) =>
      state.order === null ? Effect.void : emit(OrderPaid.make({}), { streamPath: state.order })
  }
}, { streams: "/payments/*" })

/** Both. */
export const layer = Layer.merge(orders, payments)
