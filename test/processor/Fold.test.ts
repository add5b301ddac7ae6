/** A processor folded on one stream: what a step says, what is seen of the state, and what it asks for. */
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Layer, Schema } from "effect"
import * as fc from "fast-check"
import type { Event } from "../../src/domain/Event.ts"
import { Offset } from "../../src/domain/Event.ts"
import { EventType } from "../../src/domain/EventType.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import type { Asked, Folding, HookTools, Step } from "../../src/processor/Folding.ts"
import { Processor } from "../../src/processor/Processor.ts"
import type { Any } from "../../src/processor/Processor.ts"
import type { Processors } from "../../src/processor/Processors.ts"
import * as Registered from "../../src/testing/Registered.ts"
import { Ping, PingPong, Pong, Reminder, ReminderRang, ReminderSet } from "./Games.ts"

const recorded = (input: { readonly type: string; readonly payload: Schema.Json }, offset = 2): Event => ({
  type: input.type,
  payload: input.payload,
  offset: Offset.make(offset),
  streamPath: StreamPath.make("/games"),
  createdAt: DateTime.makeUnsafe(0)
})

/** Folds the events in order and returns the folding. */
const folded = (processor: Any, ...events: ReadonlyArray<Event>): Folding => {
  const folding = processor.fold()
  for (const event of events) folding.step(event)
  return folding
}

const registered = (definition: Any, layer: Layer.Layer<never, never, Processors>) =>
  Effect.runSync(Effect.scoped(Registered.processor(definition, Layer.build(layer))))

const hookOf = (step: Step) => step._tag === "Folded" ? step.hook : undefined

const tools: HookTools = { streamPath: "/games", idempotencyKey: "key", emit: () => Effect.void }
const at = (iso: string) => DateTime.makeUnsafe(iso)
const tea = at("2026-04-01T10:00:00.000Z")

describe("step", () => {
  it("folds what is consumed, and passes what is not", () => {
    const folding = PingPong.fold()
    assert.strictEqual(folding.state(), `{"pings":0}`)
    assert.deepStrictEqual(folding.step(recorded(Ping.make({ from: "ada" }))), { _tag: "Folded", hook: undefined })
    assert.strictEqual(folding.state(), `{"pings":1}`)
    assert.deepStrictEqual(folding.step(recorded(Pong.make({ to: "ada" }))), { _tag: "Passed" })
    assert.strictEqual(folding.state(), `{"pings":1}`)
  })

  it("passes over a payload that does not fit, and says why in one line", () => {
    const folding = folded(Reminder, recorded(ReminderSet.make({ id: "tea", at: tea })))
    const before = folding.state()
    for (const payload of [{ id: "tea" }, { id: "tea", at: "soon" }, { id: 1, at: "soon" }, null, [], "tea"]) {
      const step = folding.step(recorded({ type: "reminder/set", payload }))
      assert.strictEqual(step._tag, "Misfit")
      if (step._tag === "Misfit") assert.match(step.message, /^\S.*\S$/)
    }
    assert.strictEqual(folding.state(), before)
  })

  it("a reducer that throws leaves the state as it was", () => {
    const failing = Processor.make("failing", { state: Schema.Int, initial: 1, consumes: [Ping] }).reduce({
      ping: (count, { payload }) => {
        if (payload.from === "eve") throw new Error("not you")
        return count + 1
      }
    })
    const folding = folded(failing, recorded(Ping.make({ from: "ada" })))
    assert.throws(() => folding.step(recorded(Ping.make({ from: "eve" }))), "not you")
    assert.strictEqual(folding.state(), "2")
  })

  it("a state that does not fit its schema can not be written", () => {
    const halved = Processor.make("halved", { state: Schema.Int, initial: 1, consumes: [Ping] }).reduce({
      ping: (count) => count / 2
    })
    assert.throws(() => folded(halved, recorded(Ping.make({ from: "ada" }))).state())
  })

  it("two foldings of one definition know nothing of each other", () => {
    const one = PingPong.fold()
    const other = PingPong.fold()
    one.step(recorded(Ping.make({ from: "ada" })))
    assert.strictEqual(other.state(), `{"pings":0}`)
  })

  it("every event goes to `*`, as it was sent, unless another key names its type", () => {
    const seen = Processor.make("seen", {
      state: Schema.Array(Schema.String),
      initial: [],
      consumes: [EventType.any, Ping]
    }).reduce({
      "*": (state, event) => [...state, `${event.type} ${JSON.stringify(event.payload)}`],
      ping: (state, { payload }) => [...state, `from ${payload.from}`]
    })
    const folding = folded(
      seen,
      recorded({ type: "stream/initialized", payload: { path: "/games" } }),
      recorded(Ping.make({ from: "ada" })),
      recorded({ type: "*", payload: 1 }),
      recorded({ type: "toString", payload: [] })
    )
    const step = folding.step(recorded({ type: "ping", payload: {} }))
    assert.strictEqual(step._tag, "Misfit")
    assert.deepStrictEqual(JSON.parse(folding.state()), [
      `stream/initialized {"path":"/games"}`,
      "from ada",
      "* 1",
      "toString []"
    ])
  })

  it("a type of any name is only that: none is inherited from objects", () => {
    const named = EventType.make("constructor", Schema.Int)
    const definition = Processor.make("named", { state: Schema.Int, initial: 0, consumes: [named] }).reduce({
      constructor: (state, { payload }) => state + payload
    })
    const step = registered(definition, definition.toLayer({ afterAppend: {} })).fold().step(
      recorded(named.make(2))
    )
    assert.isUndefined(hookOf(step))
    assert.deepStrictEqual(definition.fold().step(recorded({ type: "toString", payload: 1 })), { _tag: "Passed" })
  })

  it("one type can not be consumed twice", () => {
    const twice = Processor.make("twice", { state: Schema.Int, initial: 0, consumes: [Ping, Ping] })
    assert.throws(() => twice.reduce({ ping: (n) => n }), "twice consumes ping twice")
  })
})

