/** A log in memory with processors on it, as the tests of this folder say it often. */
import { Effect, Layer, Schedule, Schema, Stream } from "effect"
import type { EventInput } from "../../src/domain/Event.ts"
import { EventType } from "../../src/domain/EventType.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Streams } from "../../src/domain/Streams.ts"
import type { Stateful } from "../../src/domain/Streams.ts"
import type { Change } from "../../src/log/Checkpoints.ts"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import type { Processors } from "../../src/processor/Processors.ts"
import type { Host, Log, Options } from "../../src/testing/TestHost.ts"
import { TestHost } from "../../src/testing/TestHost.ts"

export const Went = EventType.make("went", Schema.Struct({ n: Schema.Int }))
export const Came = EventType.make("came", Schema.Struct({ n: Schema.Int }))

/** A hook or fiber that fails is tried three times, at once. */
export const thrice = Schedule.recurs(2)

type Working = Layer.Layer<never, never, Processors | Streams | Log>

/** With processors at work on the log in scope; they stop where the effect ends. */
export const during = (processors: Working, options?: Options) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Host> | Log> =>
    Effect.provide(effect, processors.pipe(Layer.provideMerge(TestHost.layerOver(options))), { local: true })

/** The same on a log of its own. */
export const work = (processors: Working, options?: Options) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<Exclude<R, Host> | Log, Log>> =>
    Effect.provide(during(processors, options)(effect), TestHost.layerLog(options))

export const append = (path: string, ...events: ReadonlyArray<EventInput>) =>
  Effect.flatMap(Streams, (streams) => streams.appendAll(path, events))

export const quiet = Effect.flatMap(TestHost, (host) => host.quiet)
export const pass = (...[time]: Parameters<TestHost["Service"]["pass"]>) =>
  Effect.flatMap(TestHost, (host) => host.pass(time))

/** All events of a stream. */
export const read = (path: string) => Effect.flatMap(Streams, (streams) => Stream.runCollect(streams.read(path)))

/** Their types, but that of the first, which every stream has. */
export const types = (path: string) => Effect.map(read(path), (events) => events.slice(1).map(({ type }) => type))

/** The numbers that events of one type carry, in order. */
export const numbers = (path: string, type: typeof Went | typeof Came) =>
  Effect.flatMap(Streams, (streams) =>
    Effect.map(
      Stream.runCollect(streams.read(path, { types: [type] })),
      (events) => events.map(({ payload }) => payload.n)
    ))

export const payloads = (path: string, type: string) =>
  Effect.map(read(path), (events) => events.flatMap((event) => event.type === type ? [event.payload] : []))

/** What a processor has made of a stream. */
export const stateOf = <State>(processor: Stateful<State>, path: string) =>
  Effect.flatMap(Streams, (streams) => Effect.map(streams.state(path, { processor }), ({ state }) => state))

/** What a person says. */
export const change = (processor: string, path: string, change: Change) =>
  Effect.flatMap(Checkpoints, (checkpoints) =>
    checkpoints.change(processor, StreamPath.make(path), change))

/** An instance as it is written. */
export const written = (processor: string, path: string) =>
  Effect.flatMap(Checkpoints, (checkpoints) =>
    Effect.map(checkpoints.instancesOn(StreamPath.make(path)), (all) => all.get(processor)))
