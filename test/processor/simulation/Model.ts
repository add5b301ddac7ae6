/**
 * The processors that are simulated: one that answers on two streams, one behind it in a chain, and one whose state
 * calls for fibers. What they say of themselves in their events is what the invariants judge.
 */
import { Context, Data, Effect, Layer, Schedule, Schema } from "effect"
import { EventType } from "../../../src/domain/EventType.ts"
import * as PlainData from "../../../src/processor/PlainData.ts"
import type { Any, LayerOptions } from "../../../src/processor/Processor.ts"
import { Processor } from "../../../src/processor/Processor.ts"
import { Processors } from "../../../src/processor/Processors.ts"

/** Why a hook or a fiber fails. */
export class Failed extends Data.TaggedError("Failed")<{ readonly message: string }> {}

/** The process in which a hook or fiber runs. */
export interface Acting {
  /** A place where the process may fail, halt or die. */
  readonly pass: Effect.Effect<void, Failed>
  /** A number that no other attempt has. */
  readonly attempt: Effect.Effect<number>
  /** Marks a fiber as running for as long as the effect runs. */
  readonly running: <A, E, R>(job: RunningJob, effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

export interface RunningJob {
  readonly path: string
  readonly key: string
  readonly input: string
}

/** Read when a hook runs, so that the processors can be made once for all processes. */
export const Acting = Context.Reference<Acting>("millstream/test/processor/Acting", {
  defaultValue: () => {
    throw new Error("A hook runs outside of all processes")
  }
})

/** Amounts that make a hook fail whatever is tried, and a reducer throw. */
export const failing = 666
export const throwing = 667

export const Add = EventType.make("add", Schema.Struct({ amount: Schema.Int }))
export const Counted = EventType.make(
  "counted",
  Schema.Struct({ attempt: Schema.Int, of: Schema.Int, sum: Schema.Int, before: Schema.Int })
)
export const Copied = EventType.make("copied", Schema.Struct({ attempt: Schema.Int, of: Schema.Int, from: Schema.String }))
export const Echoed = EventType.make("echoed", Schema.Struct({ of: Schema.Int, count: Schema.Int }))

/** Where copies go, and what jobs of all streams have done. */
export const copies = "/copies"

const Counter = Processor.make("counter", {
  state: Schema.Struct({ sum: Schema.Int, count: Schema.Int }),
  initial: { sum: 0, count: 0 },
  consumes: [Add],
  emits: [Counted, Copied]
}).reduce({
  add: ({ count, sum }, { payload }) => {
    if (payload.amount === throwing) throw new Error("This amount is not to be added")
    return { sum: sum + payload.amount, count: count + 1 }
  }
})

const Echo = Processor.make("echo", {
  state: Schema.Struct({ count: Schema.Int, last: Schema.Int }),
  initial: { count: 0, last: 0 },
  consumes: [Counted],
  emits: [Echoed]
}).reduce({ counted: ({ count }, { payload }) => ({ count: count + 1, last: payload.of }) })

/** A job ends by itself after so many steps, or never. */
const Job = Schema.Struct({ steps: Schema.Int, endless: Schema.Boolean })
export const JobSet = EventType.make("job/set", Schema.Struct({ key: Schema.String, job: Job }))
export const JobCancelled = EventType.make("job/cancelled", Schema.Struct({ key: Schema.String }))
export const JobStepped = EventType.make("job/stepped", Schema.Struct({ key: Schema.String, step: Schema.Int }))
export const JobDone = EventType.make("job/done", Schema.Struct({ key: Schema.String, job: Job }))

const without = <A>(jobs: { readonly [key: string]: A }, key: string): { readonly [key: string]: A } =>
  Object.fromEntries(Object.entries(jobs).filter(([each]) => each !== key))

const Jobs = Processor.make("jobs", {
  state: Schema.Struct({ jobs: Schema.Record(Schema.String, Job) }),
  initial: { jobs: {} },
  consumes: [JobSet, JobCancelled, JobDone],
  emits: [JobStepped, JobDone]
}).reduce({
  "job/set": ({ jobs }, { payload }) => ({ jobs: { ...jobs, [payload.key]: payload.job } }),
  "job/cancelled": ({ jobs }, { payload }) => ({ jobs: without(jobs, payload.key) }),
  "job/done": (state, { payload: { job, key } }) =>
    state.jobs[key]?.steps === job.steps && state.jobs[key].endless === job.endless
      ? { jobs: without(state.jobs, key) }
      : state
}).fibers({ work: ({ jobs }) => jobs })

/** Whether a job with this input runs until it is called off. */
export const isEndless = (input: string): boolean => input.includes("\"endless\":true")

const streams = "/s/*"
const retry = Schedule.spaced("40 millis").pipe(Schedule.upTo({ times: 4 }))

const layer = Layer.mergeAll(
  Counter.toLayer({
    afterAppend: {
      add: ({ offset, payload }, { emit, previous, state, streamPath }) =>
        Effect.gen(function*() {
          const { attempt, pass } = yield* Acting
          const number = yield* attempt
          yield* pass
          if (payload.amount === failing) return yield* new Failed({ message: "This amount is too much" })
          yield* emit(Counted.make({ attempt: number, of: offset, sum: state.sum, before: previous.sum }))
          yield* pass
          yield* emit(Copied.make({ attempt: number, of: offset, from: streamPath }), { streamPath: copies })
          yield* pass
        })
    }
  }, { streams, retry }),
  Echo.toLayer({
    afterAppend: { counted: ({ payload }, { emit, state }) => emit(Echoed.make({ of: payload.of, count: state.count })) }
  }, { streams, retry, startFrom: "start" }),
  Jobs.toLayer({
    fibers: {
      work: (job, { append, cursor, key, moveCursor, streamPath }) =>
        Effect.flatMap(Acting, ({ pass, running }) => {
          const step = Effect.gen(function*() {
            yield* Effect.sleep(50)
            yield* pass
            const before = yield* cursor
            return typeof before === "number" ? before + 1 : 1
          })
          return running({ path: streamPath, key, input: PlainData.text(job) }, Effect.gen(function*() {
            for (let i = 0; i < job.steps; i++) {
              const next = yield* step
              yield* append(JobStepped.make({ key, step: next }), { cursor: next })
            }
            while (job.endless) {
              yield* moveCursor(yield* step)
              yield* Effect.sleep(2_000)
            }
            yield* append(JobDone.make({ key, job }), { once: "copied", streamPath: copies })
            yield* append(JobDone.make({ key, job }), { once: "done" })
          }))
        })
    }
  }, { streams, retry })
)

/** A processor as it is registered. */
export interface Registered {
  readonly processor: Any
  readonly options: LayerOptions
}

/** Made once for all processes: to compile their schemas takes longer than a run. */
export const processors: ReadonlyArray<Registered> = (() => {
  const registered: Array<Registered> = []
  const collecting = Layer.succeed(Processors, {
    run: (processor, options) => Effect.sync(() => void registered.push({ processor, options }))
  })
  Effect.runSync(Effect.scoped(Layer.build(Layer.provide(layer, collecting))))
  return registered
})()

/** Finds one by its name. */
export const named = (name: string): Any => {
  const found = processors.find(({ processor }) => processor.name === name)?.processor
  if (found === undefined) throw new Error(`There is no processor ${name}`)
  return found
}

/** What a state of `counter` or `jobs` says; none is the initial one. */
export const sumOf = (state: string | undefined): number => state === undefined ? 0 : decodeCounter(state).sum
export const jobsOf = (state: string | undefined): ReadonlyArray<readonly [string, typeof Job.Type]> =>
  state === undefined ? [] : Object.entries(decodeJobs(state).jobs)

const decodeCounter = Schema.decodeSync(Schema.fromJsonString(Counter.state))
const decodeJobs = Schema.decodeSync(Schema.fromJsonString(Jobs.state))