describe("hooks", () => {
  it.effect("runs with the decoded event, the state after it and the one before, however late", () =>
    Effect.gen(function*() {
      const ran: Array<unknown> = []
      const layer = Reminder.toLayer({
        afterAppend: {
          "reminder/set": ({ offset, payload }, { previous, state, streamPath }) =>
            Effect.sync(() => {
              ran.push([offset, payload.at, Object.keys(previous.pending), Object.keys(state.pending), streamPath])
            })
        },
        fibers: { ring: () => Effect.void, count: () => Effect.void }
      })
      const folding = registered(Reminder, layer).fold()
      const first = hookOf(folding.step(recorded(ReminderSet.make({ id: "tea", at: tea }), 2)))
      const second = hookOf(folding.step(recorded(ReminderSet.make({ id: "egg", at: tea }), 3)))
      assert.isUndefined(hookOf(folding.step(recorded(ReminderRang.make({ id: "tea" }), 4))))
      assert.deepStrictEqual(ran, [])
      for (const hook of [second, first]) {
        yield* Effect.scoped(Effect.suspend(() => hook?.(tools) ?? Effect.die("no hook")))
      }
      assert.deepStrictEqual(ran, [
        [3, tea, ["tea"], ["tea", "egg"], "/games"],
        [2, tea, [], ["tea"], "/games"]
      ])
    }))

  it("only a definition has none", () => {
    assert.isUndefined(hookOf(PingPong.fold().step(recorded(Ping.make({ from: "ada" })))))
    const layer = PingPong.toLayer({ afterAppend: { ping: () => Effect.void } })
    assert.isFunction(hookOf(registered(PingPong, layer).fold().step(recorded(Ping.make({ from: "ada" })))))
  })
})

