/** What owners elsewhere say of their work, as often and as wrongly as they may, on a log in memory. */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Option, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Offset } from "../../src/domain/Event.ts"
import * as EventText from "../../src/domain/EventText.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import { Growth } from "../../src/log/Growth.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
import type { Claiming } from "../../src/processor/Claims.ts"
import { Claims } from "../../src/processor/Claims.ts"
import type { Committing } from "../../src/processor/Commits.ts"
import { Processor } from "../../src/processor/Processor.ts"
import type { Emit } from "../../src/processor/Stamping.ts"
import * as Supervisor from "../../src/processor/Supervisor.ts"

const path = StreamPath.make("/games/1")
const options = { maxHops: 256, leaseMillis: 5_000 }

/** Counts the looks at the log, and lets something happen behind the next page that is read. */
const watched = () => {
  const seen: { pages: number; lists: number; behind?: Effect.Effect<unknown> } = { pages: 0, lists: 0 }
  const store = Layer.effect(EventStore, Effect.map(EventStore, (store) =>
    EventStore.of({
      ...store,
      read: (path, options) =>
        Effect.tap(store.read(path, options), () => {
          const { behind = Effect.void } = seen
          delete seen.behind
          seen.pages += 1
          return behind
        })
    })))
  const checkpoints = Layer.effect(Checkpoints, Effect.map(Checkpoints, (checkpoints) =>
    Checkpoints.of({
      ...checkpoints,
      // What the server runs itself stays behind.
      unprepared: () => Effect.never,
      undone: (processor, after) =>
        Effect.tap(checkpoints.undone(processor, after), () => Effect.sync(() => seen.lists += 1))
    })))
  const log = MemoryEventStore.layerOptions({ breaker: { capacity: 20, refillPerSecond: 1 } }).pipe(
    Layer.provideMerge(Growth.layer)
  )
  const layer = Claims.layer(options).pipe(
    Layer.provideMerge(Supervisor.layer(options)),
    Layer.provideMerge(Layer.merge(store, checkpoints)),
    Layer.provideMerge(log)
  )
  return { seen, layer }
}

const claiming = (more: Partial<Claiming> = {}): Claiming => ({
  registration: { processor: "judge", version: 1, consumes: ["ping"], emits: [], streams: "/**", startFrom: "end" },
  owner: "a",
  takeOver: undefined,
  millis: undefined,
  after: undefined,
  limit: 100,
  waitMillis: 0,
  ...more
})

/** Claims, and has an event to answer at offset 2. */
const begin = Effect.gen(function*() {
  const claims = yield* Claims
  const store = yield* EventStore
  const { held } = yield* claims.claim(claiming())
  if (held === undefined) return yield* Effect.die("nobody else claims")
  yield* store.append({ path, events: [{ type: "ping", payload: "{}" }] })
  const commit = (more: Partial<Committing>) =>
    claims.commit({
      lease: held.lease,
      path,
      offset: 2,
      state: undefined,
      emits: [],
      cursors: [],
      parked: undefined,
      aside: false,
      life: undefined,
      revision: undefined,
      version: undefined,
      fibers: undefined,
      keep: false,
      ...more
    })
  return { claims, store, lease: held.lease, commit }
})

const failed = (message: string): Emit => ({
  event: {
    type: "stream/error-occurred",
    payload: JSON.stringify({ message, source: "processor", processor: "judge" })
  },
  path: undefined,
  cause: undefined
})
const typesOn = Effect.fnUntraced(function*(path: StreamPath) {
  const store = yield* EventStore
  const { lines } = yield* store.read(path, { after: 0 })
  return lines.map((line) => EventText.decode(line).type)
})
const pause = { path, events: [{ type: "stream/paused", payload: "{}" }] }

