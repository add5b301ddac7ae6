/** A listener that fails keeps nothing from the others, nor from whoever appends. */
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer, Logger, Queue } from "effect"
import { EventStore } from "../../src/log/EventStore.ts"
import { Growth } from "../../src/log/Growth.ts"
import type { Grown } from "../../src/log/Growth.ts"
import * as MemoryEventStore from "../../src/log/MemoryEventStore.ts"
import * as PgEventStore from "../../src/log/PgEventStore.ts"
import type { StreamPath } from "../../src/domain/StreamPath.ts"
import { root } from "../../src/domain/StreamPath.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { append, below, breakerOff, event, fresh } from "./suite/Fixture.ts"

const fails = () => {
  throw new Error("a fault of ours")
}

/** Listens to a stream behind one that fails. */
const hearing = (growth: Growth["Service"], path: StreamPath) =>
  Effect.gen(function*() {
    const heard = yield* Queue.unbounded<Grown>()
    growth.onStream(path, fails)
    growth.onStream(path, (grown) => Queue.offerUnsafe(heard, grown))
    return heard
  })

const logged: Array<string> = []
const logs = Logger.layer([Logger.make(({ message }) => logged.push(String(message)))])
const memory = MemoryEventStore.layer.pipe(Layer.provideMerge(Growth.layer), Layer.provide(logs))

layer(memory)("growth", (it) => {
  it.effect("is told once to whoever listens to the stream, above it, or to all there is", () =>
    Effect.gen(function*() {
      const growth = yield* Growth
      const above = fresh()
      const path = below(above, "a")
      const told: Array<string> = []
      const note = (name: string) => () => told.push(name)
      const stops = [
        growth.onPrefix(root, note("root")),
        growth.onPrefix(above, note("above")),
        growth.onPrefix(path, note("prefix")),
        growth.onPrefix(below(path, "b"), note("below")),
        growth.onStream(path, note("stream"))
      ]
      yield* append(path, breakerOff)
      assert.deepStrictEqual(told.splice(0).toSorted(), ["above", "above", "prefix", "root", "root", "root", "stream"])
      growth.remind({ path, head: 2, types: undefined, deleted: false })
      assert.deepStrictEqual(told.splice(0), ["stream"])
      for (const stop of stops.slice(1)) stop()
      yield* append(path, event("came"))
      assert.deepStrictEqual(told, ["root"])
      stops[0]?.()
    }))
})

layer(memory)("a listener that fails", (it) => {
  it.effect("leaves the others, the append and what is above it alone, and the log says so", () =>
    Effect.gen(function*() {
      const growth = yield* Growth
      const path = below(fresh(), "a")
      const heard = yield* hearing(growth, path)
      const above = yield* Queue.unbounded<Grown>()
      growth.onPrefix(path, fails)
      growth.onPrefix(path, (grown) => Queue.offerUnsafe(above, grown))
      for (const head of [2, 3]) {
        yield* append(path, event("came"))
        assert.deepInclude(yield* Queue.take(heard), { path, head })
        assert.deepInclude(yield* Queue.take(above), { path, head })
      }
      growth.announceAll()
      assert.deepInclude(yield* Queue.take(heard), { path, head: undefined })
      assert.deepInclude(yield* Queue.take(above), { path, head: undefined })
      assert.include(logged.join("\n"), `A listener of ${path} failed`)
    }))
})

layer(TestPostgres.layer, { excludeTestServices: true, timeout: "60 seconds" })("a failing listener", (it) => {
  it.effect("does not make its process deaf to others", () =>
    Effect.gen(function*() {
      const log = PgEventStore.layer({ breaker: "off" }).pipe(Layer.provideMerge(Growth.layer))
      const writer = Context.get(yield* Layer.build(Layer.fresh(log)), EventStore)
      const growth = Context.get(yield* Layer.build(Layer.fresh(log)), Growth)
      const path = fresh()
      const heard = yield* hearing(growth, path)
      // Without a head, since a notice tells of none; the slow look at what is watched would.
      for (let i = 0; i < 3; i++) {
        yield* writer.append({ path, events: [event("came")] })
        assert.deepInclude(yield* Queue.take(heard), { path, head: undefined, deleted: false })
      }
    }))
})