describe("asked", () => {
  const inputs = (folding: Folding) => [...folding.asked().values()].map(({ input, key, kind }) => [kind, key, input])
  const only = (folding: Folding, kind: string): Asked => {
    const found = [...folding.asked().values()].filter((asked) => asked.kind === kind)
    if (found[0] === undefined) throw new Error(`no ${kind}`)
    return found[0]
  }

  it("lists the work that the state calls for, by kind and key", () => {
    const folding = folded(Reminder, recorded(ReminderSet.make({ id: "tea", at: tea })))
    assert.deepStrictEqual(inputs(folding), [["ring", "tea", `"2026-04-01T10:00:00.000Z"`], ["count", "all", "1"]])
    folding.step(recorded(ReminderRang.make({ id: "tea" })))
    assert.deepStrictEqual(inputs(folding), [["count", "all", "0"]])
  })

  it("is the same map for the same state", () => {
    const folding = folded(Reminder, recorded(ReminderSet.make({ id: "tea", at: tea })))
    const asked = folding.asked()
    assert.strictEqual(folding.asked(), asked)
    folding.step(recorded(Ping.make({ from: "ada" })))
    assert.strictEqual(folding.asked(), asked)
    folding.step(recorded(ReminderSet.make({ id: "egg", at: tea })))
    assert.notStrictEqual(folding.asked(), asked)
    assert.strictEqual(asked.size, 2)
  })

  it("the kind and the key are told apart, whatever they hold", () => {
    const odd = Processor.make("odd", { state: Schema.Int, initial: 0, consumes: [Ping] }).reduce({ ping: (n) => n })
      .fibers({ a: () => ({ "b/c": 1 }), "a/b": () => ({ c: 2 }), constructor: () => ({ toString: 3 }) })
    assert.deepStrictEqual(inputs(odd.fold()), [["a", "b/c", "1"], ["a/b", "c", "2"], ["constructor", "toString", "3"]])
  })

  it("inputs that are equal by value are equal texts", () => {
    const At = Schema.Struct({ at: Schema.DateTimeUtcFromString, of: Schema.Record(Schema.String, Schema.Json) })
    const Moved = EventType.make("moved", At)
    const moving = Processor.make("moving", { state: Schema.NullOr(At), initial: null, consumes: [Moved] })
      .reduce({ moved: (_, { payload }) => payload })
      .fibers({ move: (state) => state === null ? {} : { it: { nested: [state], at: state.at } } })
    const input = (iso: string, of: { readonly [key: string]: Schema.Json }) =>
      only(folded(moving, recorded(Moved.make({ at: at(iso), of }))), "move").input
    const one = input("2026-04-01T10:00:00.000Z", { a: 1, b: [{ c: 1, d: 2 }] })
    assert.strictEqual(input("2026-04-01T12:00:00.000+02:00", { b: [{ d: 2, c: 1 }], a: 1 }), one)
    assert.notStrictEqual(input("2026-04-01T10:00:00.001Z", { a: 1, b: [{ c: 1, d: 2 }] }), one)
    assert.notStrictEqual(input("2026-04-01T10:00:00.000Z", { a: 1, b: [{ c: 2, d: 1 }] }), one)
    assert.notStrictEqual(input("2026-04-01T10:00:00.000Z", { a: 1, b: { 0: { c: 1, d: 2 } } }), one)
  })

  it("an input that is no plain data is refused each time, and says which it is", () => {
    const wild = Processor.make("wild", { state: Schema.Int, initial: 0, consumes: [Ping] })
      .reduce({ ping: (n) => n + 1 })
      .fibers({ ring: (count) => count === 0 ? {} : { tea: { each: new Map([[1, count]]) } } })
    const folding = wild.fold()
    assert.strictEqual(folding.asked().size, 0)
    folding.step(recorded(Ping.make({ from: "ada" })))
    for (let i = 0; i < 2; i++) {
      assert.throws(() => folding.asked(), /a Map is not plain data, at fibers → ring → tea → each/)
    }
  })

  it("an input that changed beside one that was refused is known to have changed", () => {
    const both = Processor.make("both", { state: Schema.Int, initial: 0, consumes: [Ping] })
      .reduce({ ping: (n) => n + 1 })
      .fibers({ ring: (count) => ({ tea: Math.min(count, 1), ...(count === 1 ? { egg: Number.NaN } : {}) }) })
    const folding = both.fold()
    assert.strictEqual(only(folding, "ring").input, "0")
    folding.step(recorded(Ping.make({ from: "ada" })))
    assert.throws(() => folding.asked(), /NaN is not plain data/)
    folding.step(recorded(Ping.make({ from: "ada" })))
    assert.strictEqual(only(folding, "ring").input, "1")
  })

  it.effect("runs with the value that was asked for, and the state when it is started", () =>
    Effect.gen(function*() {
      const ran: Array<unknown> = []
      const layer = Reminder.toLayer({
        fibers: {
          ring: (at, { key, state }) => Effect.sync(() => ran.push([at, key, Object.keys(state.pending)])),
          count: { whilePaused: true, run: (all) => Effect.sync(() => ran.push(all)) }
        }
      })
      const folding = registered(Reminder, layer).fold()
      folding.step(recorded(ReminderSet.make({ id: "tea", at: tea })))
      const asked = [...folding.asked().values()]
      assert.deepStrictEqual(asked.map(({ whilePaused }) => whilePaused), [false, true])
      folding.step(recorded(ReminderSet.make({ id: "egg", at: tea })))
      for (const { key, run } of asked) {
        const running = run?.({
          streamPath: "/games",
          key,
          idempotencyKey: "key",
          cursor: Effect.undefined,
          moveCursor: () => Effect.void,
          append: () => Effect.die("appends nothing"),
          appendAll: () => Effect.die("appends nothing")
        })
        yield* Effect.scoped(running ?? Effect.die("does not run"))
      }
      assert.deepStrictEqual(ran, [[tea, "tea", ["tea", "egg"]], 1])
    }))
})

