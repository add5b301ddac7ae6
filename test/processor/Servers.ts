/** Servers of one log in one process, each with a processor; what a server asks of the log can be held up. */
import { Context, Effect, Exit, Layer, Schedule, Schema, Scope } from "effect"
import * as EventText from "../../src/domain/EventText.ts"
import { EventType } from "../../src/domain/EventType.ts"
import { StreamPath } from "../../src/domain/StreamPath.ts"
import { Checkpoints } from "../../src/log/Checkpoints.ts"
import { EventStore } from "../../src/log/EventStore.ts"
import { Processor } from "../../src/processor/Processor.ts"
import type { Processors } from "../../src/processor/Processors.ts"
import * as Supervisor from "../../src/processor/Supervisor.ts"
import type { Log } from "../../src/testing/TestHost.ts"
import { Went } from "./Workshop.ts"

export interface Changes {
  readonly checkpoints?: (checkpoints: Checkpoints["Service"]) => Partial<Checkpoints["Service"]>
  readonly store?: (store: EventStore["Service"]) => Partial<EventStore["Service"]>
}

/** A server with a processor, until it is stopped or the test ends. */
export const start = Effect.fnUntraced(function*(
  processor: Layer.Layer<never, never, Processors>,
  { checkpoints = () => ({}), store = () => ({}) }: Changes = {}
) {
  const scope = yield* Scope.make()
  const stop = Scope.close(scope, Exit.void)
  yield* Effect.addFinalizer(() => stop)
  const log = yield* Effect.context<Log>()
  const asked = Context.get(log, Checkpoints)
  const events = Context.get(log, EventStore)
  const changed = log.pipe(
    Context.add(Checkpoints, { ...asked, ...checkpoints(asked) }),
    Context.add(EventStore, { ...events, ...store(events) })
  )
  yield* Layer.buildWithScope(
    processor.pipe(
      Layer.provide(Supervisor.layer({ maxHops: 256, leaseMillis: 5_000 })),
      Layer.provide(Layer.succeedContext(changed))
    ),
    scope
  )
  return { stop }
})

export const Answered = EventType.make("answered", Schema.Struct({ n: Schema.Int, by: Schema.Int, sum: Schema.Int }))

/** Sums what went, times its version, and answers each with the sum; `folded` counts what it folds. */
export const summing = (name: string, version: number, reduce = (sum: number, n: number) => sum + version * n) => {
  const counts = { folded: 0 }
  const layer = Processor.make(name, { version, state: Schema.Int, initial: 0, consumes: [Went], emits: [Answered] })
    .reduce({
      went: (sum, { payload: { n } }) => {
        counts.folded += 1
        return reduce(sum, n)
      }
    })
    .toLayer({
      afterAppend: {
        went: ({ payload: { n } }, { emit, state }) => emit(Answered.make({ n, by: version, sum: state }))
      }
    }, { streams: `/${name}/**` })
  return { counts, layer }
}

export const Begun = EventType.make("begun", Schema.Struct({ key: Schema.String }))
const Did = EventType.make("did", Schema.Struct({ key: Schema.String, by: Schema.Int }))

/** Runs a fiber for each key that has begun, which says so; only that of `short` ends. */
export const working = (name: string, version: number) =>
  Processor.make(name, {
    version,
    state: Schema.Record(Schema.String, Schema.Boolean),
    initial: {},
    consumes: [Begun],
    emits: [Did]
  })
    .reduce({ begun: (keys, { payload: { key } }) => ({ ...keys, [key]: true }) })
    .fibers({ run: (keys) => keys })
    .toLayer({
      fibers: {
        run: (_, { append, key }) =>
          Effect.andThen(append(Did.make({ key, by: version })), key === "short" ? Effect.void : Effect.never)
      }
    }, { streams: `/${name}/**` })

/** Which fibers have said so, as `key by version, for offset`. */
export const did = (path: string) =>
  Effect.flatMap(EventStore, (store) =>
    Effect.map(store.read(StreamPath.make(path), { after: 0, types: [Did.type] }), ({ lines }) =>
      lines.map((line) => EventText.decode(line)).map(({ cause, payload }) => {
        const { by, key } = decodeDid(payload)
        return `${key} by ${by}, for ${cause?.offset}`
      })))

const decodeDid = Schema.decodeUnknownSync(Did.payload)
const decodeAnswer = Schema.decodeUnknownSync(Answered.payload)

/** The payloads of a type of events on a stream. */
export const payloads = (path: string, type: string) =>
  Effect.flatMap(EventStore, (store) =>
    Effect.map(store.read(StreamPath.make(path), { after: 0, types: [type] }), ({ lines }) =>
      lines.map((line) => EventText.decode(line).payload)))

/** Who answered what, as `n by version`. */
export const answers = (path: string) =>
  Effect.map(payloads(path, Answered.type), (all) =>
    all.map((each) => decodeAnswer(each)).map(({ by, n }) => `${n} by ${by}`))

export const went = (path: string, ...all: ReadonlyArray<number>) =>
  Effect.flatMap(EventStore, (store) =>
    store.append({
      path: StreamPath.make(path),
      events: all.map((n) => ({ type: Went.type, payload: JSON.stringify({ n }) }))
    }))

/** What is registered under a name. */
export const registered = (name: string) =>
  Effect.flatMap(Checkpoints, (checkpoints) =>
    Effect.map(checkpoints.registered, (all) => all.find(({ processor }) => processor === name)))

/** The instance of a processor as it is written. */
export const written = (name: string, path: string) =>
  Effect.flatMap(Checkpoints, (checkpoints) =>
    Effect.map(checkpoints.instancesOn(StreamPath.make(path)), (all) => all.get(name)))

/** What a look finds, once that is so. */
export const until = <A, E, R>(look: Effect.Effect<A, E, R>, isSo: (value: A) => boolean) =>
  Effect.repeat(look, { schedule: Schedule.spaced("10 millis"), until: isSo })