describe("an owner elsewhere", () => {
  it.effect("of an older version gives way to the one that was registered last", () =>
    Effect.gen(function*() {
      const { claims } = yield* begin
      const { registration } = claiming()
      const newer = claiming({ owner: "b", registration: { ...registration, version: 2 } })
      assert.isDefined((yield* claims.claim(newer)).held)
      yield* TestClock.adjust(options.leaseMillis)
      assert.isUndefined((yield* claims.claim(claiming())).held, "though nobody holds it")
    }).pipe(Effect.provide(watched().layer)))

  it.effect("that starts again after a rollback is registered again, and one that has gone on all the time is not", () =>
    Effect.gen(function*() {
      const { claims } = yield* begin
      const { registration } = claiming()
      const registered = Effect.map((yield* Checkpoints).registered, ([one]) => one?.version)
      const newer = claiming({ owner: "b", registration: { ...registration, version: 2 } })
      assert.isDefined((yield* claims.claim(newer)).held)
      for (let i = 0; i < 40; i++) {
        yield* TestClock.adjust(options.leaseMillis)
        assert.isUndefined((yield* claims.claim(claiming())).held)
      }
      assert.strictEqual(yield* registered, 2)
      yield* TestClock.adjust("61 seconds")
      assert.isDefined((yield* claims.claim(claiming())).held, "it was silent, so it has started again")
      assert.strictEqual(yield* registered, 1)
      assert.isDefined((yield* claims.claim({ ...newer, takeOver: true })).held, "it says so")
      assert.strictEqual(yield* registered, 2)
    }).pipe(Effect.provide(watched().layer)))

  it.effect("that goes on takes no place of another version, even where the server does not know it any more", () =>
    Effect.gen(function*() {
      const { registration } = claiming()
      const checkpoints = yield* Checkpoints
      /** A server that has just started, over the same log. */
      const claimed = (more: Partial<Claiming>) =>
        Effect.flatMap(Claims, (claims) => claims.claim(claiming({ takeOver: false, ...more }))).pipe(
          Effect.provide(Claims.layer(options), { local: true })
        )
      assert.isDefined((yield* claimed({})).held, "what nobody knows is made known")
      yield* checkpoints.register({ ...registration, version: 2 })
      assert.isUndefined((yield* claimed({})).held)
      assert.deepStrictEqual((yield* checkpoints.registered).map(({ version }) => version), [2])
    }).pipe(Effect.provide(watched().layer)))

  it.effect("that goes on is not forgotten, however many others there are, with a name and without", () =>
    Effect.gen(function*() {
      const { claims } = yield* begin
      const { registration } = claiming()
      const registered = Effect.map((yield* Checkpoints).registered, (all) =>
        all.find(({ processor }) => processor === "judge")?.version)
      const newer = claiming({ owner: "b", registration: { ...registration, version: 2 } })
      yield* claims.claim(newer)
      const other = { ...registration, processor: "other" }
      /** Both go on, the older one first: were it forgotten, it would be registered again. */
      const goOn = Effect.gen(function*() {
        yield* claims.claim(claiming())
        assert.strictEqual(yield* registered, 2)
        yield* claims.claim(newer)
      })
      for (let i = 0; i < 1_500; i++) yield* claims.claim(claiming({ registration: other, owner: undefined, limit: 0 }))
      yield* goOn
      for (let i = 0; i < 1_500; i++) {
        yield* claims.claim(claiming({ registration: other, owner: `owner ${i}`, limit: 0 }))
        if (i % 500 === 0) yield* goOn
      }
    }).pipe(Effect.provide(watched().layer)))

  it.effect("that was given a name and comes back with it takes no place of another version", () =>
    Effect.gen(function*() {
      const claims = yield* Claims
      const { registration } = claiming()
      const registered = Effect.map((yield* Checkpoints).registered, ([one]) => one?.version)
      const { owner } = yield* claims.claim(claiming({ owner: undefined }))
      yield* claims.claim(claiming({ owner: "b", registration: { ...registration, version: 2 } }))
      assert.isUndefined((yield* claims.claim(claiming({ owner }))).held)
      assert.strictEqual(yield* registered, 2)
    }).pipe(Effect.provide(watched().layer)))

  it.effect("acts on while the server prepares a version of its own, and registers none", () =>
    Effect.gen(function*() {
      const { claims, commit } = yield* begin
      const checkpoints = yield* Checkpoints
      const registered = Effect.map(checkpoints.registered, ([one]) => one?.version)
      const { registration } = claiming()
      yield* Layer.build(
        Processor.make("judge", { version: 2, state: Schema.Int, initial: 0, consumes: [] }).reduce({}).toLayer({})
      )
      assert.isDefined((yield* claims.claim(claiming())).held)
      assert.isFalse((yield* commit({})).known)
      const others = [{ takeOver: true }, { registration: { ...registration, version: 2 } }, {
        owner: "b",
        registration: { ...registration, version: 3 }
      }]
      for (const more of others) {
        const error = yield* Effect.flip(claims.claim(claiming(more)))
        assert.include(error.message, "judge runs on this server itself")
      }
      assert.strictEqual(yield* registered, 1)
      yield* checkpoints.register({ ...registration, version: 2 })
      assert.include((yield* Effect.flip(claims.claim(claiming()))).message, "judge runs on this server itself")
    }).pipe(Effect.provide(watched().layer)))

  it.effect("does not make a stream anew that was deleted while its append was on the way", () => {
    const { layer, seen } = watched()
    return Effect.gen(function*() {
      const { commit, lease, store } = yield* begin
      const { life } = Option.getOrThrow(yield* (yield* Checkpoints).open(lease, path))
      seen.behind = Effect.orDie(store.remove(path, { recursive: false }))
      const late = { event: { type: "late", payload: "{}" }, path: undefined, cause: undefined }
      const error = yield* Effect.flip(commit({ aside: true, life, emits: [late] }))
      assert.strictEqual(error._tag, "Fenced")
      assert.deepStrictEqual(yield* typesOn(path), [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("may say again that it is parked, but only at an event that is there", () =>
    Effect.gen(function*() {
      const { commit, store } = yield* begin
      yield* store.append({ path, events: [{ type: "ping", payload: "{}" }] })
      const beyond = yield* Effect.flip(commit({ parked: { offset: 999, error: "no" } }))
      assert.strictEqual(beyond.message, "/games/1 has no event at offset 999")
      const parked = { offset: 3, error: "no" }
      assert.isFalse((yield* commit({ parked })).known)
      assert.deepStrictEqual(yield* commit({ parked }), { lines: [], known: true })
      assert.strictEqual((yield* Effect.flip(commit({ parked: { offset: 2, error: "no" } })))._tag, "Fenced")
      yield* (yield* Checkpoints).change("judge", path, { _tag: "Skip" })
      assert.deepStrictEqual(yield* commit({ parked }), { lines: [], known: true }, "a person passed over it")
    }).pipe(Effect.provide(watched().layer)))

  it.effect("says with the crossings that led there where it is parked", () =>
    Effect.gen(function*() {
      const { commit, store } = yield* begin
      const cause = { streamPath: StreamPath.make("/b"), offset: Offset.make(2), hops: 7 }
      yield* store.append({ path, events: [{ type: "ping", payload: "{}" }], cause })
      const { lines: [told = ""] } = yield* commit({ parked: { offset: 3, error: "no" } })
      assert.include(told, `"hops":7`)
    }).pipe(Effect.provide(watched().layer)))

  it.effect("hears which fields of a commit would be passed over", () =>
    Effect.gen(function*() {
      const { commit } = yield* begin
      for (
        const [name, more] of Object.entries({
          parked: { parked: { offset: 2, error: "no" } },
          state: { state: "1" },
          fibers: { fibers: "[]" },
          version: { version: 1 },
          revision: { revision: 0 },
          keep: { keep: true }
        })
      ) {
        const error = yield* Effect.flip(commit({ aside: true, ...more }))
        assert.strictEqual(error.message, `\`aside\` and \`${name}\` do not go together: the instance stays`)
      }
      assert.deepStrictEqual(yield* typesOn(path), ["stream/initialized", "ping"])
    }).pipe(Effect.provide(watched().layer)))

  it.effect("that answers its own errors with errors is stopped by the breaker", () =>
    Effect.gen(function*() {
      const { commit } = yield* begin
      let offset = 2
      for (let i = 0; i < 40; i++) {
        const committed = yield* Effect.result(commit({ offset, emits: [failed("again")] }))
        if (committed._tag === "Failure") {
          assert.strictEqual(committed.failure._tag, "StreamPaused")
          break
        }
        offset += 1
      }
      assert.include(yield* typesOn(path), "stream/paused")
    }).pipe(Effect.provide(watched().layer)))

  it.effect("tells a paused stream once what went wrong at an event", () =>
    Effect.gen(function*() {
      const { commit, lease, store } = yield* begin
      yield* store.append(pause)
      const twice = yield* Effect.flip(commit({ emits: [failed("one"), failed("two")] }))
      assert.strictEqual(twice._tag, "StreamPaused")
      const aside = yield* Effect.flip(commit({ aside: true, emits: [failed("one")] }))
      assert.strictEqual(aside._tag, "StreamPaused")
      const parked = { type: "processor/parked", payload: `{"name":"judge","offset":2,"error":"no"}` }
      const unparked = yield* Effect.flip(commit({ emits: [{ event: parked, path: undefined, cause: undefined }] }))
      assert.include(unparked.message, "Only the server appends processor/parked")
      assert.lengthOf((yield* commit({ emits: [failed("one")] })).lines, 1)
      const { life, revision } = Option.getOrThrow(yield* (yield* Checkpoints).open(lease, path))
      const payload = `{"name":"judge","offset":2,"kind":"k","key":"","error":"no"}`
      const fiber = { event: { type: "processor/parked", payload }, path: undefined, cause: undefined }
      assert.lengthOf((yield* commit({ life, revision, fibers: "[]", emits: [fiber] })).lines, 1)
    }).pipe(Effect.provide(watched().layer)))

  it.effect("reads what a thousand events led to in a few pages", () => {
    const { layer, seen } = watched()
    return Effect.gen(function*() {
      const { commit, store } = yield* begin
      const events = Array.from({ length: 1_500 }, () => ({ type: "ping", payload: "{}" }))
      yield* store.append({ path, events, byServer: true })
      const far = 1_500
      const emits = [...Array.from({ length: 998 }, (_, i) => i + 2), far].map((cause) => ({
        event: { type: "pong", payload: "{}" }, path: StreamPath.make(`/pongs/${cause}`), cause
      }))
      seen.pages = 0
      assert.lengthOf((yield* commit({ offset: far, emits })).lines, 999)
      assert.strictEqual(seen.pages, 2)
      const gone = yield* Effect.flip(
        commit({ aside: true, emits: emits.map((emit) => ({ ...emit, cause: 9_999 })) })
      )
      assert.strictEqual(gone.message, "/games/1 has no event at offset 9999")
    }).pipe(Effect.provide(layer))
  })

  it.effect("looks at all instances once while it waits, and again when something grows", () => {
    const { layer, seen } = watched()
    return Effect.gen(function*() {
      const { claims, commit, store } = yield* begin
      yield* commit({})
      seen.lists = 0
      const idle = yield* Effect.forkChild(claims.claim(claiming({ waitMillis: 2_000 })))
      yield* TestClock.adjust(2_000)
      assert.lengthOf((yield* Fiber.join(idle)).instances, 0)
      assert.strictEqual(seen.lists, 1)
      const waiting = yield* Effect.forkChild(claims.claim(claiming({ waitMillis: 2_000 })))
      yield* TestClock.adjust(500)
      yield* store.append({ path, events: [{ type: "ping", payload: "{}" }] })
      assert.lengthOf((yield* Fiber.join(waiting)).instances, 1)
      assert.strictEqual(seen.lists, 3)
    }).pipe(Effect.provide(layer))
  })

  it.effect("that leaves while its claim waits is let go, though its request goes on", () => {
    const { layer, seen } = watched()
    return Effect.gen(function*() {
      const { claims, commit } = yield* begin
      yield* commit({})
      seen.lists = 0
      const waiting = yield* Effect.forkChild(Effect.uninterruptible(claims.claim(claiming({ waitMillis: 2_000 }))))
      while (seen.lists === 0) yield* Effect.yieldNow
      // Nobody moves the clock: it would wait for ever.
      yield* Fiber.interrupt(waiting)
    }).pipe(Effect.provide(layer))
  })
})
