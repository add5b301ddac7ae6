/** A type that a changed definition consumes: what was there before is folded, and runs no hooks. */
import { assert, layer as layered } from "@effect/vitest"
import { Effect, Schema } from "effect"
import type { Layer } from "effect"
import { EventType } from "../../src/domain/EventType.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import { Processor } from "../../src/processor/Processor.ts"
import type { Log } from "../../src/testing/TestHost.ts"
import { TestHost } from "../../src/testing/TestHost.ts"
import * as TestPostgres from "../TestPostgres.ts"
import { Begun, payloads, registered, start, until, went, written } from "./Servers.ts"
import { Went } from "./Workshop.ts"

const Seen = EventType.make("seen", Schema.Struct({ of: Schema.String, at: Schema.Int }))
const fresh = () => `p${crypto.randomUUID().slice(0, 8)}`
const begin = Effect.fnUntraced(function*(path: string, ...keys: ReadonlyArray<string>) {
  const events = keys.map((key) => ({ type: Begun.type, payload: JSON.stringify({ key }) }))
  return yield* (yield* EventStore).append({ path: StreamPath.make(path), events })
})
const seen = (path: string) => payloads(path, Seen.type)

/** Counts what went, and says so. */
const narrow = (name: string) =>
  Processor.make(name, { version: 1, state: Schema.Int, initial: 0, consumes: [Went], emits: [Seen] })
    .reduce({ went: (count) => count + 1 })
    .toLayer({
      afterAppend: { went: ({ offset: at }, { emit }) => emit(Seen.make({ of: "went", at })) }
    }, { streams: `/${name}/**` })

/** The same of what has begun. */
const wide = (name: string, version: number) =>
  Processor.make(name, { version, state: Schema.Int, initial: 0, consumes: [Went, Begun], emits: [Seen] })
    .reduce({ went: (count) => count + 1, begun: (count) => count + 1 })
    .toLayer({
      afterAppend: {
        went: ({ offset: at }, { emit }) => emit(Seen.make({ of: "went", at })),
        begun: ({ offset: at }, { emit }) => emit(Seen.make({ of: "begun", at }))
      }
    }, { streams: `/${name}/**` })

/** The same of everything. */
const widest = (name: string) =>
  Processor.make(name, { version: 2, state: Schema.Int, initial: 0, consumes: [EventType.any], emits: [Seen] })
    .reduce({ "*": (count) => count + 1 })
    .toLayer({
      afterAppend: {
        "*": ({ offset: at, type }, { emit }) => type === Seen.type ? Effect.void : emit(Seen.make({ of: type, at }))
      }
    }, { streams: `/${name}/**` })

/** A stream on which one that does not consume it has passed what begun, and one on which that is all. */
const before = Effect.fnUntraced(function*(name: string) {
  const [a, b] = [`/${name}/a`, `/${name}/b`] as const
  const server = yield* start(narrow(name))
  yield* went(a, 1)
  // Written as far as its own answer, which it does not consume.
  yield* until(written(name, a), (row) => row !== undefined && row.offset > 1 && row.head === 3)
  yield* begin(a, "x", "y")
  yield* begin(b, "x")
  return { a, b, server }
})

const suite = <E>(log: string, layer: Layer.Layer<Log, E>) =>
  layered(layer, { excludeTestServices: true, timeout: "60 seconds" })(`an added type, of a log in ${log}`, (it) => {
    it.effect("counts from the takeover of the version that consumes it, on every stream", () =>
      Effect.gen(function*() {
        const name = fresh()
        const { a, b } = yield* before(name)
        yield* start(wide(name, 2))
        yield* until(registered(name), (known) => known?.version === 2)
        for (const path of [a, b]) yield* begin(path, "z")
        assert.deepStrictEqual((yield* until(seen(b), (all) => all.length > 0)), [{ of: "begun", at: 3 }])
        const answered = yield* until(seen(a), (all) => all.length > 1)
        assert.deepStrictEqual(answered, [{ of: "went", at: 2 }, { of: "begun", at: 6 }])
        const row = yield* until(written(name, a), (row) => row?.version === 2 && row.offset >= 6)
        assert.strictEqual(row?.state, "4")
      }))

    it.effect("counts from there too where the version stays", () =>
      Effect.gen(function*() {
        const name = fresh()
        const { a, b, server } = yield* before(name)
        // What the older definition consumes came before, too, and is not lost.
        yield* server.stop
        yield* went(a, 2)
        yield* start(wide(name, 1))
        yield* begin(a, "z")
        yield* begin(b, "z")
        assert.deepStrictEqual((yield* until(seen(b), (all) => all.length > 0)), [{ of: "begun", at: 3 }])
        const answered = yield* until(seen(a), (all) => all.length > 2)
        assert.deepStrictEqual(answered, [{ of: "went", at: 2 }, { of: "went", at: 6 }, { of: "begun", at: 7 }])
      }))

    it.effect("counts from there where everything is consumed at last, and what was consumed before as it did", () =>
      Effect.gen(function*() {
        const name = fresh()
        const { a, b, server } = yield* before(name)
        yield* server.stop
        yield* went(a, 2)
        yield* start(widest(name))
        yield* begin(a, "z")
        yield* begin(b, "z")
        assert.deepStrictEqual((yield* until(seen(b), (all) => all.length > 0)), [{ of: "begun", at: 3 }])
        const answered = yield* until(seen(a), (all) => all.length > 2)
        assert.deepStrictEqual(answered, [{ of: "went", at: 2 }, { of: "went", at: 6 }, { of: "begun", at: 7 }])
      }))
  })

suite("memory", TestHost.layerLog())
suite("Postgres", TestPostgres.log)
