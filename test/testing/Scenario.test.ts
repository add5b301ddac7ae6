import { assert, describe, it } from "@effect/vitest"
import { Context, DateTime, Effect, Exit, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"
import { AssertionError } from "node:assert"
import { ProcessorParked } from "../../src/domain/ControlEvent.ts"
import { Cause, Offset } from "../../src/domain/Event.ts"
import { EventType } from "../../src/domain/EventType.ts"
import { Processor } from "../../src/processor/Processor.ts"
import type { Processors } from "../../src/processor/Processors.ts"
import * as Scenario from "../../src/testing/Scenario.ts"
import { Ping, PingPong, Pong, Reminder, ReminderRang, ReminderSet } from "../processor/Games.ts"

class Mail extends Context.Service<Mail, { readonly send: (to: string) => Effect.Effect<boolean> }>()("test/Mail") {}
class Ledger extends Context.Service<Ledger, { readonly of: Processors | undefined }>()("test/Ledger") {}

const ping = Ping.make({ from: "ada" })
const pong = Pong.make({ to: "ada" })
const layer = PingPong.toLayer({
  afterAppend: { ping: (event, { emit }) => emit(Pong.make({ to: event.payload.from })) }
})
const tea = DateTime.makeUnsafe("2026-04-01T10:00:00.000Z")

/** What an assertion said, and what it compared. */
const refused = <A, R>(effect: Effect.Effect<A, unknown, R>) =>
  Effect.exit(effect).pipe(Effect.map((exit) => {
    const defect = Exit.isFailure(exit) ? exit.cause.reasons.find((reason) => reason._tag === "Die")?.defect : undefined
    if (defect instanceof AssertionError) return defect
    throw new Error(`no assertion failed: ${String(exit)}`)
  }))

describe("Scenario", () => {
  it.effect("given events, when one happens, then this is the state and that is emitted", () =>
    Scenario.make(PingPong, layer)
      .given(ping, ping)
      .when(ping)
      .then({ state: { pings: 3 }, emitted: [pong], asked: [] }))

  it.effect("the outcome is there to be looked at", () =>
    Effect.gen(function*() {
      const { asked, emitted, misfits, state } = yield* Scenario.make(PingPong, layer).when(ping)
      assert.deepStrictEqual(state, { pings: 1 })
      assert.deepStrictEqual(emitted, [{ type: "pong", payload: { to: "ada" } }])
      assert.deepStrictEqual([asked, misfits], [[], []])
    }))

  it.effect("without hooks only the definition is tried", () =>
    Scenario.make(Reminder)
      .given(ReminderSet.make({ id: "tea", at: tea }))
      .when(ReminderSet.make({ id: "egg", at: tea }))
      .then({
        state: { pending: { egg: tea, tea } },
        emitted: [],
        asked: [
          { kind: "ring", key: "egg", input: tea },
          { kind: "ring", key: "tea", input: tea },
          { kind: "count", key: "all", input: 2 }
        ]
      }))

  it.effect("a given stream is told again from where it was: nothing given changes it", () =>
    Effect.gen(function*() {
      const empty = Scenario.make(PingPong, layer)
      const once = empty.given(ping)
      yield* once.given(ping, ping).when(ping).then({ state: { pings: 4 } })
      yield* once.when(ping).then({ state: { pings: 2 } })
      const next = empty.when(ping)
      for (let i = 0; i < 2; i++) yield* next.then({ state: { pings: 1 }, emitted: [pong] })
    }))

  it.effect("no hook runs for what the log says of its own processor", () =>
    Effect.gen(function*() {
      const Watching = Processor.make("watching", {
        state: Schema.Int,
        initial: 0,
        consumes: [ProcessorParked],
        emits: [Pong]
      }).reduce({ "processor/parked": (seen) => seen + 1 })
      const parked = (name: string) => ProcessorParked.make({ name, offset: Offset.make(1), error: "rain" })
      const watching = Scenario.make(Watching, {
        afterAppend: { "processor/parked": (_, { emit }) => emit(Pong.make({ to: "ada" })) }
      })
      yield* watching.when(parked("watching")).then({ state: 1, emitted: [] })
      yield* watching.when(parked("another")).then({ state: 1, emitted: [pong] })
    }))

  it.effect("the hook runs for what happens, not for what was given", () =>
    Effect.gen(function*() {
      const ran: Array<number> = []
      const hooks = PingPong.of({ afterAppend: { ping: ({ offset }) => Effect.sync(() => ran.push(offset)) } })
      yield* Scenario.make(PingPong, hooks).given(ping, pong).when(ping)
      // Behind `stream/initialized` and the two.
      assert.deepStrictEqual(ran, [4])
    }))

  it.effect("hooks get their services, for as long as they run", () =>
    Effect.gen(function*() {
      const sent: Array<string> = []
      let open = false
      const mail = Layer.effect(Mail)(Effect.acquireRelease(
        Effect.sync(() => {
          open = true
          return { send: (to: string) => Effect.sync(() => open && sent.push(to) > 0) }
        }),
        () => Effect.sync(() => open = false)
      ))
      const hooks = Effect.map(Mail, ({ send }) =>
        PingPong.of({
          afterAppend: {
            ping: ({ payload }, { emit }) =>
              Effect.flatMap(send(payload.from), (sent) => sent ? emit(Pong.make({ to: payload.from })) : Effect.void)
          }
        }))
      yield* Scenario.make(PingPong, hooks).when(ping).then({ emitted: [pong] }).pipe(Effect.provide(mail))
      assert.isFalse(open)
      const whole = PingPong.toLayer(hooks).pipe(Layer.provide(mail))
      yield* Scenario.make(PingPong, whole).when(ping).then({ emitted: [pong] })
      assert.deepStrictEqual([sent, open], [["ada", "ada"], false])
    }))

  it.effect("what is emitted to another stream says so, to its own does not", () =>
    Effect.gen(function*() {
      const hooks = PingPong.of({
        afterAppend: {
          ping: (_, { emit, streamPath }) =>
            Effect.all([
              emit(pong, { streamPath: "/other" }),
              emit(Pong.make({ to: "me" }, { metadata: { a: 1 }, idempotencyKey: "k" }), { streamPath })
            ])
        }
      })
      const next = Scenario.make(PingPong, hooks, { streamPath: "/games/1" }).when(ping)
      yield* next.then({
        emitted: [
          { ...pong, streamPath: "/other" },
          { type: "pong", payload: { to: "me" }, metadata: { a: 1 }, idempotencyKey: "k" }
        ]
      })
      yield* next.then({
        emitted: [
          { ...pong, streamPath: "/other" },
          Pong.make({ to: "me" }, { metadata: { a: 1 }, idempotencyKey: "k" })
        ]
      })
    }))

  it.effect("a hook sees the state after and before, and the same key each time", () =>
    Effect.gen(function*() {
      const seen: Array<unknown> = []
      const hooks = PingPong.of({
        afterAppend: {
          ping: (_, { idempotencyKey, previous, state }) =>
            Effect.sync(() => seen.push([previous.pings, state.pings, idempotencyKey]))
        }
      })
      const next = Scenario.make(PingPong, hooks).given(ping).when(ping)
      yield* next
      yield* next
      assert.deepStrictEqual(seen[0], seen[1])
      assert.deepInclude(seen[0], 2)
    }))

  it.effect("fails as the hook does, and where the log would refuse what it emits", () =>
    Effect.gen(function*() {
      const failing = PingPong.of({ afterAppend: { ping: () => Effect.fail("no line") } })
      assert.strictEqual(yield* Effect.flip(Scenario.make(PingPong, failing).when(ping)), "no line")
      const lost = PingPong.of({ afterAppend: { ping: (_, { emit }) => emit(pong, { streamPath: "nowhere" }) } })
      assert.deepInclude(yield* Effect.flip(Scenario.make(PingPong, lost).when(ping)), { _tag: "InvalidPath" })
      const nameless = PingPong.of({
        afterAppend: { ping: (_, { emit }) => emit(Pong.make({ to: "ada" }, { idempotencyKey: "" })) }
      })
      assert.deepInclude(yield* Effect.flip(Scenario.make(PingPong, nameless).when(ping)), { _tag: "InvalidEvent" })
    }))

  it.effect("dies where the reducer throws", () =>
    Effect.gen(function*() {
      const failing = Processor.make("failing", { state: Schema.Int, initial: 0, consumes: [Ping] }).reduce({
        ping: () => {
          throw new Error("not you")
        }
      })
      assert.include(String(yield* Effect.exit(Scenario.make(failing).given(ping).when(ping))), "not you")
    }))

  it.effect("events happen at the Clock's time, unless they have their own", () =>
    Effect.gen(function*() {
      const timed = Processor.make("timed", {
        state: Schema.Array(Schema.DateTimeUtcFromString),
        initial: [],
        consumes: [Ping]
      }).reduce({ ping: (all, { createdAt }) => [...all, createdAt] })
      yield* TestClock.setTime(tea.epochMilliseconds)
      const earlier = DateTime.subtract(tea, { hours: 1 })
      yield* Scenario.make(timed).given({ ...ping, createdAt: earlier }).when(ping).then({ state: [earlier, tea] })
    }))

  it.effect("every event of the stream is there, its first too", () =>
    Effect.gen(function*() {
      const every = Processor.make("every", {
        state: Schema.Array(Schema.String),
        initial: [],
        consumes: [EventType.any]
      }).reduce({ "*": (all, event) => [...all, `${event.offset} ${event.type} ${event.cause?.streamPath ?? ""}`] })
      const cause = yield* Schema.decodeEffect(Cause)({ streamPath: "/a", offset: 2, processor: "b", hops: 1 })
      yield* Scenario.make(every).given(ping).when({ type: "anything", cause }).then({
        state: ["1 stream/initialized ", "2 ping ", "3 anything /a"]
      })
    }))
})

describe("an assertion", () => {
  it.effect("shows what is and what should be, of all that was named", () =>
    Effect.gen(function*() {
      const error = yield* refused(
        Scenario.make(PingPong, layer).when(ping).then({ state: { pings: 2 }, emitted: [Pong.make({ to: "eve" })] })
      )
      const to = (name: string) => [{ type: "pong", payload: { to: name } }]
      assert.deepStrictEqual(error.actual, { misfits: [], state: { pings: 1 }, emitted: to("ada") })
      assert.deepStrictEqual(error.expected, { misfits: [], state: { pings: 2 }, emitted: to("eve") })
      // Where it was written, for whoever has to look.
      assert.match(error.stack ?? "", /^AssertionError: Expected[^]*?\n {4}at [^\n]*Scenario\.test\.ts:/)
      assert.match(error.message, /\+ {9}to: 'ada'\n- {9}to: 'eve'/)
    }))

  it.effect("looks at what is asked for", () =>
    Effect.gen(function*() {
      const next = Scenario.make(Reminder).when(ReminderSet.make({ id: "tea", at: tea }))
      const later = DateTime.add(tea, { minutes: 1 })
      yield* next.then({ asked: [{ kind: "count", key: "all", input: 1 }, { kind: "ring", key: "tea", input: tea }] })
      yield* refused(next.then({ asked: [{ kind: "count", key: "all", input: 1 }] }))
      yield* refused(next.then({
        asked: [{ kind: "count", key: "all", input: 1 }, { kind: "ring", key: "tea", input: later }]
      }))
      yield* refused(next.then({ emitted: [ReminderRang.make({ id: "tea" })] }))
    }))

  it.effect("a payload that does not fit is told, unless it was expected", () =>
    Effect.gen(function*() {
      const next = Scenario.make(PingPong, layer)
        .given({ type: "ping", payload: { from: 1 } }, ping)
        .when({ type: "ping" })
      yield* next.then({ state: { pings: 1 }, emitted: [], misfits: [2, 4] })
      const error = yield* refused(next.then({ state: { pings: 1 }, misfits: [2] }))
      assert.match(JSON.stringify(error.actual), /"misfits":\[2,\{"offset":4,"message":"Missing key at .*from/)
    }))

  it.effect("finds a reducer that is not pure", () =>
    Effect.gen(function*() {
      let calls = 0
      const counting = Processor.make("counting", { state: Schema.Int, initial: 0, consumes: [Ping] }).reduce({
        ping: () => ++calls
      })
      const error = yield* refused(Scenario.make(counting).given(ping).when(ping))
      assert.match(error.message, /counting is not pure/)
    }))

  it.effect("finds a state that does not survive a restart", () =>
    Effect.gen(function*() {
      // The compiler lets a wider value pass; the schema writes only what it names.
      const Told = EventType.make("told", Schema.Struct({ from: Schema.String, secret: Schema.Boolean }))
      const State = Schema.Struct({ last: Schema.Struct({ from: Schema.String }), secrets: Schema.Int })
      const forgetful = Processor.make("forgetful", {
        state: State,
        initial: { last: { from: "" }, secrets: 0 },
        consumes: [Told]
      }).reduce({
        told: ({ last, secrets }, { payload }) => ({ last: payload, secrets: secrets + ("secret" in last ? 1 : 0) })
      })
      const told = Told.make({ from: "ada", secret: true })
      const error = yield* refused(Scenario.make(forgetful).given(told).when(told))
      assert.match(error.message, /forgetful comes to another state after a restart/)
    }))

  it.effect("a Layer that registers another processor says which", () =>
    Effect.gen(function*() {
      const exit = yield* Effect.exit(Scenario.make(Reminder, layer).when(ping))
      assert.include(String(exit), "reminder is not registered, but ping-pong")
    }))

  it("awaiting an outcome says what to do instead", () => {
    const next: unknown = Scenario.make(PingPong, layer).when(ping)
    return Promise.resolve(next).then(
      () => assert.fail("it is no promise"),
      (error: unknown) => assert.include(String(error), "yield* it instead of await")
    )
  })
})

const compiler = () => {
  const scenario = Scenario.make(PingPong, layer)
  const free: Effect.Effect<unknown, unknown> = scenario.when(ping)
  const needing = Layer.effectDiscard(Effect.asVoid(Ledger))
  const all = Layer.merge(layer, needing)
  const needed: Effect.Effect<unknown, unknown, Ledger> = Scenario.make(PingPong, all).when(ping).then({})
  // @ts-expect-error the service is still to be provided
  // @effect-diagnostics-next-line missingEffectContext:off
  const unprovided: Effect.Effect<unknown, unknown> = Scenario.make(PingPong, all).when(ping)
  return [
    free,
    needed,
    unprovided,
    // @ts-expect-error another state
    scenario.when(ping).then({ state: { pongs: 1 } }),
    // @ts-expect-error an event that it does not emit
    scenario.when(ping).then({ emitted: [ping] }),
    // @ts-expect-error work that it does not ask for
    scenario.when(ping).then({ asked: [{ kind: "ring", key: "tea", input: tea }] }),
    // @ts-expect-error the input of another kind
    Scenario.make(Reminder).when(ping).then({ asked: [{ kind: "count", key: "all", input: tea }] }),
    // @ts-expect-error hooks of another processor
    Scenario.make(Reminder, PingPong.of({ afterAppend: { ping: () => Effect.void } })),
    // @ts-expect-error a kind of fiber is left out
    Scenario.make(Reminder, { fibers: { ring: () => Effect.void } }),
    // @ts-expect-error no event
    scenario.given({ kind: "ping" })
  ]
}

it("is judged by the compiler", () => assert.isFunction(compiler))
