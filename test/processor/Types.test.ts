/** What the compiler infers of a processor, and what it refuses. */
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Schema } from "effect"
import type { DateTime } from "effect"
import { EventType } from "../../src/domain/EventType.ts"
import { Processor } from "../../src/processor/Processor.ts"
import type { Processors } from "../../src/processor/Processors.ts"
import { Ping, PingPong, Pong, Reminder, ReminderRang, ReminderSet } from "./Games.ts"

class Mail extends Context.Service<Mail, { readonly send: (to: string) => Effect.Effect<void> }>()("test/Mail") {}
class Unset extends Schema.TaggedError<Unset>()("Unset", {}) {}

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Compiles only where the two are one type. */
const same = <A, B>(...none: Same<A, B> extends true ? [] : [never]) => assert.strictEqual(none.length, 0)
type LayerOf<L> = L extends Layer.Layer<infer Provided, infer Failed, infer Needed> ? [Provided, Failed, Needed] : never

const Ordered = EventType.make("order/placed", Schema.Struct({ id: Schema.String, cents: Schema.Int }))
const Paid = EventType.make("order/paid", Schema.Struct({ at: Schema.DateTimeUtcFromString }))
const Shipped = EventType.make("order/shipped", Schema.Struct({ id: Schema.String }))

const OrderState = Schema.Union([
  Schema.TaggedStruct("None", {}),
  Schema.TaggedStruct("Open", { id: Schema.String, cents: Schema.Int }),
  Schema.TaggedStruct("Paid", { id: Schema.String, at: Schema.DateTimeUtcFromString })
])

/** A state that is a tagged union, conditional records and several kinds of work: without one annotation. */
const Order = Processor.make("order", {
  version: 2,
  state: OrderState,
  initial: { _tag: "None" },
  consumes: [Ordered, Paid, Shipped],
  emits: [Shipped]
}).reduce({
  "order/placed": (_, { payload }) => ({ _tag: "Open", id: payload.id, cents: payload.cents }),
  "order/paid": (state, { payload }) => state._tag === "Open" ? { _tag: "Paid", id: state.id, at: payload.at } : state,
  "order/shipped": () => ({ _tag: "None" })
}).fibers({
  charge: (state) => state._tag === "Open" ? { [state.id]: { cents: state.cents } } : {},
  ship: (state) => state._tag === "Paid" ? { [state.id]: state.at } : {}
})

const accepted = () => {
  const orders = Order.toLayer({
    afterAppend: {
      "order/paid": (event, { emit, previous, state }) => {
        same<typeof event.payload.at, DateTime.Utc>()
        same<typeof state, typeof OrderState.Type>()
        same<typeof previous, typeof OrderState.Type>()
        same<typeof event.type, "order/paid">()
        return emit(Shipped.make({ id: `${event.streamPath}${event.offset}` }), { streamPath: "/shipped" })
      }
    },
    fibers: {
      charge: (input, { append, state }) => {
        same<typeof input, { cents: number }>()
        same<typeof state, typeof OrderState.Type>()
        return append(Shipped.make({ id: "a" }), { once: "shipped", cursor: { sent: [1, null] } })
      },
      ship: {
        whilePaused: true,
        run: (at, { cursor, idempotencyKey, key, moveCursor, streamPath }) => {
          same<typeof at, DateTime.Utc>()
          return Effect.andThen(cursor, () => moveCursor([key, idempotencyKey, streamPath]))
        }
      }
    }
  }, { streams: "/orders/*", startFrom: "start" })
  same<LayerOf<typeof orders>, [never, never, Processors]>()

  // Services show in the Layer's requirements and their errors among its errors; the hooks need only Scope.
  const mailing = PingPong.toLayer(Effect.gen(function*() {
    const mail = yield* Mail
    yield* Effect.addFinalizer(() => Effect.void)
    return PingPong.of({
      afterAppend: {
        ping: (event, { emit }) =>
          Effect.acquireRelease(mail.send(event.payload.from), () => Effect.void).pipe(
            Effect.andThen(emit(Pong.make({ to: "ada" })))
          )
      }
    })
  }))
  same<LayerOf<typeof mailing>, [never, never, Mail | Processors]>()
  const failing = PingPong.toLayer(Effect.fail(new Unset()))
  same<LayerOf<typeof failing>, [never, Unset, Processors]>()
  // A hook may fail with anything: it is tried again, and then parked.
  const fails = PingPong.toLayer({ afterAppend: { ping: () => Effect.fail(new Unset()) } })
  same<LayerOf<typeof fails>, [never, never, Processors]>()

  // Every event, and one of them by name: `*` is for the others, and keeps their payload as JSON.
  const every = Processor.make("every", { state: Schema.Int, initial: 0, consumes: [EventType.any, Ping] }).reduce({
    "*": (count, event) => {
      same<typeof event.type, string>()
      same<typeof event.payload, Schema.Json>()
      return count + event.offset
    },
    ping: (count, event) => {
      same<typeof event.payload, { readonly from: string }>()
      return count + event.payload.from.length
    }
  })
  const any = Processor.make("any", { state: Schema.Int, initial: 0, consumes: [EventType.any], emits: [Pong] })
    .reduce({ "*": (count) => count + 1 })

  return [
    orders,
    mailing,
    failing,
    fails,
    every.toLayer({ afterAppend: { "*": (event, { state }) => Effect.log(event.type, state) } }),
    any.toLayer({ afterAppend: { "*": (event, { emit }) => emit(Pong.make({ to: event.type })) } }),
    // Nothing happens after an append: a processor may only fold.
    every.toLayer({}),
    PingPong.toLayer({ afterAppend: {} })
  ]
}