describe("a checkpoint", () => {
  const State = Schema.Struct({
    text: Schema.String,
    number: Schema.Number,
    at: Schema.NullOr(Schema.DateTimeUtcFromString),
    big: Schema.BigInt,
    maybe: Schema.optionalKey(Schema.Date),
    unset: Schema.optional(Schema.Int),
    by: Schema.Record(Schema.String, Schema.Array(Schema.Json)),
    seen: Schema.ReadonlySet(Schema.String)
  })
  const Put = EventType.make("put", Schema.Struct({ name: Schema.String, value: Schema.Json, number: Schema.Number }))
  const keeping = Processor.make("keeping", {
    state: State,
    initial: { text: "", number: 0, at: null, big: 0n, by: {}, seen: new Set<string>() },
    consumes: [Put, EventType.any]
  }).reduce({
    "*": (state, { offset }) => ({ ...state, maybe: new Date(offset), unset: offset % 2 === 0 ? undefined : offset }),
    put: (state, { offset, payload: { name, number, value } }) => ({
      ...state,
      text: state.text + name,
      number: state.number + number,
      at: DateTime.makeUnsafe(offset * 1_000),
      big: state.big * 3n + BigInt(offset),
      by: { ...state.by, [name]: [...(Object.hasOwn(state.by, name) ? state.by[name] ?? [] : []), value] },
      seen: new Set([...state.seen, name])
    })
  })

  const name = fc.oneof(fc.string({ unit: "binary" }), fc.constantFrom("__proto__", "constructor", "1", "0", ""))
  const value = fc.json().map((text): Schema.Json => JSON.parse(text))
  const event = fc.oneof(
    fc.record({ name, value, number: fc.double() }).map((payload) => Put.make(payload)),
    fc.constant({ type: "put", payload: "no fit" }),
    fc.constant({ type: "other", payload: {} })
  )
  const history = fc.array(event, { maxLength: 12 }).map((all) => all.map((each, index) => recorded(each, index + 1)))

  it("fold from the start and fold from any checkpoint are the same, byte for byte", () => {
    fc.assert(fc.property(history, fc.nat(), (events, cut) => {
      const place = cut % (events.length + 1)
      const live = folded(keeping, ...events)
      const checkpoint = { state: folded(keeping, ...events.slice(0, place)).state() }
      const resumed = keeping.fold(checkpoint)
      assert.strictEqual(resumed.state(), checkpoint.state)
      for (const each of events.slice(place)) resumed.step(each)
      assert.strictEqual(resumed.state(), live.state())
    }), { numRuns: 500 })
  })

  it("asks for the same", () => {
    fc.assert(fc.property(fc.array(fc.record({ id: name, millis: fc.nat() })), (all) => {
      const events = all.map(({ id, millis }) => recorded(ReminderSet.make({ id, at: DateTime.makeUnsafe(millis) })))
      const live = folded(Reminder, ...events)
      assert.deepStrictEqual([...Reminder.fold({ state: live.state() }).asked()], [...live.asked()])
    }))
  })

  it("stays as it was while folding goes on", () => {
    const folding = folded(PingPong, recorded(Ping.make({ from: "ada" })))
    const frozen = folding.freeze()
    folding.step(recorded(Ping.make({ from: "ada" })))
    assert.strictEqual(frozen.text(), `{"pings":1}`)
    assert.strictEqual(folding.state(), `{"pings":2}`)
  })

  it("of another schema is refused", () => {
    assert.throws(() => PingPong.fold({ state: `{"pongs":1}` }))
  })
})
