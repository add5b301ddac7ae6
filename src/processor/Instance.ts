/**
 * A processor at work on one stream, from its opening until it has nothing to do. A definition whose stored state can
 * not be read any more is folded anew, as one of another version is.
 */
import { Effect, Option } from "effect"
import type { Duration, Schedule, Scope } from "effect"
import * as Control from "../domain/ControlEvent.ts"
import type { JsonText } from "../domain/EventText.ts"
import type { Fenced, Unavailable } from "../domain/StreamError.ts"
import type { StreamPath } from "../domain/StreamPath.ts"
import type { Checkpoints, Instance as Stored, Lease, Snapshot } from "../log/Checkpoints.ts"
import type { Directory } from "../log/Directory.ts"
import type { EventStore } from "../log/EventStore.ts"
import type { Growth } from "../log/Growth.ts"
import { Course } from "./Course.ts"
import * as FiberRecords from "./FiberRecords.ts"
import type { Folding } from "./Folding.ts"
import type { TakeTurn } from "./HookTurns.ts"
import type { Any } from "./Processor.ts"

/** What all instances of a processor on this server have in common. */
export interface Shared {
  readonly processor: Any
  readonly retry: Schedule.Schedule<unknown, unknown>
  readonly maxHops: number
  readonly takeTurn: TakeTurn
  readonly store: EventStore["Service"]
  readonly growth: Growth["Service"]
  readonly directory: Directory["Service"]
  readonly checkpoints: Checkpoints["Service"]
}

export interface Options extends Shared {
  readonly lease: Lease
  readonly path: StreamPath
  readonly status: Status
  /** How long it stays awake without fibers when nothing comes. */
  readonly idleTime: () => Duration.Duration
  /** Called when history is folded, or when it turns out that this takes longer. */
  readonly onStarted: Effect.Effect<void>
  /** Called each time before it looks for what comes next: it finds whatever the stream grew before. */
  readonly onLook: () => void
}

/** How an instance fares, for those who ask. */
export interface Status {
  now: "folding" | "caught-up" | "retrying" | "waiting" | "parked"
  /** What is folded and done. */
  offset: number
  /** Whether each state is judged by its schema: once one did not fit, to find the event that made it. */
  isStrict?: boolean | undefined
  /** The state there and its fibers, once it is folded. */
  view?: (() => View) | undefined
}

export interface View {
  readonly offset: number
  readonly state: JsonText
  readonly fibers: ReadonlyArray<FiberView>
}

/** What the state asks for, and how it fares. */
export interface FiberView extends FiberRecords.FiberRecord {
  readonly status: "running" | "done" | "retrying" | "parked"
}

/** Why an instance ended. */
export type Ended = "idle" | "parked" | "gone" | "changed"

/** Those of an instance's own control events that tell of a person's change. */
export const changes: ReadonlyArray<string> = [
  Control.ProcessorResumed.type,
  Control.ProcessorSkipped.type,
  Control.ProcessorRefolded.type
]
/** What concerns every instance that is awake, whatever it consumes. */
const noticed: ReadonlyArray<string> = [Control.Paused.type, Control.Resumed.type, ...changes]

/** The types that an instance reads; none means every one. */
export const typesOf = (processor: Any): ReadonlyArray<string> | undefined => {
  const types = processor.consumes.map(({ type }) => type)
  return types.includes("*") ? undefined : [...new Set([...types, ...noticed])]
}

/** Whether what a stream grew by may end an instance's wait for a person; growth without types may be anything. */
export const mayResume = (types: ReadonlySet<string> | undefined): boolean =>
  types === undefined || changes.some((type) => types.has(type))

/** Runs the instance until it has nothing to do. */
export const run = Effect.fnUntraced(function*(
  options: Options
): Effect.fn.Return<Ended, Fenced | Unavailable, Scope.Scope> {
  const { checkpoints, directory, lease, path, status } = options
  const opened = yield* checkpoints.open(lease, path)
  if (Option.isNone(opened)) return "gone"
  const stored = opened.value
  status.offset = stored.offset
  if (stored.parked !== undefined) {
    status.now = "parked"
    yield* options.onStarted
    return "parked"
  }
  const stream = yield* directory.describe(path)
  if (Option.isNone(stream) || stream.value.id !== stored.life) return "changed"
  const { core, offset } = stream.value
  const begin = yield* beginning(options, stored)
  const course = new Course(options, stored, begin, yield* Effect.scope, { isPaused: core.paused !== null, offset })
  return yield* course.run
})

/** Where folding begins. */
export interface Beginning {
  readonly folding: Folding
  /** Of the last event that is in its state. */
  readonly offset: number
  /** What the state asks for. */
  readonly fibers: FiberRecords.FiberRecords
  /** What was asked for when it was written, where it is folded anew since. */
  readonly before: FiberRecords.FiberRecords | undefined
}

const beginning = Effect.fnUntraced(function*(
  { checkpoints, processor }: Options,
  { fibers, life, offset, path, state, version }: Stored
): Effect.fn.Return<Beginning, Unavailable> {
  const before = FiberRecords.decode(fibers ?? "[]")
  const anew = (): Beginning => ({ folding: processor.fold(), offset: 0, fibers: FiberRecords.none, before })
  if (state !== undefined && version === processor.version) {
    return yield* Effect.catchDefect(
      Effect.sync((): Beginning => ({ folding: processor.fold({ state }), offset, fibers: before, before: undefined })),
      (defect) =>
        Effect.as(
          Effect.logWarning(
            `The state of ${processor.name} on ${path} does not fit its schema any more and is folded anew: ` +
              "count the version up where a schema or reducer changes",
            defect
          ),
          anew()
        )
    )
  }
  // New streams come all the time, and have nothing that was prepared.
  if (offset === 0) return anew()
  const kept = yield* checkpoints.snapshot(processor.name, processor.version, life, offset)
  return kept.pipe(
    Option.flatMap(Option.liftThrowable((each: Snapshot): Beginning => ({
      folding: processor.fold(each),
      offset: each.offset,
      fibers: FiberRecords.running(FiberRecords.decode(each.fibers)),
      before
    }))),
    Option.getOrElse(anew)
  )
})