const counting = Processor.make("counting", { state: Schema.Int, initial: 0, consumes: [Ping, ReminderSet] })
const mute = Processor.make("mute", { state: Schema.Int, initial: 0, consumes: [Ping] }).reduce({ ping: (n) => n })

const refusedDefinitions = () => [
  // @ts-expect-error a reducer is missing
  counting.reduce({ ping: (n) => n }),
  // @ts-expect-error a reducer too many
  counting.reduce({ ping: (n) => n, "reminder/set": (n) => n, pong: (n: number) => n }),
  // @ts-expect-error a field of another event's payload
  counting.reduce({ ping: (n, { payload }) => n + payload.id.length, "reminder/set": (n) => n }),
  // @ts-expect-error another state than the declared
  counting.reduce({ ping: (n) => `${n}`, "reminder/set": (n) => n }),
  // @ts-expect-error a reducer has no effects
  counting.reduce({ ping: (n) => Effect.succeed(n), "reminder/set": (n) => n }),
  // @ts-expect-error a start that is no state
  Processor.make("wrong", { state: Schema.Int, initial: "none", consumes: [Ping] }),
  // @ts-expect-error an event by its name alone
  Processor.make("wrong", { state: Schema.Int, initial: 0, consumes: ["ping"] }),
  // @ts-expect-error a state without a schema
  Processor.make("wrong", { initial: 0, consumes: [Ping] }),
  // @ts-expect-error a member of the union without one of its fields
  Processor.make("wrong", { state: OrderState, initial: { _tag: "Open", id: "a" }, consumes: [Ping] }),
  // @ts-expect-error work that is no record by key
  mute.fibers({ ring: (n) => [n].length }),
  // @ts-expect-error work of a state that is not the declared
  mute.fibers({ ring: (state) => ({ all: state.pending }) })
]

const refusedHooks = () => [
  // @ts-expect-error a field of another event's payload
  PingPong.toLayer({ afterAppend: { ping: (event) => Effect.log(event.payload.to) } }),
  // @ts-expect-error a hook for what is not consumed
  PingPong.toLayer({ afterAppend: { pong: () => Effect.void } }),
  // @ts-expect-error the same through `of`
  PingPong.of({ afterAppend: { ping: () => Effect.void, pong: () => Effect.void } }),
  // @ts-expect-error an event that is not declared
  PingPong.toLayer({ afterAppend: { ping: (_, { emit }) => emit(ReminderRang.make({ id: "tea" })) } }),
  // @ts-expect-error an event that no EventType made
  PingPong.toLayer({ afterAppend: { ping: (_, { emit }) => emit({ type: "pong", payload: { to: "ada" } }) } }),
  // @ts-expect-error a payload of another event
  PingPong.toLayer({ afterAppend: { ping: (_, { emit }) => emit(Pong.make({ from: "ada" })) } }),
  // @ts-expect-error nothing is declared
  mute.toLayer({ afterAppend: { ping: (_, { emit }) => emit(Pong.make({ to: "ada" })) } }),
  // @ts-expect-error a field that the state has not
  PingPong.toLayer({ afterAppend: { ping: (_, { state }) => Effect.log(state.pongs) } }),
  // @ts-expect-error a hook is an Effect
  PingPong.toLayer({ afterAppend: { ping: () => undefined } }),
  // @ts-expect-error a hook needs no service: the Effect that makes the hooks acquires it
  // @effect-diagnostics-next-line missingEffectContext:off
  PingPong.toLayer({ afterAppend: { ping: () => Mail.use((mail) => mail.send("ada")) } }),
  // @ts-expect-error hooks of another processor
  PingPong.toLayer(Effect.succeed(Reminder.of({ fibers: { ring: () => Effect.void, count: () => Effect.void } }))),
  // @ts-expect-error work that the definition does not ask for
  PingPong.toLayer({ fibers: { ring: () => Effect.void } }),
  // @ts-expect-error an option of another name
  PingPong.toLayer({}, { stream: "/games" })
]

const refusedFibers = () => [
  // @ts-expect-error how they run is left out
  Reminder.toLayer({}),
  // @ts-expect-error a kind is left out
  Reminder.toLayer({ fibers: { ring: () => Effect.void } }),
  // @ts-expect-error the same through `of`
  Reminder.of({ fibers: { ring: () => Effect.void } }),
  // @ts-expect-error a kind too many
  Reminder.toLayer({ fibers: { ring: () => Effect.void, count: () => Effect.void, snooze: () => Effect.void } }),
  // @ts-expect-error an input of another type
  Reminder.toLayer({ fibers: { ring: (at: string) => Effect.log(at), count: () => Effect.void } }),
  // @ts-expect-error the input of another kind
  Reminder.toLayer({ fibers: { ring: (at) => Effect.sleep(at), count: () => Effect.void } }),
  Reminder.toLayer({
    fibers: {
      ring: () => Effect.void,
      // @ts-expect-error the same where more is said of the kind
      count: { whilePaused: true, run: (all: string) => Effect.log(all) }
    }
  }),
  // @ts-expect-error an event that is not declared
  Reminder.toLayer({ fibers: { ring: (_, { append }) => append(Ping.make({ from: "a" })), count: () => Effect.void } }),
  Reminder.toLayer({
    fibers: {
      // @ts-expect-error an event that no EventType made
      ring: (_, { append, key }) => append({ type: "reminder/rang", payload: { id: key } }),
      // @ts-expect-error a cursor is JSON
      count: (_, { moveCursor }) => moveCursor(new Date())
    }
  })
]

it("is judged by the compiler", () => {
  assert.isFunction(accepted)
  for (const refused of [refusedDefinitions, refusedHooks, refusedFibers]) assert.isFunction(refused)
})
